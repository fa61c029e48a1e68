"""The matrix without a database: who is struck and when, what counts as struck, what it means, how it is shown."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from matplotlib.colors import to_rgba

from harness.errors import UsageError
from harness.matrix.evidence import fired, left
from harness.matrix.retry import retried
from harness.matrix.strikable import strikable
from harness.matrix.verdict import judged, sentence
from harness.model import (
    FAULTS,
    Action,
    Choice,
    DrawnFaults,
    Event,
    EventKind,
    Execution,
    FaultCell,
    FaultMatrix,
    FaultOutcome,
    History,
    RunResult,
    Scenario,
    ScenarioResult,
    Schedule,
    Statement,
    StatementKind,
    Verdict,
    Worker,
)
from harness.report.fault_grid import grid_rows
from harness.report.fault_json import fault_json
from harness.report.fault_png import MOST_ROWS, fault_picture
from harness.report.fault_table import fault_lines
from harness.report.html import render_html
from harness.report.palette import GREEN_TINT
from harness.report.palette import RED as DARK_RED
from harness.strategies.faulted import Alone, Faulted

A = Worker(name="a", statements=(Statement(name="s", sql="SELECT 1"),))
B = replace(A, name="b")
SCENARIO = Scenario(
    name="s", about="", file="s.yaml", text_hash="", install=(), setup=(), workers=(A, B), interleavings=(), expect={},
    expect_violation=(), invariants=(), state=(), users=(), jobs=(), fresh_database=False,
)  # fmt: skip
RESULT = ScenarioResult(
    name="s", file="s.yaml", about="", verdict=Verdict.PASS, observed=Verdict.PASS, expect=(), strategy="auto",
    schedules=3, exhausted=True, meaning="", elapsed_s=0.1,
)  # fmt: skip
HELD = FaultCell(
    worker="a", position=0, step="s", fault="crash", outcome=FaultOutcome.HELD, fired=True,
    left={"balance": (5000,), "status": ("failed",)},
)  # fmt: skip
RED = FaultCell(
    worker="a", position=0, step="s", fault="lost_answer", outcome=FaultOutcome.VIOLATED, fired=True,
    checks={"one_refund_per_job": 2}, message="twice", replay="r/x.schedule",
    left={"balance": (6000,), "status": ("failed",)},
)  # fmt: skip
NOTHING = replace(HELD, fault="cancel", outcome=FaultOutcome.NOTHING, fired=False, left={})
MATRIX = FaultMatrix(faults=("crash", "cancel", "lost_answer"), cells=(HELD, NOTHING, RED))


def choice(name: str, step: str = "s") -> Choice:
    return Choice(worker=name, step=step)


def execution(*events: Event) -> Execution:
    history = History(events=events, opening={"u": ({"balance": 4000},)}, closing={})
    return Execution(number=0, schedule=Schedule(seed=0, decisions=()), history=history)


def test_the_fault_comes_after_so_many_steps_and_then_everybody_in_turn() -> None:
    strategy = Faulted("b", 1, Action.CANCEL)
    assert strategy.start()
    both = (choice("a"), choice("b"))
    assert strategy.choose(both) == choice("b")
    assert strategy.choose(both) == Choice(worker="b", action=Action.CANCEL)
    assert strategy.turn == 1
    assert strategy.choose(both) == choice("a")
    assert strategy.choose(()) is None
    assert not strategy.start()


def test_a_lost_answer_is_that_of_the_next_statement() -> None:
    strategy = Faulted("a", 0, Action.LOSE)
    strategy.start()
    assert strategy.choose((choice("a"),)) == Choice(worker="a", step="s", action=Action.LOSE)


def test_a_worker_that_ends_too_soon_is_not_struck() -> None:
    strategy = Faulted("a", 1, Action.KILL)
    strategy.start()
    assert strategy.choose((choice("a"), choice("b"))) == choice("a")
    assert strategy.choose((choice("b"),)) == choice("b")
    assert strategy.turn is None
    assert not fired(execution(), "a", Action.KILL, strategy.turn)


def test_alone_notes_its_steps() -> None:
    alone = Alone("b")
    assert alone.start()
    assert alone.choose((choice("a"), choice("b", "x"))) == choice("b", "x")
    assert alone.choose((choice("a"), choice("b", "y"))) == choice("b", "y")
    assert alone.choose((choice("a"),)) is None
    assert alone.steps == ["x", "y"]


def test_the_retry_is_a_fresh_worker_with_the_same_statements() -> None:
    twice = retried(SCENARIO, "b")
    assert [w.name for w in twice.workers] == ["b", "b_retry", "a"]
    assert twice.workers[1].statements == B.statements
    taken = replace(SCENARIO, workers=(A, replace(B, name="a_retry")))
    assert [w.name for w in retried(taken, "a").workers] == ["a", "a_retry_2", "a_retry"]
    assert twice.workers[1].if_struck
    with pytest.raises(UsageError, match="no worker 'c' any more"):
        retried(SCENARIO, "c")


def test_a_retry_may_begin_in_the_middle() -> None:
    longer = replace(SCENARIO, workers=(replace(A, statements=(*A.statements, Statement(name="t", sql="SELECT 2"))), B))
    assert [s.name for s in retried(longer, "a.t").workers[1].statements] == ["t"]
    with pytest.raises(UsageError, match="a has no statement 'u' any more"):
        retried(longer, "a.u")


@pytest.mark.parametrize(
    ("action", "event", "struck"),
    [
        (Action.KILL, Event(kind=EventKind.CRASH, turn=2, worker="a"), True),
        (Action.KILL, Event(kind=EventKind.CRASH, turn=3, worker="a"), False),
        (Action.KILL, Event(kind=EventKind.CRASH, turn=2, worker="b"), False),
        (Action.TERM, Event(kind=EventKind.SIGTERM, turn=2, worker="a"), True),
        (Action.TERM, Event(kind=EventKind.CRASH, turn=2, worker="a"), False),
        (Action.CANCEL, Event(kind=EventKind.FAIL, turn=2, worker="a", sqlstate="57014"), True),
        (Action.CANCEL, Event(kind=EventKind.FAIL, turn=2, worker="a", sqlstate="23505"), False),
        (Action.CANCEL, Event(kind=EventKind.FAULT, turn=2, worker="a", message="pg_cancel_backend"), False),
        (Action.STATEMENT_TIMEOUT, Event(kind=EventKind.FAIL, turn=2, worker="a", sqlstate="57014"), True),
        (Action.STATEMENT_TIMEOUT, Event(kind=EventKind.FAIL, turn=3, worker="a", sqlstate="57014"), False),
        (Action.STATEMENT_TIMEOUT, Event(kind=EventKind.FAULT, turn=2, worker="a"), False),
        (Action.LOCK_TIMEOUT, Event(kind=EventKind.FAIL, turn=2, worker="a", sqlstate="55P03"), True),
        (Action.LOCK_TIMEOUT, Event(kind=EventKind.FAIL, turn=2, worker="b", sqlstate="55P03"), False),
        (Action.LOCK_TIMEOUT, Event(kind=EventKind.FAIL, turn=2, worker="a", sqlstate="57014"), False),
        (Action.RESET, Event(kind=EventKind.INFO, turn=3, worker="a", message="connection lost: x"), True),
        (Action.RESET, Event(kind=EventKind.OK, turn=3, worker="a"), False),
        (Action.IDLE, Event(kind=EventKind.INFO, turn=2, worker="a", message="connection lost: x"), True),
        (Action.BACKEND, Event(kind=EventKind.FAIL, turn=2, worker="a", message="connection lost: x"), True),
        (Action.BACKEND, Event(kind=EventKind.FAIL, turn=1, worker="a", message="connection lost: x"), False),
    ],
)
def test_only_what_events_show_counts_as_struck(action: Action, event: Event, struck: bool) -> None:
    assert fired(execution(event), "a", action, 2) is struck


GONE = Event(kind=EventKind.INFO, turn=2, worker="a", message="connection lost: x")
PROXY = Event(kind=EventKind.FAULT, turn=2, worker="a", message="connection lost when …")


@pytest.mark.parametrize("fault", ["lost_request", "torn_request", "lost_ack", "black_hole"])
def test_a_fault_of_the_wire_struck_when_the_proxy_says_so_and_the_client_has_noticed(fault: str) -> None:
    def struck(*events: Event) -> bool:
        return fired(execution(*events), "a", FAULTS[fault], 2)

    assert struck(PROXY, GONE)
    assert not struck(GONE)
    assert not struck(PROXY)
    assert not struck(replace(PROXY, message="it sends nothing now; nothing was struck"), GONE)
    assert not struck(replace(PROXY, worker="b"), GONE)
    assert not struck(replace(PROXY, turn=3), replace(GONE, turn=3))


def test_what_befalls_a_request_needs_a_message_of_the_clients_own() -> None:
    call = replace(A.statements[0], name="f", opens=True)
    commit = Statement(name="f:commit", sql="COMMIT", kind=StatementKind.COMMIT)
    worker = replace(A, statements=(call, commit))
    for fault in ("lost_request", "torn_request", "black_hole"):
        can = [strikable(worker, FAULTS[fault], step) for step in ("f", "f:7", "f:commit")]
        assert can == [True, False, False]
    assert [strikable(worker, Action.LOST_ACK, step) for step in ("f", "f:7", "f:commit")] == [False, False, True]


def test_what_is_left_is_what_the_ledger_said_when_the_retry_had_ended() -> None:
    def ledger(turn: int, balance: int) -> Event:
        return Event(kind=EventKind.LEDGER, turn=turn, ledger={"u": ({"balance": balance},)})

    events = (Event(kind=EventKind.OK, turn=2, worker="r"), ledger(2, 5000), ledger(4, 4700))
    assert left(execution(*events), "r") == {"balance": (5000,)}
    assert left(execution(), "r") == {"balance": (4000,)}


def test_a_red_cell_is_a_violation_unless_it_is_documented() -> None:
    assert judged(RESULT, replace(MATRIX, cells=(HELD, NOTHING))) == (Verdict.PASS, Verdict.PASS)
    assert judged(RESULT, MATRIX) == (Verdict.VIOLATION, Verdict.VIOLATION)
    documented = replace(RESULT, expect=("one_refund_per_job",), observed=Verdict.VIOLATION)
    assert judged(documented, MATRIX) == (Verdict.PASS, Verdict.VIOLATION)
    # What the campaign alone has not shown may need a fault, as documented.
    unseen = replace(RESULT, expect=("one_refund_per_job",), verdict=Verdict.VIOLATION)
    assert judged(unseen, MATRIX) == (Verdict.PASS, Verdict.VIOLATION)
    more = replace(unseen, expect=("one_refund_per_job", "deadlock"))
    assert judged(more, MATRIX) == (Verdict.VIOLATION, Verdict.VIOLATION)
    other = replace(documented, expect=("deadlock",))
    assert judged(other, MATRIX) == (Verdict.VIOLATION, Verdict.VIOLATION)


def test_a_matrix_that_struck_nothing_or_is_incomplete_shows_nothing() -> None:
    assert judged(RESULT, replace(MATRIX, cells=(NOTHING,)))[0] is Verdict.INCONCLUSIVE
    assert judged(RESULT, replace(MATRIX, cells=(HELD,), complete=False))[0] is Verdict.INCONCLUSIVE
    assert "The time was up" in sentence(replace(MATRIX, complete=False))


def test_the_table_tells_struck_from_nothing_to_strike() -> None:
    [row] = grid_rows(MATRIX)
    assert row.cells == (("✓", False), ("–", None), ("✗ 2", True))
    assert row.left == "balance 5000 or 6000, status failed"
    lines = fault_lines(MATRIX)
    assert lines[0].split() == ["crash", "cancel", "lost", "answer", "after", "the", "retry"]
    assert "2 faults struck, as the events show" in lines
    assert lines[-2:] == [
        "✗ a before s, lost_answer: one_refund_per_job; twice",
        "    again harness replay r/x.schedule",
    ]


def test_the_json_value_counts_what_struck() -> None:
    value = fault_json(MATRIX)
    assert json.loads(json.dumps(value)) == value
    assert value["fired"] == {"crash": 1, "cancel": 0, "lost_answer": 1}
    assert [c["outcome"] for c in value["cells"]] == ["held", "nothing", "violated"]
    assert value["cells"][2]["after_retry"] == {"balance": [6000], "status": ["failed"]}


def drawn(matrix: FaultMatrix, name: str) -> list[str]:
    picture = fault_picture(matrix, name)
    assert picture is not None
    [axes] = picture.figure().axes
    return [text.get_text() for text in axes.texts]


def test_the_picture_has_a_cell_per_fault_and_point() -> None:
    texts = drawn(MATRIX, "a name with $x^2$ and _")
    assert texts[:2] == ["a name with $x^2$ and _ · faults", "2 strikes at 1 point: a violation after 1"]
    picture = fault_picture(MATRIX, "m")
    assert picture is not None
    shades = [patch.get_facecolor() for patch in picture.figure().axes[0].patches[:-3]]
    assert len(shades) == len(MATRIX.faults)
    assert shades.count(to_rgba(DARK_RED)) == 1
    assert shades.count(to_rgba(GREEN_TINT)) == 1


def test_a_matrix_too_long_is_cut_and_an_empty_one_not_drawn() -> None:
    many = replace(MATRIX, cells=tuple(replace(HELD, position=i) for i in range(MOST_ROWS + 5)))
    texts = drawn(many, "many")
    assert texts[0] == f"many · faults (the first {MOST_ROWS} of {MOST_ROWS + 5} points)"
    assert fault_picture(replace(MATRIX, cells=()), "none") is None


DRAWN = DrawnFaults(executed=7, struck={("a", "s", "crash"): 2, ("a", "s", "lost_answer"): 4})
RED_DRAWN = replace(DRAWN, checks={"ledger_chain": 1}, replay="r/y.schedule")


def test_a_violation_in_mid_race_counts_as_one_of_the_matrix() -> None:
    green = replace(MATRIX, cells=(HELD,), drawn=DRAWN)
    assert judged(RESULT, green) == (Verdict.PASS, Verdict.PASS)
    assert "struck 6 times in 7 executions; nothing was violated" in sentence(green)
    red = replace(green, drawn=RED_DRAWN)
    assert judged(RESULT, red) == (Verdict.VIOLATION, Verdict.VIOLATION)
    assert judged(replace(RESULT, expect=("ledger_chain",)), red) == (Verdict.PASS, Verdict.VIOLATION)
    assert "the last one violated something" in sentence(red)


def test_faults_in_mid_race_are_told() -> None:
    lines = "\n".join(fault_lines(replace(MATRIX, cells=(HELD,), drawn=RED_DRAWN)))
    assert "in mid-race, 7 executions in drawn orders; struck: crash 2, cancel 0, lost_answer 4" in lines
    assert "2 pairs of fault and point, each struck 3 times or more (crash before a.s), at most 4" in lines
    assert "in mid-race, the last execution: ledger_chain" in lines
    assert "harness replay r/y.schedule" in lines
    assert "mid-race" not in "\n".join(fault_lines(MATRIX))
    assert json.loads(json.dumps(fault_json(replace(MATRIX, drawn=RED_DRAWN))))["drawn"] == {
        "executed": 7,
        "fired": {"crash": 2, "cancel": 0, "lost_answer": 4},
        "places": [
            {"worker": "a", "site": "s", "fault": "crash", "fired": 2},
            {"worker": "a", "site": "s", "fault": "lost_answer", "fired": 4},
        ],
        "checks": {"ledger_chain": 1},
        "replay": "r/y.schedule",
        "searched": False,
        "exhausted": False,
    }


def test_the_page_has_the_matrix_with_every_text_escaped() -> None:
    hostile = replace(RED, message="<script>alert(1)</script>", step="<b>")
    matrix = replace(MATRIX, cells=(HELD, NOTHING, hostile), drawn=RED_DRAWN)
    run = RunResult(
        verdict=Verdict.VIOLATION, seed=0, server_version="15.1", elapsed_s=1.0,
        scenarios=(replace(RESULT, faults=matrix),),
    )  # fmt: skip
    page = render_html(run)
    for shown in ("✗ 2", "balance 5000 or 6000", "replay r/x.schedule", "replay r/y.schedule", "&lt;script&gt;"):
        assert shown in page
    assert "<script>alert" not in page
    assert "<b>" not in page
    assert 'class="faults"' not in render_html(replace(run, scenarios=(RESULT,)))
