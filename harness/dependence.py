"""When does the order of two turns matter? The relation that partial-order reduction rests on.

It may only err towards "it does": two turns that are called independent must commute, in what the workers are
answered, in who waits for whom and in the ledger. What makes that plausible for PostgreSQL: rows that a transaction
has written are seen by others only once it has committed, so a read does not depend on an uncommitted write; whoever
writes or locks may wait for, or be refused because of, any other that writes or locks the same table (tables, not
rows: nobody can tell beforehand which rows); and the end of a transaction both shows its rows and wakes who waits.
"""

from __future__ import annotations

from harness.model import Effect, Footprint


def dependent(a: Effect, b: Effect) -> bool:
    """Whether the turns ``a`` and ``b`` may not be swapped."""
    if a.workers & b.workers:
        return True
    return _touch(a, b) or _ends_under(a, b) or _ends_under(b, a) or _serializable(a, b) or _serializable(b, a)


def _touch(a: Effect, b: Effect) -> bool:
    one, other = a.footprint, b.footprint
    if one.everything or other.everything:
        return bool(one) and bool(other)
    return bool(
        one.writes & other.writes
        or one.excludes & (other.reads | other.writes | other.excludes)
        or other.excludes & (one.reads | one.writes)
    )


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
    """At SERIALIZABLE a read conflicts with a write whoever came first, what a transaction touched before counts on
    (it may be the pivot of a dangerous structure and fail at its next step), and so does the order of commits."""
    if a.commits and (b.held or b.commits or b.snapshot):
        return True
    one, other = a.held, b.held
    if one.everything or other.everything:
        return bool(one) and bool(other)
    return bool(one.writes & other.reads)


def of_worker(worker: str, footprint: Footprint) -> Effect:
    """The effect of a step that only touches."""
    return Effect(workers=frozenset({worker}), footprint=footprint)
