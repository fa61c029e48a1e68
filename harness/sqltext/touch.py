"""What one piece of SQL names: the relations that it reads, writes and locks, and the functions that it calls.

Nothing is known here of what a name stands for; `footprints` follows the names through a catalog.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["EVERYTHING", "Name", "Touch", "Write"]

Name = tuple[str, str]
"""Schema (or "") and name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """``event``: insert, update, delete, truncate, or lock (rows locked, nothing changed). ``columns``: those that an
    UPDATE sets; None: it cannot be told."""

    relation: str
    event: str
    columns: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Touch:
    """``order``: relations as they stand in the text, targets first. ``shared``: what is written without being a table
    (``sequence s``, ``advisory``)."""

    reads: frozenset[str] = frozenset()
    writes: frozenset[Write] = frozenset()
    excludes: frozenset[str] = frozenset()
    shared: frozenset[str] = frozenset()
    calls: frozenset[Name] = frozenset()
    operators: frozenset[str] = frozenset()
    everything: bool = False
    order: tuple[str, ...] = ()

    def __or__(self, other: Touch) -> Touch:
        return Touch(
            reads=self.reads | other.reads,
            writes=self.writes | other.writes,
            excludes=self.excludes | other.excludes,
            shared=self.shared | other.shared,
            calls=self.calls | other.calls,
            operators=self.operators | other.operators,
            everything=self.everything or other.everything,
            order=(*self.order, *(n for n in other.order if n not in self.order)),
        )


EVERYTHING = Touch(everything=True)
