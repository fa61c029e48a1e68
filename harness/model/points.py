"""Where a worker can be held inside a function, and what a piece of SQL may touch."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """What a piece of SQL may touch, by table name without schema (a partition counts as its root, a view as what it
    reads). ``reads``: seen through a snapshot. ``writes``: rows written or locked, there or by foreign keys; also
    ``sequence NAME`` and ``advisory`` for what works alike. ``excludes``: tables locked as a whole. ``everything``:
    it cannot be told, so anything."""

    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()
    excludes: frozenset[str] = frozenset()
    everything: bool = False

    def __or__(self, other: Footprint) -> Footprint:
        if other is self or not other:  # mostly, and several times a turn
            return self
        if not self:
            return other
        return Footprint(
            reads=self.reads | other.reads,
            writes=self.writes | other.writes,
            excludes=self.excludes | other.excludes,
            everything=self.everything or other.everything,
        )

    def __bool__(self) -> bool:
        return bool(self.everything or self.reads or self.writes or self.excludes)


UNTOUCHED = Footprint()
"""Of what touches no table."""


class SiteKind(StrEnum):
    """Where in a function a worker can be held. ``STATEMENT``: before a statement that touches a table. ``OVERLAP``:
    inside one, after its snapshot was taken and before it scans. ``COMMIT``: before a procedure's own COMMIT or
    ROLLBACK."""

    STATEMENT = "statement"
    OVERLAP = "overlap"
    COMMIT = "commit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A yield point inside a function. ``id`` is its name in schedules (no white space): ``refund:41``, the second
    statement of a line ``refund:41.2``, an overlap point ``refund:41~``. ``number``: what the gate is called with.
    ``line``: as the server counts them in the function's body, from 1. ``label``: for people,
    ``refund:41 UPDATE user_balances``. ``footprint``: of what runs from here to the next yield point. ``text``: the
    statement, on one line. ``undoes``: the step may roll back part of its transaction (it stands in a block with an
    EXCEPTION clause), which lets go of locks."""

    id: str
    number: int
    function: str
    line: int
    label: str
    kind: SiteKind
    footprint: Footprint
    text: str = ""
    undoes: bool = False
    nests: bool = False
    """The statement runs other gated code inside itself, and goes on when that has returned."""


GATE_SQLSTATE = "RHG00"
"""SQLSTATE of the INFO message with which a worker arrives at a gate; its text is ``TURN SITE``."""
TURN_SEQUENCE = "harness_turn"
"""Temporary sequence that gives out turn numbers; a session without it passes every gate."""
LIFE_KEY = (1751215717, 0)
"""Advisory key that the controller holds exclusively as long as it lives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opaque:
    """A function that runs as one step, and why: ``BEGIN ATOMIC``, STABLE, another language, …"""

    function: str
    reason: str
