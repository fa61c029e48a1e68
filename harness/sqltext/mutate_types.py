"""What a mutation operator gives: a small change of a text, and the mutant that comes of it."""

from __future__ import annotations

from dataclasses import dataclass

from harness.model import Worker
from harness.sqltext.describe import one_line
from harness.sqltext.tokens import Edit

__all__ = ["Change", "Mutation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change of one text. ``at``: the place that it is about (a character offset), for the line number. ``before``
    and ``after``: what changes, for people, on one line; ``after`` is "" when something is left out."""

    operator: str
    at: int
    edits: tuple[Edit, ...]
    before: str
    after: str = ""

    def moved(self, by: int) -> Change:
        """The same change of a text in which this one begins ``by`` characters later."""
        edits = tuple(Edit(at=e.at + by, text=e.text, remove=e.remove) for e in self.edits)
        return Change(operator=self.operator, at=self.at + by, edits=edits, before=self.before, after=self.after)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """A system with one small thing broken. ``name``: ``refund:12 drop_lock``, no two alike. ``function``: identity of
    the routine, or the name of the table or worker. ``line``: in the routine's body, from 1, as the server counts; 0
    where there is no text. ``sql``: run on top of what is installed; "": the ``workers`` are sent in place of the
    original ones."""

    name: str
    operator: str
    function: str
    line: int
    before: str
    after: str
    sql: str = ""
    workers: tuple[Worker, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "before", one_line(self.before))
        object.__setattr__(self, "after", one_line(self.after))
