"""Whether a fault really struck, and what it left behind: read off the events, never off what was asked for."""

from __future__ import annotations

from collections.abc import Mapping

from harness.model import CRASHES, FAULTS, Action, Event, EventKind, Execution, Json, Ledger

CANCELLED = "57014"
NO_LOCK = "55P03"
LOST = "connection lost"
MISSED = "nothing was struck"
_COMPLETIONS = (EventKind.OK, EventKind.FAIL, EventKind.INFO)


def fired(execution: Execution, worker: str, action: Action, turn: int | None) -> bool:
    """Whether the events of ``worker`` from ``turn`` on show that ``action`` struck it there (None: it never came to
    that). A cancel must end a statement with 57014, a lost connection must be noticed by the worker, a death must have
    happened. A statement's timeout gives the same code as a cancel, and nothing else than what the turn chose was done
    in it."""
    if turn is None:
        return False
    mine = [e for e in execution.history.events if e.worker == worker and e.turn >= turn]
    match action:
        case Action.TERM:
            return any(e.kind is EventKind.SIGTERM and e.turn == turn for e in mine)
        case Action.CANCEL:
            return any(e.kind is EventKind.FAIL and e.sqlstate == CANCELLED for e in mine)
        case Action.STATEMENT_TIMEOUT | Action.LOCK_TIMEOUT:
            code = CANCELLED if action is Action.STATEMENT_TIMEOUT else NO_LOCK
            return any(e.kind is EventKind.FAIL and e.turn == turn and e.sqlstate == code for e in mine)
        case Action.BACKEND | Action.RESET | Action.IDLE:
            completion = next((e for e in mine if e.kind in _COMPLETIONS), None)
            return completion is not None and _lost(completion)
        case Action.LOST_REQUEST | Action.TORN_REQUEST | Action.LOST_ACK | Action.BLACK_HOLE:
            # The event is made of the entry in the proxy's log, and without one says that nothing was struck.
            struck = any(e.kind is EventKind.FAULT and e.turn == turn and not _missed(e) for e in mine)
            return struck and any(e.turn == turn and _lost(e) for e in mine if e.kind in _COMPLETIONS)
        case _:
            return any(e.kind is EventKind.CRASH and e.turn == turn for e in mine)


def struck_by(execution: Execution) -> tuple[str, str]:
    """(fault, step): the name of the fault among its choices, if the events show that it struck, and the step of its
    worker in whose place it came; else twice ""."""
    names = {action: name for name, action in {**FAULTS, **CRASHES}.items()}
    for turn, decision in enumerate(execution.schedule.decisions):
        choice = decision.choice
        if choice.action in names and fired(execution, choice.worker, choice.action, turn):
            return names[choice.action], next((c.step for c in decision.enabled if c.worker == choice.worker), "")
    return "", ""


def left(execution: Execution, worker: str) -> Mapping[str, tuple[Json, ...]]:
    """What the committed ledger said once ``worker`` had ended: of every table with such a column its ``balance`` or
    ``status`` values, in the order of the rows."""
    last = max((e.turn for e in execution.history.events if e.worker == worker), default=-1)
    ledger: Ledger = execution.history.opening
    for event in execution.history.events:
        if event.ledger is not None and event.turn <= last:
            ledger = event.ledger
    found: dict[str, tuple[Json, ...]] = {}
    for rows in ledger.values():
        for column in ("balance", "status"):
            values = tuple(row[column] for row in rows if column in row)
            if values:
                found.setdefault(column, values)
    return found


def _missed(fault: Event) -> bool:
    return (fault.message or "").endswith(MISSED)


def _lost(completion: Event) -> bool:
    return completion.kind is not EventKind.OK and (completion.message or "").startswith(LOST)
