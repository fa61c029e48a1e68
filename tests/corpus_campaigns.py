"""Corpus cases as scenarios, and their campaigns."""

from __future__ import annotations

from pathlib import Path

from corpus_cases import Case, statements

from harness.campaign import Options, Silent, run_campaign
from harness.driver.pool import WorkerPool
from harness.model import Order, Scenario, ScenarioResult, Script, Search, Worker
from harness.stage import Stages
from harness.statements import make_statement, unique_names
from harness.targets.databases import Databases
from harness.targets.protocol import Target

ROLES = """
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'service_role') THEN CREATE ROLE service_role; END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$
"""
AUTO = (Search(strategy="auto"),)


def scenario_of(case: Case, interleavings: tuple[Order | Search, ...] = AUTO) -> Scenario:
    """The scenario that `harness check` would make of a case."""
    workers = tuple(
        Worker(
            name=f"w{n}",
            statements=tuple(unique_names(make_statement(sql) for sql in statements(call))),
            role=case.role,
        )
        for n, call in enumerate(case.calls, 1)
    )
    return Scenario(
        name=case.name,
        about=case.about,
        file=str(case.path),
        text_hash=case.name,
        install=(Script(name="roles", text=ROLES), Script(name=case.path.name, text=case.sql)),
        setup=tuple(Script(name="setup", text=sql) for sql in case.setup),
        workers=workers,
        interleavings=interleavings,
        expect={},
        expect_violation=case.verdicts,
        invariants=tuple(Script(name=name, text=sql) for name, sql in case.invariants.items()),
        state=(),
        users=(),
        jobs=(),
        fresh_database=False,
        restore=True,
    )


def campaign(
    case: Case,
    target: Target,
    databases: Databases,
    pool: WorkerPool,
    *,
    seed: int = 0,
    folder: Path | None = None,
    interleavings: tuple[Order | Search, ...] = AUTO,
) -> ScenarioResult:
    """Run a case until its first violation or its strategy's limit."""
    scenario = scenario_of(case, interleavings)
    stages = Stages(scenario, target, databases, pool)
    try:
        return run_campaign(scenario, stages, Options(seed=seed, folder=folder), Silent(), target.server_version)
    finally:
        stages.close()
