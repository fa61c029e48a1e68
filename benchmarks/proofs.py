"""How long it takes to cover every interleaving of calls of the shipped functions, at every isolation level.

python benchmarks/proofs.py [--three]

--three: also three workers on one job and on three jobs, up to REPEATABLE READ. (At SERIALIZABLE nearly everything that
three workers do counts for the others: minutes.)
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from harness.campaign import Options, Silent, run_campaign
from harness.driver.pool import WorkerPool
from harness.model import ScenarioResult
from harness.scenario import load_scenario
from harness.stage import Stages
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget

LEVELS = ("read committed", "repeatable read", "serializable")
REFUND = "refund: {{job: {job}, user: alice, amount: 1000, error: timeout}}"
PAIRS = {
    "refund and refund of one job": (REFUND.format(job="j1"), REFUND.format(job="j1")),
    "refunds of two jobs of one user": (REFUND.format(job="j1"), REFUND.format(job="j2")),
    "refund and charge": (REFUND.format(job="j1"), "charge: {job: j3, user: alice, amount: 500}"),
    "refund and complete": (REFUND.format(job="j1"), "complete: {job: j1, user: alice}"),
}
THREE = {
    "three refunds of one job": (REFUND.format(job="j1"),) * 3,
    "refunds of three jobs of one user": tuple(REFUND.format(job=j) for j in ("j1", "j2", "j4")),
}
HEAD = """# yaml-language-server: $schema=refund-harness.schema.json
version: 1
name: {name}
setup:
  - charge: {{user: alice, job: j1, opening: 9000, amount: 1000}}
  - charge: {{user: alice, job: j2, amount: 1000}}
  - charge: {{user: alice, job: j4, amount: 1000}}
  - job: {{job: j3, user: alice, status: pending}}
workers:
"""
LIMIT = 100_000


def scenario(name: str, calls: tuple[str, ...], level: str) -> str:
    """A scenario file: one transaction per call."""
    text = HEAD.format(name=name.replace(" ", "_"))
    for i, call in enumerate(calls, 1):
        text += f"  w{i}: {{role: service_role, isolation: {level}, transaction: [{{{call}}}]}}\n"
    return text + f"orders: [{{strategy: exhaustive, schedules: {LIMIT}}}]\n"


def main() -> None:
    systems = PAIRS | (THREE if "--three" in sys.argv else {})
    with EmbeddedTarget() as target, Databases(target) as databases, WorkerPool() as pool:
        total = dict.fromkeys((2, 3), 0.0)
        for name, calls in systems.items():
            for level in LEVELS if len(calls) == 2 else LEVELS[:2]:
                result, seconds, pids = run(scenario(name, calls, level), target, databases, pool)
                total[len(calls)] += seconds
                covered = result.covered
                assert covered is not None
                print(
                    f"{name:36} {level:16} {result.schedules:6} executions ({covered.pruned} pruned), "
                    f"{covered.points} points, {'exhausted' if result.exhausted else 'NOT exhausted'}, "
                    f"{result.observed.value}, {seconds:.2f} s"
                )
        print(f"processes of the workers: {', '.join(map(str, pids))}")
        print(f"two workers together: {total[2]:.1f} s" + (f"; three workers: {total[3]:.1f} s" if total[3] else ""))


def run(
    text: str, target: EmbeddedTarget, databases: Databases, pool: WorkerPool
) -> tuple[ScenarioResult, float, list[int]]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "proof.yaml"
        file.write_text(text)
        loaded = load_scenario(file)
        begin = time.perf_counter()
        stages = Stages(loaded, target, databases, pool)
        try:
            result = run_campaign(loaded, stages, Options(), Silent(), target.server_version)
        finally:
            stages.close()
        return result, time.perf_counter() - begin, [w.pid for w in pool.take(len(loaded.workers))]


if __name__ == "__main__":
    main()
