"""A drawn fault: which one, in which call of which worker, at which of its points. A retry follows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from harness.errors import UsageError
from harness.model import FAULTS, Action

ALL = "all"
POINTS = 12
"""A call is struck before one of its first so many points: those of the shipped refund, and its commit."""
MOST = 3
"""Workers and calls are drawn from 0 to this, and taken around."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blow:
    """``fault``: a key of `FAULTS`; "": none. ``worker`` and ``call``: numbers, taken around where there are fewer.
    ``position``: so many points of the call are passed first; what finds nothing to strike there strikes at the next
    point of the call where it does."""

    fault: str = ""
    worker: int = 0
    call: int = 0
    position: int = 0

    @property
    def action(self) -> Action:
        """What it does. Raises `KeyError` where it is none."""
        return FAULTS[self.fault]


NONE = Blow()


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """A blow, decoded for the workers of a case: ``worker`` is struck from its statement ``since`` on, before its
    statement ``until`` ("": in all that it does)."""

    worker: str
    action: Action
    since: str = ""
    until: str = ""

    @property
    def retry(self) -> str:
        """What is sent again, see `harness.matrix.retry.retried`."""
        return f"{self.worker}.{self.since}" if self.since else self.worker


def named(faults: Sequence[str]) -> tuple[str, ...]:
    """The faults of these names; "all" stands for every one. Raises `UsageError` for a name that is none."""
    names = tuple(FAULTS) if ALL in faults else tuple(dict.fromkeys(faults))
    for name in names:
        if name not in FAULTS:
            raise UsageError(f"there is no fault {name!r}: {', '.join((*FAULTS, ALL))}")
    return names


def blows(faults: Sequence[str]) -> st.SearchStrategy[Blow]:
    """One of these faults, or none: to that it shrinks, then to the first fault, worker, call and point."""
    number = st.integers(0, MOST)
    names = named(faults)
    if not names:
        return st.just(NONE)
    fault = st.sampled_from(("", *names))
    return st.builds(Blow, fault=fault, worker=number, call=number, position=st.integers(0, POINTS - 1))
