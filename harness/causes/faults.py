"""What faults leave behind: work that is done twice, by half, or not at all."""

from __future__ import annotations

from harness.causes.races import Races
from harness.causes.workers import Step
from harness.model import Event, EventKind, Execution, Reason, ReasonKind

STRUCK = frozenset({EventKind.CRASH, EventKind.FAULT, EventKind.SIGTERM, EventKind.INFO})
"""What keeps a worker from going on, or from knowing."""


def retried(execution: Execution, races: Races) -> tuple[Reason, ...]:
    """A worker's statement took effect, a fault kept it from going on (or from knowing), and the same statement, sent
    once more, took effect again."""
    events = execution.history.events
    for struck in (e for e in events if e.kind in STRUCK and e.worker):
        for change, author in races.authors:
            if author.worker != struck.worker:
                continue
            mine = _sent(events, author.worker, change.turn)
            if mine is None:
                continue
            for later, again in races.authors:
                if later.table != change.table or later.turn <= change.turn or later.turn < struck.turn:
                    continue
                theirs = _sent(events, again.worker, later.turn)
                if again is not author and theirs is not None and mine.sql == theirs.sql:
                    columns = tuple(c for c in (later.after or {}) if c in later.columns and later.before is not None)
                    return (
                        Reason(
                            kind=ReasonKind.RETRIED, worker=again.worker, other=author.worker, table=change.table,
                            columns=columns[:1], changed_turn=change.turn, acted_turn=later.turn,
                        ),
                    )  # fmt: skip
    return ()


def interrupted(execution: Execution, races: Races) -> tuple[Reason, ...]:
    """A worker that had committed something was struck before it had done all that it had to do, and nobody did the
    rest: what it would have done next was there to be chosen when the fault was."""
    struck = {(e.worker, e.turn) for e in execution.history.events if e.kind in STRUCK}
    for turn, decision in enumerate(execution.schedule.decisions):
        worker = decision.choice.worker
        if (worker, turn) not in struck:
            continue
        more = any(c.worker == worker and c.step for c in decision.enabled)
        done = [c for c, t in races.authors if t.worker == worker and c.turn < turn]
        later = [c for c, t in races.authors if t.worker == worker and c.turn >= turn]
        if more and done and not later:
            last = done[-1]
            return (
                Reason(
                    kind=ReasonKind.INTERRUPTED, worker=worker, table=last.table, changed_turn=last.turn,
                    acted_turn=turn,
                ),
            )  # fmt: skip
    return ()


def went_on(execution: Execution, races: Races) -> tuple[Reason, ...]:
    """A statement failed, and with a later one its worker all the same committed a change of what that was about."""
    for event in execution.history.events:
        if event.kind is not EventKind.FAIL or not event.worker:
            continue
        later = [c for c, t in races.authors if t.worker == event.worker and c.turn > event.turn]
        sent = _sent(execution.history.events, event.worker, later[0].turn) if later else None
        failed = _sent(execution.history.events, event.worker, event.turn)
        touched = {t for s in races.workers[event.worker].steps if s.failed or s.turn <= event.turn for t in tables(s)}
        if sent is not None and failed is not None and sent.sql != failed.sql and later[0].table in touched:
            return (
                Reason(
                    kind=ReasonKind.FAILED, worker=event.worker, table=later[0].table, changed_turn=event.turn,
                    acted_turn=sent.turn,
                ),
            )  # fmt: skip
    return ()


def tables(step: Step) -> set[str]:
    """The tables that a statement looks at or writes."""
    return {look.table for look in step.access.looks} | {put.table for put in step.access.puts}


def _sent(events: tuple[Event, ...], worker: str, turn: int) -> Event | None:
    """The last statement but a COMMIT that the worker had sent by then."""
    return next(
        (
            e
            for e in reversed(events)
            if e.worker == worker
            and e.kind is EventKind.INVOKE
            and e.turn <= turn
            and (e.sql or "").split(None, 1)[:1] != ["COMMIT"]
        ),
        None,
    )
