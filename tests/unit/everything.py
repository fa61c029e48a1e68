"""A run in which every field of every part of a result says something, and the same with a hostile text in each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import Any, TypeVar

import samples
import told

from harness.model import (
    Case,
    CaseResult,
    CheckResult,
    Covered,
    DrawnFaults,
    FaultCell,
    FaultMatrix,
    FaultOutcome,
    LedgerRule,
    LevelResult,
    Opaque,
    OrderStep,
    Reason,
    ReasonKind,
    RunResult,
    Statement,
    Verdict,
    Violation,
    Worker,
)
from harness.model.choices import Choice

HOSTILE = (
    '<script>window.struck=1</script>"><img src=x onerror="window.struck=1"></script><!--\'`{{7*7}}'
    "javascript:alert(1)\u202eevil\x1b[31mred\x00 "
)
"""What every string of `hostile_run` begins with."""

Any_ = TypeVar("Any_")


def full_run() -> RunResult:
    """Every part of the page is there."""
    example = told.told_example("full")
    reasons = tuple(
        Reason(kind=kind, worker="original", other="retry", table="t", read_turn=1, changed_turn=7, acted_turn=6)
        for kind in ReasonKind
    )
    example = replace(example, story=replace(example.story, reasons=(*example.story.reasons, *reasons)))
    full = told.told_scenario(
        "full",
        counterexamples=(example, samples.counterexample(samples.crash_history(), samples.SERIAL, scenario="full")),
        covered=Covered(
            points=12, pairs=20, possible=24, alone=("refund:4",), opaque=(Opaque(function="f", reason="STABLE"),),
            pruned=3,
        ),
        serially=True,
        checks=(CheckResult(check="serial_answers", examined=3, notes=(Violation(check="note", message="a note"),)),),
        faults=fault_matrix(),
        levels=(level(),),
        cases=(case(),),
    )  # fmt: skip
    others = told.told_run().scenarios
    broken = samples.scenario("broken", Verdict.ERROR, meaning="The server went away.")
    idle = samples.scenario("idle", Verdict.INCONCLUSIVE, meaning="Nothing ever overlapped.", passing=None)
    tested = samples.scenario("tested", cases=(case(),), passing=others[0].passing)
    run = samples.run_of(full, *others, broken, idle, tested, verdict=Verdict.ERROR)
    return replace(run, trouble="the disk was full", warnings=("another server",))


def fault_matrix() -> FaultMatrix:
    cells = (
        FaultCell(
            worker="original", position=0, step="refund", fault="crash", outcome=FaultOutcome.HELD, fired=True,
            left={"balance": (5000,)},
        ),
        FaultCell(
            worker="original", position=1, step="", fault="crash", outcome=FaultOutcome.VIOLATED, fired=True,
            checks={"serial_equivalence": 1}, message="balance 6000", replay="reports/latest/full-f.schedule",
        ),
    )  # fmt: skip
    drawn = DrawnFaults(
        executed=3, struck={("original", "refund", "crash"): 2}, checks={"liveness": 1}, replay="reports/d.schedule"
    )
    return FaultMatrix(faults=("crash",), cells=cells, labels={"refund": "the call"}, drawn=drawn)


def level() -> LevelResult:
    return LevelResult(
        level="serializable", own=False, verdict=Verdict.VIOLATION, observed=Verdict.VIOLATION, expect=("c",),
        strategy="auto", schedules=3, exhausted=False, lost=1, meaning="it was violated", violated=("liveness",),
        message="it hangs", replay="reports/l.schedule", set_by=("original",), left_out=2,
    )  # fmt: skip


def case() -> CaseResult:
    worker = Worker(name="caller", statements=(Statement(name="refund", sql=told.CALL),))
    step = OrderStep(choice=Choice(worker="caller", step="refund"))
    declared = Case(
        name="null job", steps=(step,), worker=worker, role="anon", call="refund", answer={"sqlstate": "42501"},
        ledger=LedgerRule.UNCHANGED,
    )  # fmt: skip
    return CaseResult(
        case=declared, sql=told.CALL, answered={"refunded": True}, changed=True, checks={"declared_answer": 1},
        message="it was answered", replay="reports/c.schedule",
    )  # fmt: skip


def hostile_run() -> RunResult:
    """`full_run` with `HOSTILE` before every string in it, whatever field, key or list that stands in."""
    return _struck(full_run())


def _struck(value: Any_) -> Any_:
    """Walks whatever the model is made of, so that a field which is added is struck as well."""
    found: Any = value
    if isinstance(value, Enum) or value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        found = HOSTILE + value
    elif is_dataclass(value):
        found = replace(value, **{f.name: _struck(getattr(value, f.name)) for f in fields(value) if f.init})
    elif isinstance(value, Mapping):
        found = {_struck(key): _struck(item) for key, item in value.items()}
    elif isinstance(value, tuple | list | frozenset):
        found = type(value)(_struck(item) for item in value)
    else:
        raise TypeError(f"no way is known to strike {type(value)}")
    return found  # type: ignore[no-any-return]
