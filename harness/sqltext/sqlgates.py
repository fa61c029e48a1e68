"""Where the gates of an SQL-language body go: a SELECT of the gate before each statement that touches something.

The last statement stays last, for its result is the function's."""

from __future__ import annotations

from dataclasses import replace

from harness.model import SiteKind
from harness.sqltext.catalog import Catalog
from harness.sqltext.describe import headline
from harness.sqltext.footprints import before_scan, resolve
from harness.sqltext.overlap import overlap_edits
from harness.sqltext.parse import parse, split
from harness.sqltext.sites import Sites
from harness.sqltext.tokens import Edit
from harness.sqltext.walk import touch_of

__all__ = ["ddl_in", "sql_gates"]

_ORDINARY = frozenset({"select_stmt", "insert_stmt", "update_stmt", "delete_stmt", "merge_stmt", "lock_stmt"})


def ddl_in(source: str) -> bool:
    """Whether an SQL body holds anything but queries: its statements are analysed together, before the first one runs,
    so a body that makes what it uses is a delicate thing. Raises `SqlSyntaxError`."""
    return any(s.stmt.WhichOneof("node") not in _ORDINARY for s in parse(source).stmts)


def sql_gates(source: str, catalog: Catalog, sites: Sites) -> list[Edit]:
    """The edits for an SQL body; the sites go to ``sites``. Raises `SqlSyntaxError`."""
    edits: list[Edit] = []
    for piece in split(source):
        touch = touch_of(piece.text)
        footprint = resolve(touch, catalog, lambda routine: catalog.why_plain(routine) is not None)
        if not footprint:
            continue
        line = source.count("\n", 0, piece.start) + 1
        what = headline("sql", piece.text, touch)
        overlap = overlap_edits(piece.text, sites.next + 1)
        before = before_scan(touch, footprint, catalog) if overlap else footprint
        number = sites.add(SiteKind.STATEMENT, line, what, piece.text, before)
        edits.append(Edit(at=piece.start, text=f"SELECT harness.gate({number}); "))
        if overlap:
            sites.add_overlap(what, footprint)
            edits += [replace(edit, at=piece.start + edit.at) for edit in overlap]
    return edits
