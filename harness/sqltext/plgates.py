"""Where the gates of a PL/pgSQL body go.

Every gate is a statement of its own, so that whatever follows it takes its snapshot after it; for conditions that are
evaluated in the middle of a statement (ELSIF, WHILE, later WHENs) the statement is spelt out into an equivalent one
that has a place for it. Nothing is put on a line of its own.
"""

from __future__ import annotations

from dataclasses import replace

from harness.model import Footprint, SiteKind
from harness.sqltext.catalog import Catalog
from harness.sqltext.describe import headline
from harness.sqltext.footprints import before_scan, commit_footprint, reached, resolve
from harness.sqltext.overlap import overlap_edits
from harness.sqltext.plsyntax import Block, Branch, Part, PartKind, Stmt
from harness.sqltext.routines import cursor_queries, declared_queries, touch_of_part
from harness.sqltext.sites import Sites
from harness.sqltext.tokens import Edit
from harness.sqltext.touch import Touch
from harness.sqltext.walk import touch_of

__all__ = ["PlGates"]

_ENDS = ("commit", "rollback")
_OVERLAPPING = ("execsql", "perform", "fors", "return_query")


class PlGates:
    """Collects the edits for ``block``, the body ``source``; the sites go to ``sites``."""

    def __init__(self, source: str, block: Block, catalog: Catalog, sites: Sites) -> None:
        self.edits: list[Edit] = []
        self._source, self._catalog, self._sites = source, catalog, sites
        self._cursors = cursor_queries(block)
        self._declared = declared_queries(block)
        self._block(block, undoes=False, carried=Footprint())

    # ---------------------------------------------------------------------------------------------- statements

    def _block(self, block: Block, *, undoes: bool, carried: Footprint) -> None:
        for declaration in block.declarations:
            touch = self._touch(declaration.parts)
            if not declaration.cursor and (footprint := self._resolved(touch)):
                text = self._source[declaration.at : declaration.parts[-1].end]
                number = self._sites.add(
                    SiteKind.STATEMENT, declaration.line, headline("declare", text, touch), text, footprint | carried,
                    undoes=undoes, nests=self._nests(touch),
                )  # fmt: skip
                self._edit(declaration.at, f"harness_gate_{number} boolean := harness.gate({number}); ")
        for branch in block.branches:
            self._body(branch, undoes=undoes or block.handles, carried=carried)

    def _body(self, branch: Branch, *, undoes: bool, carried: Footprint) -> None:
        ended = False
        for i, statement in enumerate(branch.body):
            ended = self._statement(statement, branch.body[i + 1 :], ended, undoes=undoes, carried=carried)

    def _statement(
        self, statement: Stmt, following: tuple[Stmt, ...], ended: bool, *, undoes: bool, carried: Footprint
    ) -> bool:
        """``ended``: since a COMMIT nothing took a snapshot, and nothing must before SET TRANSACTION and LOCK."""
        if isinstance(statement, Block):
            self._block(statement, undoes=undoes, carried=carried)
            return False
        if statement.kind in _ENDS:
            self._end(statement, following, undoes=undoes, carried=carried)
            return True
        if ended and _must_be_first(statement):
            return True
        touch = self._touch(_evaluated_first(statement))
        footprint = self._resolved(touch)
        if footprint:
            self._gate(statement, touch, footprint, undoes=undoes, carried=carried)
        if statement.kind in ("fors", "forc", "dynfors"):
            # The loop's query runs on between the rounds, with the snapshot that it has.
            carried |= replace(footprint, reads=frozenset())
        for i, branch in enumerate(statement.branches):
            if i > 0 and branch.condition and not statement.simple_case:
                self._later_condition(statement, branch, undoes=undoes, carried=carried)
            self._body(branch, undoes=undoes, carried=carried)
        return False

    def _end(self, statement: Stmt, following: tuple[Stmt, ...], *, undoes: bool, carried: Footprint) -> None:
        footprint = carried | commit_footprint(self._catalog)
        for later in following:
            if not _must_be_first(later):
                break
            footprint |= self._resolved(self._touch(later.parts))
        text = self._source[statement.at : statement.end]
        number = self._sites.add(
            SiteKind.COMMIT, statement.line, headline(statement.kind, text, Touch()), text, footprint, undoes=undoes
        )
        self._edit(statement.at, _gate(number))

    def _gate(self, statement: Stmt, touch: Touch, footprint: Footprint, *, undoes: bool, carried: Footprint) -> None:
        query = statement.parts[0] if statement.parts else None
        text = self._source[statement.at : _head_end(statement)]
        if statement.kind == "open" and len(statement.parts) == 1 and statement.parts[0].text in self._declared:
            # What it opens stands somewhere else, and is all that a reader wants to know.
            text = f"{text.rstrip().removesuffix(';').rstrip()} FOR {self._declared[statement.parts[0].text]}"
        what = headline(statement.kind, query.text if query else text, touch)
        overlap: tuple[Edit, ...] = ()
        if statement.kind in _OVERLAPPING and query is not None and query.kind is PartKind.QUERY:
            overlap = overlap_edits(query.text, self._sites.next + 1)
        before = before_scan(touch, footprint, self._catalog) if overlap else footprint
        number = self._sites.add(
            SiteKind.STATEMENT, statement.line, what, text, before | carried, undoes=undoes, nests=self._nests(touch)
        )
        if statement.kind == "while":
            self._while(statement.branches[0], number)
        else:
            self._edit(statement.at, _gate(number))
        if overlap and query is not None:
            self._sites.add_overlap(what, footprint | carried)
            for edit in overlap:
                self._edit(query.start + edit.at, edit.text)

    def _while(self, branch: Branch, number: int) -> None:
        """WHILE c LOOP → LOOP gate; IF c THEN NULL; ELSE EXIT; END IF;"""
        self._edit(branch.at, f"LOOP {_gate(number)}IF", remove=len("while"))
        self._edit(branch.begins - len("loop"), "THEN NULL; ELSE EXIT; END IF;", remove=len("loop"))

    def _later_condition(self, statement: Stmt, branch: Branch, *, undoes: bool, carried: Footprint) -> None:
        """ELSIF c → ELSE gate; IF c, and one more END IF; likewise WHEN c of a CASE without operand."""
        touch = self._touch(branch.condition)
        footprint = self._resolved(touch)
        if not footprint:
            return
        text = self._source[branch.at : branch.condition[-1].end]
        kind = "elsif" if statement.kind == "if" else "case"
        number = self._sites.add(
            SiteKind.STATEMENT, branch.line, headline(kind, branch.condition[0].text, touch), text,
            footprint | carried, undoes=undoes, nests=self._nests(touch),
        )  # fmt: skip
        if statement.kind == "if":
            word = self._source[branch.at : branch.condition[0].start].split()[0]
            keyword = "elsif" if word.lower().startswith("elsif") else "elseif"
            self._edit(branch.at, f"ELSE {_gate(number)}IF", remove=len(keyword))
            self._edit(statement.closes, "END IF; ")
        else:
            self._edit(branch.at, f"ELSE {_gate(number)}CASE ")
            self._edit(statement.closes, "END CASE; ")

    # ------------------------------------------------------------------------------------------------- touches

    def _edit(self, at: int, text: str, *, remove: int = 0) -> None:
        self.edits.append(Edit(at=at, text=text, remove=remove))

    def _touch(self, parts: tuple[Part, ...]) -> Touch:
        found = Touch()
        for part in parts:
            found |= touch_of_part(part, self._cursors)
        return found

    def _nests(self, touch: Touch) -> bool:
        """Whether the statement may run other gated code inside itself: functions it calls, triggers it fires."""
        routines, anything = reached([touch], self._catalog)
        return anything or any(self._catalog.why_plain(r) is None for r in routines)

    def _resolved(self, touch: Touch) -> Footprint:
        return resolve(touch, self._catalog, lambda routine: self._catalog.why_plain(routine) is not None)


def _gate(number: int) -> str:
    return f"IF harness.gate({number}) THEN NULL; END IF; "


def _evaluated_first(statement: Stmt) -> tuple[Part, ...]:
    """What a statement evaluates before it may reach statements inside it."""
    parts = statement.parts
    if statement.kind == "case":
        conditions = [b.condition for b in statement.branches]
        for condition in conditions if statement.simple_case else conditions[:1]:
            parts += condition
    return parts


def _must_be_first(statement: Stmt) -> bool:
    """SET TRANSACTION and LOCK right after a COMMIT: a gate there would take the transaction's snapshot."""
    if statement.kind != "execsql":
        return False
    text = statement.parts[0].text.lower().split(None, 1)[0]
    return text == "set" or bool(touch_of(statement.parts[0].text).excludes and text == "lock")


def _head_end(statement: Stmt) -> int:
    """Where a statement's own text ends and those inside it begin."""
    return statement.branches[0].begins if statement.branches and statement.kind != "case" else statement.end
