"""Serializable snapshot isolation in miniature: who read what another one overwrote, and who must fail for it.

A transaction fails, or is doomed to fail at its next step, when it is the pivot of a dangerous structure: it overlooked
a write of a concurrent transaction that has committed, and another concurrent one overlooked a write of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field

Row = tuple[str, int]


@dataclass(slots=True)
class Member:
    """A serializable transaction. ``before``: those that had committed when its snapshot was taken."""

    name: str
    before: frozenset[str]
    reads: set[Row] = field(default_factory=set)
    writes: set[Row] = field(default_factory=set)
    committed: bool = False
    aborted: bool = False
    doomed: bool = False


class Conflicts:
    def __init__(self) -> None:
        self._members: dict[str, Member] = {}

    def begin(self, name: str) -> None:
        committed = frozenset(m.name for m in self._members.values() if m.committed)
        self._members[name] = Member(name, committed)

    def fails(self, name: str, *, reads: Row | None = None, writes: Row | None = None) -> bool:
        """The transaction goes on, by reading or writing a row or neither; whether that ends it."""
        member = self._members[name]
        member.reads |= {reads} - {None}  # type: ignore[arg-type]
        member.writes |= {writes} - {None}  # type: ignore[arg-type]
        return member.doomed or self._strikes(member)

    def commit_fails(self, name: str) -> bool:
        """The transaction wants to commit; whether it cannot."""
        member = self._members[name]
        if member.doomed:
            return True
        member.committed = True
        if self._strikes(member):
            member.committed = False
            return True
        return False

    def abort(self, name: str) -> None:
        self._members[name].aborted = True

    def state(self) -> list[tuple[object, ...]]:
        """All that can matter from here on."""
        return [
            (m.name, sorted(m.before), sorted(m.reads), sorted(m.writes), m.committed, m.aborted, m.doomed)
            for m in sorted(self._members.values(), key=lambda m: m.name)
        ]

    def _strikes(self, actor: Member) -> bool:
        """Doom the pivots of dangerous structures that are still at work; whether ``actor`` is to fail itself."""
        fails = False
        for pivot in self._members.values():
            if pivot.aborted or not any(m.committed for m in self._overlooked_by(pivot)):
                continue
            if not any(pivot in self._overlooked_by(m) for m in self._members.values()):
                continue
            if pivot is actor or (pivot.committed and any(pivot is m for m in self._overlooked_by(actor))):
                fails = True
            elif not pivot.committed:
                pivot.doomed = True
        return fails

    def _overlooked_by(self, reader: Member) -> list[Member]:
        """Concurrent transactions that wrote what ``reader`` read."""
        if reader.aborted:
            return []
        return [
            m
            for m in self._members.values()
            if m is not reader
            and not m.aborted
            and m.writes & reader.reads
            and m.name not in reader.before
            and reader.name not in m.before
        ]
