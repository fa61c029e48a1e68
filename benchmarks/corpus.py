"""How fast `auto` finds what is broken in the corpus of tests/corpus, and what it says of the correct functions.

python benchmarks/corpus.py [--replays N] [--switches]

--replays N: every counterexample N times more, exactly. --switches: the fewest switches of a counterexample, shrunk,
by each strategy. Beside it: how often the same calls, released together without control, go wrong.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from corpus_campaigns import campaign, scenario_of
from corpus_cases import Case, cases

from harness.checks import judge
from harness.driver.pool import WorkerPool
from harness.model import Counterexample, ScenarioResult, Search, Verdict
from harness.schedule import size
from harness.stage import Stages
from harness.strategies.replay import Replay
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget

OTHERS = ("preemption_bounded", "pct", "random_walk")


class Bench:
    def __init__(self, target: EmbeddedTarget, databases: Databases, pool: WorkerPool, folder: Path) -> None:
        self.target, self.databases, self.pool, self.folder = target, databases, pool, folder

    def run(self, case: Case, strategy: str, schedules: int | None = None) -> tuple[ScenarioResult, float]:
        begin = time.perf_counter()
        search = (Search(strategy=strategy, schedules=schedules),)
        found = campaign(case, self.target, self.databases, self.pool, folder=self.folder, interleavings=search)
        return found, time.perf_counter() - begin

    def replays(self, case: Case, example: Counterexample, times: int) -> int:
        """How many of so many exact replays violate the same checks."""
        scenario = scenario_of(case)
        stages = Stages(scenario, self.target, self.databases, self.pool)
        try:
            stage = stages.of(scenario.interleavings[0])
            stage.leave_out(frozenset(example.without))
            wanted = {v.check for v in example.violations}
            again = 0
            for _ in range(times):
                execution, _ = stage.replay(Replay(example.execution.schedule, exact=True), seed=0)
                again += wanted == {v.check for r in judge(stage.context(execution, None)) for v in r.violations}
            return again
        finally:
            stages.close()


def main() -> None:
    times = int(sys.argv[sys.argv.index("--replays") + 1]) if "--replays" in sys.argv else 0
    broken = [c for c in cases() if not c.passes]
    correct = [c for c in cases() if c.passes]
    with (
        EmbeddedTarget() as target,
        Databases(target) as databases,
        WorkerPool() as pool,
        tempfile.TemporaryDirectory() as folder,
    ):
        bench = Bench(target, databases, pool, Path(folder))
        _broken(bench, broken, times, "--switches" in sys.argv)
        _correct(bench, correct)
        print("processes of the workers: " + ", ".join(str(w.pid) for w in pool.take(3)))


def _broken(bench: Bench, found_in: list[Case], times: int, switches: bool) -> None:
    took, schedules, free, again, examples, worse = [], [], [], 0, 0, []
    missed = []
    for case in found_in:
        result, seconds = bench.run(case, "auto")
        seen = {v.check for e in result.counterexamples for v in e.violations}
        if not set(case.verdicts) <= seen:
            missed.append(case.name)
            continue
        took.append(seconds)
        schedules.append(result.schedules_to_first_violation or 0)
        released, _ = bench.run(case, "free_running", 50)
        free.append(sum(1 for c in released.checks if c.violations) > 0)
        for example in result.counterexamples:
            examples += 1
            again += bench.replays(case, example, times)
        if switches:
            for name in OTHERS:
                other, _ = bench.run(case, name, 300)
                if _fewer(other, result):
                    worse.append(f"{case.name} ({name})")
    print(f"broken: {len(took)} of {len(found_in)} found by auto; missed: {', '.join(missed) or 'none'}")
    print(f"  seconds with installation and shrinking: median {statistics.median(took):.2f}, worst {max(took):.2f}")
    print(f"  schedules to the first violation, serial orders included: median {statistics.median(schedules)}")
    print(f"  released together 50 times, without control: {sum(free)} of {len(free)} showed anything at all")
    if times:
        print(f"  exact replays with the same violations: {again} of {examples * times}")
    if switches:
        print(f"  found with fewer switches by another strategy: {', '.join(worse) or 'none'}")


def _fewer(other: ScenarioResult, mine: ScenarioResult) -> bool:
    """Whether another strategy's counterexample needs fewer switches than ours for the same check."""

    def switches(result: ScenarioResult) -> dict[str, int]:
        found: dict[str, int] = {}
        for example in result.counterexamples:
            for violation in example.violations:
                count = size(example.execution.schedule)[0]
                found[violation.check] = min(count, found.get(violation.check, count))
        return found

    ours = switches(mine)
    return any(count < ours[check] for check, count in switches(other).items() if check in ours)


def _correct(bench: Bench, functions: list[Case]) -> None:
    green = exhausted = executions = 0
    red = []
    for case in functions:
        result, _ = bench.run(case, "auto")
        executions += result.schedules
        exhausted += result.exhausted
        green += result.observed is Verdict.PASS
        red += [] if result.observed is Verdict.PASS else [f"{case.name}: {result.meaning}"]
    print(f"correct: {green} of {len(functions)} green, {exhausted} of them exhausted, {executions} executions")
    for line in red:
        print(f"  {line}")


if __name__ == "__main__":
    main()
