"""What a PL/pgSQL body consists of, with places in its text (character offsets, lines counted from 1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

__all__ = ["Block", "Branch", "Declaration", "Part", "PartKind", "Stmt", "statements"]


class PartKind(Enum):
    """``EXPRESSION``: what may follow SELECT. ``QUERY``: a whole SQL statement. ``DYNAMIC``: an expression whose value
    is SQL text. ``CURSOR``: the name of a cursor that is opened or fetched from here."""

    EXPRESSION = "expression"
    QUERY = "query"
    DYNAMIC = "dynamic"
    CURSOR = "cursor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A piece of SQL inside a PL/pgSQL statement. ``text`` is the source from ``start`` to ``end``, but for
    PERFORM, which reads SELECT (and starts a character later), and INTO with its targets, which are blank."""

    kind: PartKind
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A list of statements inside another: after THEN, ELSE, LOOP, or of an exception handler. ``at``: where its
    keyword (ELSIF, WHEN, …) stands. ``begins``: where its statements begin. ``condition``: of ELSIF and WHEN."""

    at: int
    begins: int
    line: int
    body: tuple[Stmt, ...]
    condition: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """A variable or a cursor. ``parts``: its initial value or query. ``name``: in lower case.
    ``type_at``, ``type_end``: where a variable's type stands (CONSTANT, NOT NULL and COLLATE included)."""

    name: str
    at: int
    line: int
    parts: tuple[Part, ...]
    cursor: bool = False
    type_at: int = 0
    type_end: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stmt:
    """A statement. ``kind``: as the parser names it (``execsql``, ``if``, …; ``null`` is its own). ``at``: where it
    begins, a label included; ``line``: of its first word after labels. ``parts``: what it evaluates before its
    branches. ``closes``: where its own END stands (-1: it has none)."""

    kind: str
    at: int
    line: int
    end: int
    parts: tuple[Part, ...] = ()
    branches: tuple[Branch, ...] = ()
    closes: int = -1
    simple_case: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Block(Stmt):
    """BEGIN … END. ``branches``: its body, then its exception handlers."""

    declarations: tuple[Declaration, ...] = ()
    handles: bool = False


def statements(block: Stmt) -> Iterator[Stmt]:
    """``block`` and all statements inside it, in the order of the text."""
    yield block
    for branch in block.branches:
        for inner in branch.body:
            yield from statements(inner)
