"""Memory and disk over a long campaign: a random walk of very many schedules, executed by shards.

    benchmarks/endurance.py [--schedules 1000000] [--jobs 2]

Prints a line every so often and, in the end or when it is interrupted, writes ``reports/bench/endurance.png``.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
from matplotlib.figure import Figure as Canvas

from harness.campaign import Options
from harness.report.palette import BLUE, INK, MUTED, RULE, VERMILION
from harness.run import SilentReporter, run_scenarios
from harness.scenario import load_scenario
from harness.targets.embedded import EmbeddedTarget

SQL = """\
CREATE TABLE purses (owner text PRIMARY KEY, cents integer NOT NULL CHECK (cents >= 0));
INSERT INTO purses VALUES ('alice', 1000000);
CREATE FUNCTION take(p_cents integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE had integer;
BEGIN
  SELECT cents INTO had FROM purses WHERE owner = 'alice' FOR UPDATE;
  UPDATE purses SET cents = had - p_cents WHERE owner = 'alice';
  RETURN had - p_cents;
END $$;
"""
SCENARIO = """\
version: 1
name: endurance
install: [./take.sql]
workers:
  one: {transaction: [SELECT take(1)]}
  two: {transaction: [SELECT take(2)]}
orders: [{strategy: random_walk}]
"""
MIB = 1 << 20
SAMPLES = 200


class Sampler(SilentReporter):
    """Per sample: (schedules done, seconds, MiB of the campaign's process, of all its other processes, on disk)."""

    def __init__(self, every: int, folder: Path) -> None:
        self.every, self.folder = every, folder
        self.begin = time.monotonic()
        self.samples: list[tuple[int, float, float, float, float]] = []

    def schedule_done(self, name: str, done: int, violations: int) -> None:
        if done % self.every or violations:
            return
        me = psutil.Process()
        children = me.children(recursive=True)
        own, others = me.memory_full_info().uss / MIB, sum(map(_memory, children)) / MIB
        disk = sum(map(_size, (self.folder, *_data(children)))) / MIB
        self.samples.append((done, time.monotonic() - self.begin, own, others, disk))
        line = "{:>9,}  {:>8.0f} s  {:>7.1f} MiB  {:>7.1f} MiB  {:>7.1f} MiB"
        print(line.format(*self.samples[-1]), name, flush=True)


def _memory(process: psutil.Process) -> int:
    try:
        used: int = process.memory_full_info().uss
    except psutil.Error:  # it has just ended
        return 0
    return used


def _data(processes: list[psutil.Process]) -> set[Path]:
    """The data directories of the servers among them."""
    found = set()
    for process in processes:
        try:
            arguments = process.cmdline()
        except psutil.Error:
            continue
        if "-D" in arguments:
            found.add(Path(arguments[arguments.index("-D") + 1]))
    return found


def _size(folder: Path) -> int:
    total = 0
    for path in folder.glob("**/*"):
        try:
            total += path.stat().st_size
        except OSError:  # it has just been removed
            continue
    return total


def draw(samples: Sequence[tuple[int, float, float, float, float]], file: Path) -> None:
    canvas = Canvas(figsize=(8, 3.6), layout="constrained")
    axes = canvas.subplots()
    lines = ((4, "on disk", MUTED), (3, "shards, workers and servers", VERMILION), (2, "the campaign's process", BLUE))
    for index, label, colour in lines:
        axes.plot([s[0] / 1000 for s in samples], [s[index] for s in samples], color=colour, label=label)
    axes.set(xlabel="thousand schedules", ylabel="MiB")
    axes.set_ylim(0)
    axes.set_xlim(0)
    axes.grid(axis="y", color=RULE, linewidth=0.6)
    axes.legend(frameon=False, labelcolor=INK)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    file.parent.mkdir(parents=True, exist_ok=True)
    canvas.savefig(file, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schedules", type=int, default=1_000_000)
    parser.add_argument("--jobs", type=int, default=2)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, EmbeddedTarget() as target:
        folder = Path(name)
        (folder / "take.sql").write_text(SQL)
        (folder / "endurance.yaml").write_text(SCENARIO)
        out = folder / "out"
        out.mkdir()
        sampler = Sampler(max(asked.schedules // SAMPLES, 1), out)
        print("schedules     seconds     campaign       others         disk")
        try:
            options = Options(schedules=asked.schedules, folder=out)
            scenario = load_scenario(folder / "endurance.yaml")
            [found] = run_scenarios([scenario], target, options, sampler, jobs=asked.jobs).scenarios
            print(found.verdict, found.meaning)
        finally:
            if sampler.samples:
                draw(sampler.samples, Path("reports/bench/endurance.png"))


if __name__ == "__main__":
    main()
