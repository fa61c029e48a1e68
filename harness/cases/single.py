"""One case as a scenario of its own, so that it is executed, saved and replayed like any other."""

from __future__ import annotations

from dataclasses import replace

from harness.errors import UsageError
from harness.model import Case, Scenario


def single(scenario: Scenario, name: str) -> tuple[Scenario, Case]:
    """``scenario`` with the worker of its case ``name`` and no other, and that case. All tables are its ledger: what a
    call writes for an id that nobody knows counts as well. Raises `UsageError` when there is no such case."""
    case = next((c for c in scenario.cases if c.name == name), None)
    if case is None:
        raise UsageError(f"{scenario.file} has no case {name!r} any more")
    alone = replace(
        scenario,
        workers=(case.worker,),
        interleavings=(case,),
        expect={},
        state=(),
        model="",
        faults=(),
        cases=(case,),
    )
    return alone, case
