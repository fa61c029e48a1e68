"""Who acted on what had changed, or was about to: reads that a commit of another worker made old.

A read that misses a commit is no fault by itself: that worker could have come first. It is one when the worker cannot
have come first, because it also wrote after the other one had committed, or was itself missed by it. So every reason
lies on a circle: *read before the change*, and a way back from the change to the reader.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from harness.causes.changes import Change, Ledgers, What, text
from harness.causes.rows import depends, passes, pinned, values
from harness.causes.workers import Step, Transaction, Worker
from harness.model import Row
from harness.sqltext.access import Look, Put, Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """``step`` of ``worker`` looked at what ``change``, committed by ``other`` later, made old. ``columns``: that were
    read and changed (of rows that came: none)."""

    worker: str
    other: str
    step: Step
    look: Look
    change: Change
    columns: frozenset[str]
    turn: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """A write that was committed, or may have been. ``put``: None where the text does not tell it."""

    turn: int
    table: str
    put: Put | None
    step: Step | None
    transaction: Transaction


class Races:
    """The committed changes of a history with the workers who made them, and the reads that missed them."""

    def __init__(self, ledgers: Ledgers, workers: Mapping[str, Worker]) -> None:
        self.ledgers, self.workers = ledgers, workers

    @cached_property
    def authors(self) -> tuple[tuple[Change, Transaction], ...]:
        """Each change with the transaction that made it; those are left out of which that cannot be told."""
        found = []
        for change in self.ledgers.changes:
            ended = [t for w in self.workers.values() for t in w.transactions if t.commit == change.turn]
            if len(ended) > 1:
                ended = [t for t in ended if any(p.table == change.table for _, p in self._puts(t))]
            if not ended:  # a server may commit what its client no longer waits for
                lost = [t for w in self.workers.values() for t in w.transactions if t.unknown is not None]
                ended = [t for t in lost if t.unknown is not None and t.unknown <= change.turn]
            if len(ended) == 1:
                found.append((change, ended[0]))
        return tuple(found)

    @cached_property
    def masked(self) -> tuple[tuple[Change, Transaction], ...]:
        """Writes of a literal that the ledger does not show, because somebody else had written the same before. Of
        these, ``before`` is unknown."""
        return tuple(
            (change, transaction)
            for worker in self.workers.values()
            for transaction in worker.transactions
            if transaction.commit is not None
            for step, put in self._puts(transaction)
            if not any(t is transaction and c.table == put.table for c, t in self.authors)
            for change in self._masked(step, put, transaction.commit)
        )

    @cached_property
    def acts(self) -> Mapping[str, Sequence[Act]]:
        """Of each worker, in their order; where the ledger shows what a worker changed, only what led to that."""
        changed = defaultdict[str, set[str]](set)
        for change, transaction in self.authors:
            changed[transaction.worker].add(change.table)
        return {
            name: sorted(
                (a for a in written if not changed[name] or a.table in changed[name]),
                key=lambda act: act.turn,
            )
            for name, written in self.written.items()
        }

    @cached_property
    def written(self) -> Mapping[str, Sequence[Act]]:
        """Of each worker, all that it wrote."""
        return {name: tuple(self._written(worker)) for name, worker in self.workers.items()}

    @cached_property
    def missed(self) -> tuple[Missed, ...]:
        """Every read that a commit of somebody else made old: of each row, the first one after the read."""
        return tuple(found for worker in self.workers.values() for found in self._missed(worker))

    def returns(self, start: str, end: str) -> bool:
        """Whether ``end`` must come after ``start`` in any serial order."""
        seen, front = {start}, [start]
        while front:
            one = front.pop()
            further = {then for first, then in self._after if first == one} - seen
            seen |= further
            front += further
        return end in seen

    # ------------------------------------------------------------------------------------------------- helpers

    @cached_property
    def _made(self) -> Sequence[tuple[Change, Transaction]]:
        """What the ledger shows, and what it does not, by the turn."""
        return sorted((*self.authors, *self.masked), key=lambda pair: pair[0].turn)

    def _puts(self, transaction: Transaction) -> Iterator[tuple[Step, Put]]:
        for step in self.workers[transaction.worker].steps:
            if step.transaction is transaction and not step.failed:
                for put in step.access.puts:
                    yield step, put

    def _masked(self, step: Step, put: Put, turn: int) -> Iterator[Change]:
        rows = self.ledgers.rows(put.table, turn + 1)
        for look in step.access.looks:
            target, unclear = pinned(look, rows, (step.constants,))
            there = [row for row in rows if passes(target, row)]
            if not put.values or not look.fresh or look.table != put.table or len(there) != 1 or unclear:
                continue
            if all(text(there[0].get(c)) == v for c, v in put.values.items()):
                yield Change(
                        turn=turn, table=put.table, what=What.UPDATE, before=None, after=there[0],
                        columns=frozenset(put.values),
                    )  # fmt: skip

    def _written(self, worker: Worker) -> Iterator[Act]:
        for transaction in worker.transactions:
            if transaction.commit is None and transaction.unknown is None:
                continue
            named = set()
            for step, put in self._puts(transaction):
                if step.done is not None:
                    named.add(put.table)
                    yield Act(turn=step.done, table=put.table, put=put, step=step, transaction=transaction)
            opaque = [s for s in worker.steps if s.transaction is transaction and s.opaque and s.done is not None]
            for table in sorted({c.table for c, t in self.authors if t is transaction} - named):
                turn = opaque[0].done if len(opaque) == 1 else transaction.commit
                if turn is not None:
                    yield Act(turn=turn, table=table, put=None, step=None, transaction=transaction)

    def _missed(self, worker: Worker) -> Iterator[Missed]:
        read: frozenset[str] = frozenset()
        for step in worker.steps:
            met: set[tuple[str, str]] = set()
            for look in step.access.looks:
                rows = self.ledgers.rows(look.table, step.snapshot)
                for change, author in self._made:
                    if author.worker == worker.name or change.table != look.table:
                        continue
                    if change.before is None and change.what is What.UPDATE:
                        change = self._since(change, rows)
                    turn = step.done if look.fresh and change.what is not What.INSERT else step.snapshot
                    if turn is None or turn >= change.turn or not depends(look, change, rows, (step.constants, read)):
                        continue
                    columns = look.columns & change.columns
                    if change.what is What.DELETE:
                        columns = (look.columns - {c.column for c in look.equal}) or look.columns
                    row = self.ledgers.identity(look.table, change.before or change.after or {})
                    if (change.what is What.INSERT or columns) and (look.table, row) not in met:
                        met.add((look.table, row))
                        yield Missed(
                            worker=worker.name, other=author.worker, step=step, look=look, change=change,
                            columns=frozenset() if change.what is What.INSERT else columns, turn=turn,
                        )  # fmt: skip
                seen, _ = pinned(look, rows, (step.constants, read))
                read |= values([row for row in rows if passes(seen, row)])

    def _since(self, change: Change, rows: Sequence[Row]) -> Change:
        """A masked change as one who saw ``rows`` would have seen it."""
        assert change.after is not None
        mine = self.ledgers.identity(change.table, change.after)
        before = next((row for row in rows if self.ledgers.identity(change.table, row) == mine), change.after)
        columns = frozenset(c for c in change.columns if before.get(c) != change.after.get(c))
        return replace(change, before=before, columns=columns)

    def same_row(self, worker: str, change: Change) -> bool:
        """Whether the worker changed the row of ``change``, too, as far as the ledger shows (or shows nothing)."""
        mine = [c for c, t in self.authors if t.worker == worker and c.table == change.table and c.what is What.UPDATE]
        row = self.ledgers.identity(change.table, change.before or change.after or {})
        return not mine or any(self.ledgers.identity(c.table, c.before or {}) == row for c in mine)

    @cached_property
    def _after(self) -> frozenset[tuple[str, str]]:
        """Pairs of workers of whom the second must come after the first in any serial order."""
        missed = {(m.worker, m.other) for m in self.missed}
        touched = {
            (author.worker, name)
            for name, worker in self.workers.items()
            for table, turn in self._touched(worker)
            for change, author in self.authors
            if table == change.table and turn >= change.turn and author.worker != name
        }
        return frozenset(missed | touched)

    def _touched(self, worker: Worker) -> Iterator[tuple[str, int]]:
        """Tables that a worker wrote or looked at, and the turn whose commits it had before it."""
        for step in worker.steps:
            for look in step.access.looks:
                turn = step.done if look.fresh else step.snapshot - 1
                if turn is not None:
                    yield look.table, turn
            if step.done is not None:
                yield from ((put.table, step.done) for put in step.access.puts)
        yield from ((act.table, act.turn) for act in self.written[worker.name])


def own(act: Act, missed: Missed) -> bool:
    """Whether the write is computed from what the row held at that very moment, so that the old value is not in it."""
    put = act.put
    return (
        put is not None
        and put.table == missed.change.table
        and bool(missed.columns & put.columns.keys())
        and all(put.columns[c] is Source.OWN for c in missed.columns & put.columns.keys())
    )


def hands_on(act: Act, missed: Missed) -> bool:
    """Whether the write holds the variable that alone took what was read."""
    into = missed.step.access.into
    return act.put is not None and len(into) == 1 and any(names & into for names in act.put.names.values())


def computed(act: Act, missed: Missed, left: Sequence[Change]) -> frozenset[str]:
    """The columns that the write sets to what was computed from the old value: from the variables that took it; or, of
    a number, from variables that hold nothing which the client had sent. ``left``: what the writer changed."""
    put = act.put
    if put is None or put.table != missed.change.table or put.event != "update":
        return frozenset()
    found = set[str]()
    for column in (missed.columns or missed.look.columns) & put.columns.keys():
        if put.columns[column] is not Source.OTHER:
            continue
        values = [c.after[column] for c in left if c.table == put.table and c.after is not None and column in c.columns]
        numbers = [v for v in values if isinstance(v, int | float) and str(v) not in missed.step.constants]
        names = {name.split(".")[0] for name in put.names.get(column, ())}
        if names & missed.step.access.into or numbers:
            found.add(column)
    return frozenset(found)
