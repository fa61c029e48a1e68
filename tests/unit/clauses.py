"""The relation of `harness.dependence` once more, clause by clause, so that a test can leave one out."""

from __future__ import annotations

from collections.abc import Callable

from harness.dependence import WAIT
from harness.model import Effect, Footprint

Clause = Callable[[Effect, Effect], bool]


def _anything(footprint: Footprint) -> bool:
    return bool(footprint)


def _ends(effect: Effect) -> bool:
    return bool(effect.ended or effect.ended_everything)


def _crowded(a: Effect, b: Effect) -> bool:
    return a.crowded or b.crowded


CLAUSES: dict[str, Clause] = {
    "a worker's own order": lambda a, b: bool(a.workers & b.workers),
    "a write under a write": lambda a, b: bool((a.footprint.writes & b.footprint.writes) - {WAIT}),
    "a wait and a wait": lambda a, b: WAIT in a.footprint.writes & b.footprint.writes,
    "a whole table and a read": lambda a, b: bool(a.footprint.excludes & b.footprint.reads),
    "a whole table and a write": lambda a, b: bool(a.footprint.excludes & b.footprint.writes),
    "a whole table twice": lambda a, b: bool(a.footprint.excludes & b.footprint.excludes),
    "an end and a read": lambda a, b: bool(a.ended & b.footprint.reads),
    "an end and a write": lambda a, b: bool(a.ended & b.footprint.writes),
    "an end and a whole table": lambda a, b: bool(a.ended & b.footprint.excludes),
    "an end and a snapshot": lambda a, b: _ends(a) and b.snapshot,
    "an opaque step and any other": lambda a, b: a.footprint.everything and _anything(b.footprint),
    "an end and an opaque step": lambda a, b: _ends(a) and b.footprint.everything,
    "the end of an opaque transaction": lambda a, b: a.ended_everything and _anything(b.footprint),
    "two ends": lambda a, b: bool(a.ended & b.ended),
    "two ends, one of an opaque transaction": lambda a, b: a.ended_everything and _ends(b),
    "serializable: a read and a write": lambda a, b: not _crowded(a, b) and bool(a.seen.writes & b.seen.reads),
    "serializable: an opaque step": lambda a, b: not _crowded(a, b) and a.seen.everything and _anything(b.seen),
    "serializable: a commit and a conflict": lambda a, b: (
        (a.commits or b.commits) and bool(a.held.writes & b.held.reads or (a.held.everything and _anything(b.held)))
    ),
    "serializable, crowded: a read and a write": lambda a, b: _crowded(a, b) and bool(a.held.writes & b.held.reads),
    "serializable, crowded: an opaque step": lambda a, b: _crowded(a, b) and a.held.everything and _anything(b.held),
    "serializable, crowded: a commit and a step": lambda a, b: (
        _crowded(a, b) and a.commits and (_anything(b.held) or b.commits)
    ),
    "serializable: a commit and a snapshot": lambda a, b: a.commits and b.snapshot,
}


def relation(*, without: str = "") -> Clause:
    """All clauses but one, each both ways round."""
    clauses = [clause for name, clause in CLAUSES.items() if name != without]
    return lambda a, b: any(clause(a, b) or clause(b, a) for clause in clauses)
