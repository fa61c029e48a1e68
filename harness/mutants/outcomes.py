"""What an execution comes to, so that two systems can be compared by all that they can come to.

An *outcome* is the final ledger, what every call was answered (rows or SQLSTATE), and who was left waiting or inside a
transaction. Two outcomes are one when they differ only in generated ids and times; of a sequence's values in the ledger
only the ranks count. So a system that differs only in when it reads the clock counts as the same.

Executions whose order differs only where order does not matter have one outcome, so the outcomes of an exhausted
search are all that there are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from harness.checks.canonical import VOLATILE, fingerprint, ranked
from harness.checks.protocol import Context
from harness.fates import Difference
from harness.model import EventKind, Json, Ledger, Row, StatementKind

__all__ = ["Outcome", "Outcomes", "difference", "outcome_of"]

_IN_TRANSIT = (StatementKind.BEGIN, StatementKind.COMMIT, StatementKind.ROLLBACK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """``answers``: worker → (statement, rows or None, SQLSTATE or None) of all that it sent, but for BEGIN, COMMIT and
    ROLLBACK that went well. ``left``: workers that still waited, or were inside a transaction. ``key``: equal for
    outcomes that count as the same."""

    ledger: Ledger
    answers: Mapping[str, tuple[tuple[str, tuple[Row, ...] | None, str | None], ...]]
    left: tuple[str, ...]
    key: str


def outcome_of(context: Context) -> Outcome:
    """The outcome of a judged execution."""
    history = context.execution.history
    answers: dict[str, list[tuple[str, tuple[Row, ...] | None, str | None]]] = {}
    for op in context.operations:
        given = answers.setdefault(op.worker, [])
        if op.outcome is not EventKind.OK or op.statement.kind not in _IN_TRANSIT:
            given.append((op.statement.name, op.answer, op.sqlstate))
    left = (*history.liveness.waiting, *(f"{w} in transaction" for w in history.liveness.idle_in_transaction))
    ledger = ranked(history.closing, context.probe.sequence_columns())
    told: dict[str, Json] = {**answers, "": left}  # no worker is called ""
    key = json.dumps(fingerprint(ledger, told, _constants(context)), default=str)
    return Outcome(ledger=ledger, answers={w: tuple(a) for w, a in answers.items()}, left=left, key=key)


def _constants(context: Context) -> frozenset[str]:
    """Ids and times that the scenario itself names: they mean themselves."""
    texts = [s.sql for w in context.scenario.workers for s in w.statements] + [s.text for s in context.scenario.setup]
    return frozenset(m[0] for text in texts for m in VOLATILE.finditer(text))


@dataclass(slots=True)
class Outcomes:
    """All outcomes of one system that were seen. ``sqlstates``: of all its failed calls."""

    seen: dict[str, Outcome] = field(default_factory=dict)
    sqlstates: dict[str, str] = field(default_factory=dict)
    """SQLSTATE → the message that came with it first."""

    def add(self, context: Context) -> None:
        """To be called as `harness.campaign.Options.watch`: before the next execution begins. Exact orders do not
        count: what a worker that is killed leaves behind is no outcome of the calls."""
        if context.order is not None:
            return
        found = outcome_of(context)
        self.seen.setdefault(found.key, found)
        for op in context.operations:
            if op.sqlstate is not None:
                self.sqlstates.setdefault(op.sqlstate, op.message or "")

    def beyond(self, others: Outcomes) -> tuple[Outcome, ...]:
        """Those that ``others`` do not have, in the order in which they were seen."""
        return tuple(o for key, o in self.seen.items() if key not in others.seen)


# ---------------------------------------------------------------------------------------------------- differences


def difference(outcome: Outcome, others: Iterable[Outcome]) -> Difference:
    """The simplest thing that sets ``outcome`` apart from every one of ``others``."""
    known = tuple(others)
    found = [*_values(outcome, known), *_counts(outcome, known), *_answers(outcome, known), *_left(outcome, known)]
    if found:
        # Numbers before texts: balances before words. Of several of a kind the first, tables before answers.
        return min(found, key=lambda d: (not _is_number(d.value), not d.usual))
    return Difference(subject="ledger and answers together", value=_plain(outcome.answers))


def _values(outcome: Outcome, others: tuple[Outcome, ...]) -> Iterator[Difference]:
    """Values that no other outcome has in the row of that table and key."""
    for table, rows in sorted(outcome.ledger.items(), key=lambda item: (len(item[1]), item[0])):
        theirs = [o.ledger.get(table, ()) for o in others]
        if any(len(t) != len(rows) for t in theirs):
            continue
        for i, row in enumerate(rows):
            key = next(iter(row.items()), None)
            if len(rows) > 1 and any(next(iter(t[i].items()), None) != key for t in theirs):
                continue
            for column, value in row.items():
                usual = _each([t[i].get(column) for t in theirs])
                if value not in usual and not (isinstance(value, str) and VOLATILE.search(value)):
                    name = f"{key[0]} {key[1]}" if key is not None and len(rows) > 1 else ""
                    yield Difference(subject=f"{table}.{column}", value=value, usual=usual, row=name)


def _counts(outcome: Outcome, others: tuple[Outcome, ...]) -> Iterator[Difference]:
    for table, rows in outcome.ledger.items():
        usual = _each([len(o.ledger.get(table, ())) for o in others])
        if len(rows) not in usual:
            yield Difference(subject=f"rows in {table}", value=len(rows), usual=usual)


def _answers(outcome: Outcome, others: tuple[Outcome, ...]) -> Iterator[Difference]:
    for worker, given in outcome.answers.items():
        theirs = [o.answers.get(worker, ()) for o in others]
        for i, mine in enumerate(given):
            usual = _each([_answer(t[i]) if i < len(t) else None for t in theirs])
            if _answer(mine) not in usual:
                yield Difference(subject=f"answer of {worker}.{mine[0]}", value=_answer(mine), usual=usual)
                break


def _left(outcome: Outcome, others: tuple[Outcome, ...]) -> Iterator[Difference]:
    usual = _each([list(o.left) for o in others])
    if list(outcome.left) not in usual:
        yield Difference(subject="left behind", value=list(outcome.left), usual=usual)


def _answer(given: tuple[str, tuple[Row, ...] | None, str | None]) -> Json:
    """The rows, or the error; of one row with one column its value."""
    _, rows, sqlstate = given
    if sqlstate is not None:
        return f"error {sqlstate}"
    if rows is not None and len(rows) == 1 and len(rows[0]) == 1:
        return next(iter(rows[0].values()))
    return None if rows is None else [dict(row) for row in rows]


def _plain(answers: Mapping[str, tuple[tuple[str, tuple[Row, ...] | None, str | None], ...]]) -> Json:
    return {worker: [_answer(a) for a in given] for worker, given in answers.items()}


def _each(values: Iterable[Json]) -> tuple[Json, ...]:
    """Each value once, in order; values may be unhashable."""
    found: list[Json] = []
    for value in values:
        if value not in found:
            found.append(value)
    return tuple(found)


def _is_number(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
