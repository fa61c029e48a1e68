"""What became of every statement: the fate of its transaction, of its savepoint, of its client."""

from __future__ import annotations

import pytest
from histories import run

from harness.model import EventKind

C, N, U = "committed", "none", "unknown"

FATES = {
    "a statement outside a transaction stands for itself": ("a x", [C]),
    "a failed one has no effect": ("a x fail 23505", [N]),
    "one whose answer was lost is unknown": ("a x lost\na dies", [U]),
    "one that was never answered has no effect yet": ("a x waits b", [N]),
    "a committed transaction": ("a begin\na x\na commit", [C, C, C]),
    "a transaction that never commits": ("a begin\na x", [N, N]),
    "a transaction rolled back by its client": ("a begin\na x\na rollback\na y", [N, N, N, C]),
    "a refused COMMIT takes its transaction along": ("a begin\na x\na commit fail 23505", [N, N, N]),
    "an unknown COMMIT leaves its transaction unknown": ("a begin\na x\na commit lost\na dies", [U, U, U]),
    "a crash inside the transaction": ("a begin\na x\na dies", [N, N]),
    "an answer lost inside the transaction": ("a begin\na x lost\na dies", [N, N]),
    "a failed transaction that is committed nevertheless": ("a begin\na x\na y fail 23505\na commit fail", [N] * 4),
    "only the second of two transactions": ("a begin\na x\na rollback\na begin_2\na y\na commit", [N, N, N, C, C, C]),
    "a COMMIT without a transaction": ("a commit\na x", [C, C]),
    "a BEGIN that was refused opens nothing": ("a begin fail 42601\na x", [N, C]),
    "a second BEGIN is but a warning": ("a begin\na begin_2\na x\na rollback", [N, N, N, N]),
}
SQL = {
    "a.s1": "SAVEPOINT one", "a.s2": "savepoint two", "a.free": "RELEASE one",
    "a.back": "ROLLBACK TO ONE", "a.back2": "rollback to two", "a.abort": "ABORT WORK TO SAVEPOINT one",
    "a.commit": "COMMIT AND CHAIN", "a.rollback": "ROLLBACK AND CHAIN",
}  # fmt: skip
SAVEPOINTS = {
    "a failed statement behind a savepoint does not commit with the rest": (
        "a begin\na s1\na x fail 23505\na back\na y\na end", [C, C, N, C, C, C]),
    "what a ROLLBACK TO undid has no effect": ("a begin\na w\na s1\na x\na back\na y\na end", [C, C, C, N, C, C, C]),
    "a ROLLBACK TO the outer savepoint undoes the inner one": (
        "a begin\na s1\na x\na s2\na y\na abort\na end", [C, C, N, N, N, C, C]),
    "a ROLLBACK TO the inner savepoint spares what came before it": (
        "a begin\na s1\na x\na s2\na y\na back2\na end", [C, C, C, C, N, C, C]),
    "a released savepoint commits with the rest": ("a begin\na s1\na x\na free\na end", [C] * 5),
    "COMMIT AND CHAIN opens the next transaction": ("a begin\na x\na commit\na y", [C, C, C, N]),
    "ROLLBACK AND CHAIN opens the next transaction": ("a begin\na x\na rollback\na y\na end", [N, N, N, C, C]),
}  # fmt: skip


@pytest.mark.parametrize(("log", "effects"), FATES.values(), ids=FATES.keys())
def test_effect(log: str, effects: list[str]) -> None:
    assert [op.effect.value for op in run(log).operations] == effects


@pytest.mark.parametrize(("log", "effects"), SAVEPOINTS.values(), ids=SAVEPOINTS.keys())
def test_effect_with_savepoints(log: str, effects: list[str]) -> None:
    assert [op.effect.value for op in run(log.replace("a end", "a commit_last"), sql=SQL).operations] == effects


def test_an_operation_keeps_where_it_began_and_ended_and_what_was_answered() -> None:
    context = run('a x waits b\nb commit\na x answers {"n": 1}\na y fail 23505\na z sent')
    x, y, z, commit = context.operations
    assert (x.began, x.ended, x.turn, x.answer) == (0, 4, 1, ({"n": 1},))
    assert (y.outcome, y.sqlstate, y.position) == (EventKind.FAIL, "23505", 1)
    assert (z.outcome, z.ended) == (None, None)
    assert (commit.worker, commit.position) == ("b", 0)
