"""One execution's input."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from harness.driver.compose import Compose
from harness.driver.names import Names
from harness.driver.observer import Reading
from harness.driver.timers import FIRST_MS, Timer
from harness.model import Footprint, Site, Worker

ANY_LEVEL = "any"
"""It cannot be told: some function sets the level itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """Where workers can be held inside their statements. ``sites``: by number. ``entry``: of a worker and its
    statement (names) what that itself touches, and up to its first gate. ``isolation``: the level of transactions that
    name none, in lower case, or `ANY_LEVEL`."""

    sites: Mapping[int, Site]
    entry: Callable[[str, str], Footprint]
    isolation: str = "read committed"
    excluding: bool = False
    """Some step may lock a whole table, for which even readers wait."""
    may_undo: bool = False
    """Some function has an EXCEPTION clause, so that any step may roll back part of its transaction."""
    commit: Footprint = field(default_factory=Footprint)
    """What the end of a transaction may still touch: by deferred constraints and triggers."""


class Watch(Enum):
    """How closely an execution is watched, so that a deadlock can be explained. ``HELD``: after every turn, what each
    worker holds. ``TOLD``: each session also tells its client what it waits for, which alone gives the row where a
    function swallows the error. Not for an execution in which a worker may die as it waits: by telling, its backend
    would learn of that. Needs a server of ours (``HELD`` is what it comes to elsewhere)."""

    PLAIN = auto()
    HELD = auto()
    TOLD = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One execution's input: SQL with this execution's ids already in it. ``state``: how its ledger is read.
    ``points``: None lets every statement run through, gates or not; ``defers`` then tells whether the end of a
    transaction may still run something. ``timers``: of the statements that a timeout is to strike; each is one of
    ``timeout_ms`` milliseconds. ``after``: what will be read when it has ended."""

    number: int
    names: Names
    workers: tuple[Worker, ...]
    setup: tuple[tuple[str, str], ...]
    state: Reading
    points: Points | None = None
    defers: bool = True
    timers: frozenset[Timer] = frozenset()
    timeout_ms: int = FIRST_MS
    watch: Watch = Watch.PLAIN
    after: Reading | None = None
    compose: Compose | None = None
    """Of workers that are programs: makes statements of what they are about to send."""
