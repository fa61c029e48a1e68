"""Where a fault finds something to strike."""

from __future__ import annotations

from harness.model import Action, StatementKind, Worker


def strikable(worker: Worker, action: Action, step: str) -> bool:
    """Whether there is anything for the fault to strike before ``step``. Between statements a server runs nothing that
    could be cancelled or run on; an answer is lost only where one is due: not in mid-statement, and of a statement
    that is its own transaction the answer comes with the commit, before which no session of a client's is idle, and
    nothing more is sent. What begins or ends a transaction needs no lock."""
    statement = next((s for s in worker.statements if s.name == step), None)
    match action:
        case Action.CANCEL | Action.RUN_ON | Action.STATEMENT_TIMEOUT:
            return statement is None
        case Action.LOCK_TIMEOUT:
            return statement is None or statement.may_wait
        case Action.LOSE | Action.LOST_ACK:
            return statement is not None and not statement.opens
        case Action.IDLE:
            return statement is not None and step in _in_transaction(worker)
        case Action.LOST_REQUEST | Action.TORN_REQUEST | Action.BLACK_HOLE:
            own = {f"{s.name}:commit" for s in worker.statements if s.opens}
            return statement is not None and step not in own
    return True


def _in_transaction(worker: Worker) -> set[str]:
    """Names of the statements before which the worker's client has a transaction of its own open, as long as nothing
    fails."""
    found, inside = set(), False
    for s in worker.statements:
        if inside:
            found.add(s.name)
        if s.kind in (StatementKind.BEGIN, StatementKind.COMMIT, StatementKind.ROLLBACK):
            inside = s.kind is StatementKind.BEGIN or s.chains
    return found
