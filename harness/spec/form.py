"""A spec file, read: sessions of steps, and the orders in which the steps are to run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where something begins in a file; both count from 1."""

    line: int
    column: int

    def after(self, text: str) -> Place:
        """The place behind ``text``, which begins here."""
        head, newline, last = text.rpartition("\n")
        if not newline:
            return Place(line=self.line, column=self.column + len(text))
        return Place(line=self.line + head.count("\n") + 1, column=len(last) + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A piece of SQL: one message to the server, however many statements it holds."""

    sql: str
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """``session``: its index among the sessions."""

    name: str
    sql: str
    session: int
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    name: str
    steps: tuple[Step, ...]
    setup: Block | None = None
    teardown: Block | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Once:
    """``(*)``: the step counts as waiting when it is sent, whether or not it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Until:
    """``(other)``: the step is not reported before ``other``, where that is under way."""

    step: Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Notices:
    """``(other notices N)``: nor before the session of ``other`` has sent so many notices since the step was sent."""

    step: Step
    count: int


Marker = Once | Until | Notices


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A step in its place in a permutation."""

    step: Step
    markers: tuple[Marker, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """``permutations``: as the file lists them; none stands for all orders. ``unused``: names of steps that no listed
    permutation uses, sorted."""

    file: str
    setup: tuple[Block, ...]
    teardown: Block | None
    sessions: tuple[Session, ...]
    permutations: tuple[tuple[Turn, ...], ...] = ()
    unused: tuple[str, ...] = ()

    def orders(self) -> Iterator[tuple[Turn, ...]]:
        """The permutations to run: those that are listed, or every one that keeps each session's own order, sessions
        that come first in the file running first."""
        if self.permutations:
            yield from self.permutations
        else:
            yield from self._interleaved([0] * len(self.sessions))

    def _interleaved(self, done: list[int]) -> Iterator[tuple[Turn, ...]]:
        over = True
        for i, session in enumerate(self.sessions):
            if done[i] < len(session.steps):
                over = False
                first = Turn(step=session.steps[done[i]])
                rest = [n + (j == i) for j, n in enumerate(done)]
                yield from ((first, *turns) for turns in self._interleaved(rest))
        if over:
            yield ()
