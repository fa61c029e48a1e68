"""What `harness init` proposes for SQL of a test, and what a run of it finds."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from harness.campaign import Options, Silent, run_campaign
from harness.driver.pool import WorkerPool
from harness.model import Scenario, Verdict
from harness.scaffold.init import Done, init_on, read_sources
from harness.scenario import load_scenario
from harness.stage import Stages
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget

SCHEDULES = 6
"""Per scenario: every race of these is found within five."""
Told = dict[str, tuple[Verdict, set[str]]]


def proposed(
    paths: list[str], target: EmbeddedTarget, databases: Databases, folder: Path
) -> tuple[Done, list[Scenario]]:
    """Written into ``folder``, and read back as `harness run` reads it."""
    done = init_on(target, databases, read_sources(paths), folder / "concurrency", folder, force=False)
    return done, [load_scenario(path) for path in done.written if path.suffix == ".yaml"]


def found(scenarios: list[Scenario], target: EmbeddedTarget, databases: Databases, pool: WorkerPool) -> Told:
    """Scenario → its verdict and the checks that are violated; nothing is run after the first violation."""
    options = Options(schedules=SCHEDULES, explain=False)
    told: Told = {}
    for scenario in scenarios:
        with closing(Stages(scenario, target, databases, pool)) as stages:
            result = run_campaign(scenario, stages, options, Silent(), target.server_version)
        checks = {v.check for example in result.counterexamples for v in example.violations}
        told[result.name] = (result.verdict, checks)
        if result.verdict is Verdict.VIOLATION:
            break
    return told
