"""Operations: invocations paired with their completions, and what became of their transactions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from harness.model import Event, EventKind, History, Row, Statement, StatementKind, Worker


class Effect(Enum):
    """What an operation left in the ledger once everything had ended."""

    COMMITTED = "committed"
    NONE = "none"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One statement that was sent. ``outcome``: OK, FAIL, INFO or None (it never completed). ``position``: its index
    among the worker's statements. ``began`` and ``ended`` are indexes of events (``ended`` None: never)."""

    worker: str
    statement: Statement
    position: int
    began: int
    ended: int | None
    turn: int
    outcome: EventKind | None
    effect: Effect
    answer: tuple[Row, ...] | None = None
    sqlstate: str | None = None
    message: str | None = None


_COMPLETIONS = (EventKind.OK, EventKind.FAIL, EventKind.INFO)
_SAVEPOINT = re.compile(r"savepoint\s+(\S+)", re.IGNORECASE)
_ROLLBACK_TO = re.compile(
    r"(?:rollback|abort)\s+(?:(?:work|transaction)\s+)?to\s+(?:savepoint\s+)?(\S+)", re.IGNORECASE
)


def operations(workers: Iterable[Worker], history: History) -> tuple[Operation, ...]:
    """All operations, worker by worker, each worker's in the order it sent them."""
    return tuple(op for worker in workers for op in _of_worker(worker, history.events))


def _of_worker(worker: Worker, events: Sequence[Event]) -> list[Operation]:
    known = {s.name: (position, s) for position, s in enumerate(worker.statements)}
    mine = [(i, e) for i, e in enumerate(events) if e.worker == worker.name]
    sent = [(i, e) for i, e in mine if e.kind is EventKind.INVOKE]
    done = [(i, e) for i, e in mine if e.kind in _COMPLETIONS]
    raw = []
    for n, (began, invoke) in enumerate(sent):
        end, completion = done[n] if n < len(done) else (None, None)
        raw.append((began, end, completion, invoke, *known[invoke.step]))
    effects = _effects([(statement, completion) for _, _, completion, _, _, statement in raw])
    return [
        Operation(
            worker=worker.name,
            statement=statement,
            position=position,
            began=began,
            ended=end,
            turn=completion.turn if completion else invoke.turn,
            outcome=completion.kind if completion else None,
            effect=effect,
            answer=completion.answer if completion else None,
            sqlstate=completion.sqlstate if completion else None,
            message=completion.message if completion else None,
        )
        for (began, end, completion, invoke, position, statement), effect in zip(raw, effects, strict=True)
    ]


def _effects(sent: Sequence[tuple[Statement, Event | None]]) -> list[Effect]:
    """A statement in a transaction shares the fate of its COMMIT, unless it failed or a ROLLBACK TO undid it; outside
    it stands for itself."""
    effects = [Effect.NONE] * len(sent)
    pending: list[int] | None = None  # what the open transaction would commit; None: no transaction is open
    savepoints: list[tuple[str, int]] = []
    for i, (statement, completion) in enumerate(sent):
        if i and statement.attempt != sent[i - 1][0].attempt:
            pending, savepoints = None, []  # what an earlier attempt had open was rolled back
        if statement.kind in (StatementKind.COMMIT, StatementKind.ROLLBACK):
            if statement.kind is StatementKind.COMMIT:
                for j in (*(pending or ()), i):
                    effects[j] = _effect_of(completion)
            pending = [] if statement.chains else None
            savepoints = []
        elif completion is None or completion.kind is EventKind.FAIL:
            continue
        elif pending is None:
            if statement.kind is StatementKind.BEGIN or statement.opens:
                pending = [i]
            else:
                effects[i] = _effect_of(completion)
        else:
            if found := _SAVEPOINT.match(statement.sql):
                savepoints.append((_folded(found[1]), len(pending) + 1))
            elif found := _ROLLBACK_TO.match(statement.sql):
                while savepoints and savepoints[-1][0] != _folded(found[1]):
                    savepoints.pop()
                del pending[savepoints[-1][1] if savepoints else len(pending) :]
            pending.append(i)
    return effects


def _folded(name: str) -> str:
    """A name as the server reads it."""
    return name[1:-1] if name.startswith('"') else name.lower()


def _effect_of(completion: Event | None) -> Effect:
    if completion is None or completion.kind is EventKind.FAIL:
        return Effect.NONE
    return Effect.UNKNOWN if completion.kind is EventKind.INFO else Effect.COMMITTED
