"""Crashes of the server without one: where they strike, what counts as lost, how two parts of a matrix become one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.checks.durability import durability
from harness.checks.protocol import Context
from harness.crash import refuse_elsewhere
from harness.errors import UsageError
from harness.matrix.whole import joined
from harness.model import (
    Action,
    Choice,
    Event,
    EventKind,
    Execution,
    FaultCell,
    FaultMatrix,
    FaultOutcome,
    History,
    Ledger,
    Scenario,
    Schedule,
    Statement,
    Worker,
)
from harness.report.fault_grid import grid_rows
from harness.report.fault_table import fault_lines
from harness.strategies.faulted import Faulted

A = Worker(name="a", statements=(Statement(name="s", sql="SELECT 1"),))
SCENARIO = Scenario(
    name="s", about="", file="s.yaml", text_hash="", install=(), setup=(), workers=(A, replace(A, name="b")),
    interleavings=(), expect={}, expect_violation=(), invariants=(), state=(), users=(), jobs=(), fresh_database=False,
)  # fmt: skip
BEFORE: Ledger = {"u": ({"id": 1, "balance": 5000},), "t": ({"id": 1}, {"id": 2})}


def context(*events: Event) -> Context:
    history = History(events=events, opening=BEFORE, closing=BEFORE)
    execution = Execution(number=0, schedule=Schedule(seed=0, decisions=()), history=history)
    return Context(scenario=SCENARIO, execution=execution, probe=None)  # type: ignore[arg-type]


def crash(ledger: Ledger | None = BEFORE) -> Event:
    return Event(kind=EventKind.CRASH, turn=3, worker="a", ledger=ledger)


def later(turn: int, **tables: tuple[dict[str, int], ...]) -> Event:
    return Event(kind=EventKind.LEDGER, turn=turn, ledger={**BEFORE, **tables})


def test_a_ledger_that_is_the_same_after_a_crash_is_durable() -> None:
    result = durability(context(crash(), later(4, t=())))  # what comes later is the retry's doing
    assert (result.examined, result.violations) == (1, ())


@pytest.mark.parametrize(
    ("after", "words"),
    [
        ({"t": ({"id": 1},)}, "1 row of t gone or changed"),
        ({"t": ()}, "2 rows of t gone or changed"),
        ({"u": ({"id": 1, "balance": 4000},)}, "1 row of u gone or changed"),
        ({"t": ({"id": 1}, {"id": 2}, {"id": 3})}, "1 row of t that was not there"),
    ],
)
def test_any_other_ledger_after_a_crash_is_a_violation(
    after: dict[str, tuple[dict[str, int], ...]], words: str
) -> None:
    result = durability(context(crash(), later(3, **after)))
    [violation] = result.violations
    assert (violation.check, violation.turn) == ("durability", 3)
    assert violation.message == f"after the crash at T3 the committed ledger is another: {words}"


def test_without_a_server_crash_nothing_is_examined() -> None:
    # A worker's death has no ledger; neither has a crash before which the ledger could not be read.
    assert durability(context(crash(None), later(3, t=()))).examined == 0


def test_a_crash_strikes_also_right_behind_the_last_answer() -> None:
    strategy = Faulted("a", 1, Action.SERVER_CRASH)
    strategy.start()
    own, other = Choice(worker="a", step="s"), Choice(worker="b", step="s")
    assert strategy.choose((own, other)) == own
    assert strategy.choose((other,)) == Choice(worker="a", action=Action.SERVER_CRASH)
    assert strategy.turn == 1
    assert strategy.choose((other,)) == other


def test_a_crash_is_asked_for_only_where_the_server_is_ours() -> None:
    with pytest.raises(
        UsageError, match=r"s\.yaml: backend_crash kills a server of its own: .* --target embedded only"
    ):
        refuse_elsewhere(("crash", "backend_crash"), object(), "s.yaml")  # type: ignore[arg-type]
    refuse_elsewhere(("crash", "reset"), object(), "s.yaml")  # type: ignore[arg-type]


def cell(worker: str, position: int, fault: str, *, red: bool = False) -> FaultCell:
    return FaultCell(
        worker=worker, position=position, step="" if position else "s", fault=fault, fired=True,
        outcome=FaultOutcome.VIOLATED if red else FaultOutcome.HELD, checks={"durability": 1} if red else {},
    )  # fmt: skip


def test_two_parts_become_one_matrix_point_by_point() -> None:
    plain = FaultMatrix(faults=("crash",), cells=(cell("a", 0, "crash"), cell("b", 0, "crash")))
    crashes = FaultMatrix(
        faults=("server_crash",), cells=(cell("a", 0, "server_crash"), cell("a", 1, "server_crash", red=True)),
        complete=False,
    )  # fmt: skip
    whole = joined(SCENARIO, ("crash", "server_crash"), [plain, crashes])
    assert [(c.worker, c.position, c.fault) for c in whole.cells] == [
        ("a", 0, "crash"), ("a", 0, "server_crash"), ("a", 1, "server_crash"), ("b", 0, "crash"),
    ]  # fmt: skip
    assert not whole.complete
    assert [row.site for row in grid_rows(whole)] == ["before s", "after its last answer", "before s"]
    assert "✗ a after its last answer, server_crash: durability;" in fault_lines(whole)[-1]
