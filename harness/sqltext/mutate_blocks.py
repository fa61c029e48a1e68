"""Changes of a routine's statements: two swapped, one left out, a guard that never strikes, a COMMIT between two."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from harness.sqltext.catalog import Catalog
from harness.sqltext.describe import one_line
from harness.sqltext.footprints import resolve
from harness.sqltext.mutate_types import Change
from harness.sqltext.parse import Piece, split
from harness.sqltext.plsyntax import Block, Part, Stmt, statements
from harness.sqltext.routines import cursor_queries, touch_of_part
from harness.sqltext.tokens import Edit, scan
from harness.sqltext.touch import Touch
from harness.sqltext.walk import touch_of

__all__ = ["block_changes", "commit_changes", "piece_changes"]

_MOVABLE = frozenset({"execsql", "perform", "assign", "call", "dynexecute"})
_DROPPABLE = _MOVABLE | {"return_query"}
_ONLY_TOLD = frozenset({"debug", "log", "info", "notice", "warning"})
_SHOWN = 28
"""Characters of each of two statements, for people."""
_CANNOT_COMMIT = re.compile(r"\bSECURITY DEFINER\b|^ SET ", re.MULTILINE)
"""Procedures with one of these may not end a transaction."""


def block_changes(source: str, block: Block, catalog: Catalog) -> Iterator[Change]:
    """``swap_statements``, ``drop_statement`` and ``drop_guard`` in a PL/pgSQL body, in the order of its text."""
    touches = _Touches(source, catalog, cursor_queries(block))
    for statement in statements(block):
        if statement.kind in _DROPPABLE and touches.worth_dropping(statement):
            # An empty block is no block: NULL stands for nothing.
            yield _replaced("drop_statement", source, statement.at, statement.end, "NULL", said="")
        if statement.kind == "if":
            yield from _unguarded(source, statement)
        for branch in statement.branches:
            for one, other in pairwise(branch.body):
                if {one.kind, other.kind} <= _MOVABLE and (touches.any(one) or touches.any(other)):
                    yield from _swapped(source, (one.at, one.end), (other.at, other.end))


def piece_changes(source: str, catalog: Catalog) -> Iterator[Change]:
    """``swap_statements`` and ``drop_statement`` in an SQL body."""
    pieces = split(source)
    for piece, following in zip(pieces, (*pieces[1:], None), strict=True):
        touch = touch_of(piece.text)
        footprint = resolve(touch, catalog, lambda _: True)
        writes = footprint.writes or footprint.excludes or footprint.everything
        # The rows of the last one are the answer: what only locks is left out where nobody asks for its rows.
        if len(pieces) > 1 and writes and (following is not None or not _only_locks(touch)):
            yield _replaced("drop_statement", source, piece.start, _end(piece), "", said="")
        if following is not None and (footprint or resolve(touch_of(following.text), catalog, lambda _: True)):
            yield from _swapped(source, (piece.start, _end(piece)), (following.start, _end(following)))


def commit_changes(source: str, block: Block, definition: str, catalog: Catalog) -> Iterator[Change]:
    """``split_transaction``: a COMMIT behind each top-level statement of a procedure that touches tables, if another
    such statement follows. ``definition``: of the whole procedure, as the server shows it."""
    if block.handles or _CANNOT_COMMIT.search(definition.partition(source)[0]):
        return
    touches = _Touches(source, catalog, cursor_queries(block))
    found = [s for s in block.branches[0].body if any(touches.any(inner) for inner in statements(s))]
    for one, other in pairwise(found):
        first, second = (_short(_head(source, s)) for s in (one, other))
        before, after = f"{first}; {second}", f"{first}; COMMIT; {second}"
        edit = Edit(at=one.end, text="; COMMIT")
        yield Change(operator="split_transaction", at=one.at, edits=(edit,), before=before, after=after)


@dataclass(frozen=True, slots=True)
class _Touches:
    """What statements of one body touch, through whatever they call."""

    source: str
    catalog: Catalog
    cursors: dict[str, Touch]

    def any(self, statement: Stmt) -> bool:
        return bool(resolve(self._named(statement.parts), self.catalog, lambda _: True))

    def worth_dropping(self, statement: Stmt) -> bool:
        """It writes, or it does nothing but lock: without it the routine can still go on."""
        touch = self._named(statement.parts)
        footprint = resolve(touch, self.catalog, lambda _: True)
        if not (footprint.writes or footprint.excludes or footprint.everything):
            return False
        return not _only_locks(touch) or not self._answers(statement)

    def _named(self, parts: Sequence[Part]) -> Touch:
        found = Touch()
        for part in parts:
            found |= touch_of_part(part, self.cursors)
        return found

    def _answers(self, statement: Stmt) -> bool:
        """Whether what it reads goes somewhere."""
        if statement.kind == "perform":
            return False
        words = {t.word for t in scan(self.source[statement.at : statement.end])}
        return statement.kind != "execsql" or "into" in words


def _only_locks(touch: Touch) -> bool:
    """Locks rows, and neither changes any nor calls what might."""
    calls = [name for _, name in touch.calls if "advisory" not in name]
    return not calls and not touch.everything and all(w.event == "lock" for w in touch.writes)


def _unguarded(source: str, statement: Stmt) -> Iterator[Change]:
    """IF and ELSIF branches that end with RETURN or RAISE, under a condition that is never true."""
    first, *others = statement.branches
    conditions = [(first, statement.parts), *((branch, branch.condition) for branch in others)]
    for branch, condition in conditions:
        if not condition or not branch.body or not _leaves(source, branch.body[-1]):
            continue
        start, end = condition[0].start, condition[-1].end
        word = "IF" if branch is first else "ELSIF"
        text = source[start:end]
        if text.lower() != "false":
            edit = Edit(at=start, text="false", remove=end - start)
            yield Change(
                operator="drop_guard", at=branch.at, edits=(edit,),
                before=f"{word} {text} THEN {source[branch.body[0].at : branch.body[-1].end]}",
                after=f"{word} false THEN …",
            )  # fmt: skip


def _leaves(source: str, statement: Stmt) -> bool:
    if statement.kind != "raise":
        return statement.kind == "return"
    words = scan(source[statement.at : statement.end])
    return len(words) == 1 or words[1].word not in _ONLY_TOLD


def _swapped(source: str, one: tuple[int, int], other: tuple[int, int]) -> Iterator[Change]:
    first, second = source[slice(*one)], source[slice(*other)]
    if [t.text for t in scan(first)] == [t.text for t in scan(second)]:
        return
    edits = (
        Edit(at=one[0], text=second, remove=len(first)),
        Edit(at=other[0], text=first, remove=len(second)),
    )
    said = [_short(text) for text in (first, second)]
    before, after = "; ".join(said), "; ".join(reversed(said))
    yield Change(operator="swap_statements", at=one[0], edits=edits, before=before, after=after)


def _replaced(operator: str, source: str, start: int, end: int, text: str, *, said: str) -> Change:
    edit = Edit(at=start, text=text, remove=end - start)
    return Change(operator=operator, at=start, edits=(edit,), before=source[start:end], after=said)


def _head(source: str, statement: Stmt) -> str:
    """A statement, without those inside it."""
    end = statement.branches[0].begins if statement.branches else statement.end
    return source[statement.at : end]


def _short(text: str) -> str:
    line = one_line(text)
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"


def _end(piece: Piece) -> int:
    return piece.start + len(piece.text)
