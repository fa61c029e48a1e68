"""Whether a fault really struck, and what it left behind: read off the events, never off what was asked for."""

from __future__ import annotations

from collections.abc import Mapping

from harness.model import FAULTS, Action, Event, EventKind, Execution, Json, Ledger

CANCELLED = "57014"
LOST = "connection lost"
_COMPLETIONS = (EventKind.OK, EventKind.FAIL, EventKind.INFO)


def fired(execution: Execution, worker: str, action: Action, turn: int | None) -> bool:
    """Whether the events of ``worker`` from ``turn`` on show that ``action`` struck it there (None: it never came to
    that). A cancel must end a statement with 57014, a lost connection must be noticed by the worker, a death must have
    happened."""
    if turn is None:
        return False
    mine = [e for e in execution.history.events if e.worker == worker and e.turn >= turn]
    match action:
        case Action.TERM:
            return any(e.kind is EventKind.SIGTERM and e.turn == turn for e in mine)
        case Action.CANCEL:
            return any(e.kind is EventKind.FAIL and e.sqlstate == CANCELLED for e in mine)
        case Action.BACKEND | Action.RESET | Action.IDLE:
            completion = next((e for e in mine if e.kind in _COMPLETIONS), None)
            return completion is not None and _lost(completion)
        case _:
            return any(e.kind is EventKind.CRASH and e.turn == turn for e in mine)


def struck_by(execution: Execution) -> str:
    """The name of the fault among its choices, if the events show that it struck; else ""."""
    for turn, decision in enumerate(execution.schedule.decisions):
        choice = decision.choice
        if choice.action is not Action.RUN and fired(execution, choice.worker, choice.action, turn):
            return next(name for name, action in FAULTS.items() if action is choice.action)
    return ""


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


def _lost(completion: Event) -> bool:
    return completion.kind is not EventKind.OK and (completion.message or "").startswith(LOST)
