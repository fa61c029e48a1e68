"""Memory and disk over a long campaign: a random walk of very many schedules, executed by shards.

    benchmarks/endurance.py [--schedules 1000000] [--jobs 2]

Prints a line every so often and, in the end or when it is interrupted, writes ``reports/bench/endurance.png``.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from harness.campaign import Options
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


def draw(samples: list[Any], file: Path) -> None:
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    done = [s[0] / 1000 for s in samples]
    figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
    for index, label in ((2, "the campaign's process"), (3, "shards, workers, servers together"), (4, "on disk")):
        axes.plot(done, [s[index] for s in samples], label=label)
    axes.set(xlabel="thousand schedules", ylabel="MiB", ylim=(0, None), title="Memory and disk over one campaign")
    axes.legend(frameon=False)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=110)


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
