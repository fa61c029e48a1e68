"""When does the order of two turns matter? The relation that partial-order reduction rests on.

It may only err towards "it does": two turns that are called independent must commute, in what the workers are
answered, in who waits for whom and in the ledger. What makes that plausible for PostgreSQL: rows that a transaction
has written are seen by others only once it has committed, so a read does not depend on an uncommitted write; whoever
writes or locks may wait for, or be refused because of, any other that writes or locks the same table (tables, not
rows: nobody can tell beforehand which rows); and the end of a transaction both shows its rows and wakes who waits.
Two ends are no exception: who waits behind two holders of a shared lock is woken by the second one, so that what the
one end does depends on whether the other has come.

What effects must report for that to hold:

- *Waits.* Which of several waits closes a cycle, and who asked first where one turn wakes several, depends on all of
  them, whatever their tables are. A turn in which a worker begins to wait, or is refused as the victim of a deadlock,
  writes `WAIT` besides its tables.
- *Attempts.* A turn that blocks reports what it attempted, and the turn that wakes it reports what it did then.
- *Whole tables.* A lock on a whole table collides with mere readers. Where any worker may take one, a read counts
  among ``reads`` even under an old snapshot, and a transaction that only read the table counts it among ``ended``.
"""

from __future__ import annotations

from typing import Final

from harness.model import Effect, Footprint

WAIT: Final = "a wait"
"""Stands among the written tables of a turn in which somebody began to wait. (No table has a space in its name here:
see `Footprint`.)"""


def dependent(a: Effect, b: Effect) -> bool:
    """Whether the turns ``a`` and ``b`` may not be swapped. Symmetric."""
    if a.workers & b.workers:
        return True
    return (
        _touch(a, b)
        or _both_end(a, b)
        or _ends_under(a, b)
        or _ends_under(b, a)
        or _serializable(a, b)
        or _serializable(b, a)
    )


def union(a: Effect, b: Effect) -> Effect:
    """An effect that depends on whatever one of the two depends on."""
    return Effect(
        workers=a.workers | b.workers,
        footprint=a.footprint | b.footprint,
        ended=a.ended | b.ended,
        ended_everything=a.ended_everything or b.ended_everything,
        snapshot=a.snapshot or b.snapshot,
        seen=a.seen | b.seen,
        held=a.held | b.held,
        commits=a.commits or b.commits,
        crowded=a.crowded or b.crowded,
    )


def _touch(a: Effect, b: Effect) -> bool:
    one, other = a.footprint, b.footprint
    if one.everything or other.everything:
        return bool(one) and bool(other)
    return bool(
        one.writes & other.writes
        or one.excludes & (other.reads | other.writes | other.excludes)
        or other.excludes & (one.reads | one.writes)
    )


def _both_end(a: Effect, b: Effect) -> bool:
    if a.ended_everything or b.ended_everything:
        return bool((a.ended or a.ended_everything) and (b.ended or b.ended_everything))
    return bool(a.ended & b.ended)


def _ends_under(a: Effect, b: Effect) -> bool:
    """Whether the end of a transaction in ``a`` shows to ``b``, or sets it free."""
    if not a.ended and not a.ended_everything:
        return False
    if b.snapshot:
        return True
    if a.ended_everything or b.footprint.everything:
        return bool(b.footprint)
    return bool(a.ended & (b.footprint.reads | b.footprint.writes | b.footprint.excludes))


def _serializable(a: Effect, b: Effect) -> bool:
    """At SERIALIZABLE a read conflicts with a write whoever came first (how finely a read is remembered, a row or a
    page or a table, depends on what it found), and from the first commit on conflicts make transactions fail.

    Between two transactions that have nothing in conflict no commit can do so. With a third one it can: conflicts with
    that one count for both, whatever they touch themselves, and what a transaction touched before counts on (it may be
    the pivot of a dangerous structure, and fail at its next step).
    """
    crowded = a.crowded or b.crowded
    if a.commits and (b.snapshot or (crowded and (b.held or b.commits))):
        return True
    if a.commits and (_in_conflict(a.held, b.held) or _in_conflict(b.held, a.held)):
        return True
    return _in_conflict(a.held, b.held) if crowded else _in_conflict(a.seen, b.seen)


def _in_conflict(writer: Footprint, reader: Footprint) -> bool:
    if writer.everything or reader.everything:
        return bool(writer) and bool(reader)
    return bool(writer.writes & reader.reads)


def of_worker(worker: str, footprint: Footprint) -> Effect:
    """The effect of a step that only touches."""
    return Effect(workers=frozenset({worker}), footprint=footprint)
