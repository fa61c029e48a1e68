"""A routine's copy with gates: text in, text out."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from harness.model import Opaque, Site
from harness.sqltext.catalog import Catalog, Routine
from harness.sqltext.footprints import resolve
from harness.sqltext.parse import parse, split
from harness.sqltext.plcheck import disagreement, parsed_shape, read_shape
from harness.sqltext.plgates import PlGates
from harness.sqltext.plpgsql import read_body
from harness.sqltext.routines import touch_of_routine
from harness.sqltext.sites import Sites
from harness.sqltext.sqlgates import ddl_in, sql_gates
from harness.sqltext.tokens import edited
from harness.sqltext.variables import SqlSyntaxError

__all__ = ["Instrumented", "instrument"]

_PARALLEL = re.compile(r"^( (?:.* )?)PARALLEL (?:SAFE|RESTRICTED)(?=\s)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrumented:
    """``sql``: the CREATE OR REPLACE statement of the copy, "" when the routine stays as it is. ``opaque``: set when it
    touches tables and stays as it is."""

    sql: str = ""
    sites: tuple[Site, ...] = ()
    opaque: Opaque | None = None


def instrument(routine: Routine, catalog: Catalog, first_number: int) -> Instrumented:
    """``routine`` with gates numbered from ``first_number``, in the order of its text.

    Nothing is raised for a routine that cannot be understood: it is opaque, with the reason. Calls of routines that
    bear gates themselves (`Catalog.why_plain` is None) need none here.
    """
    reason = catalog.why_plain(routine)
    if reason is not None:
        touches = bool(resolve(touch_of_routine(routine), catalog, lambda r: catalog.why_plain(r) is not None))
        return _left(routine, reason) if touches else Instrumented()
    sites = Sites(routine, catalog, first_number)
    try:
        body = _sql_body(routine, catalog, sites) if routine.language == "sql" else _pl_body(routine, catalog, sites)
        if not sites.sites:
            return Instrumented()
        return Instrumented(sql=_with_body(routine, body), sites=tuple(sites.sites))
    except _NotUnderstood as e:
        return _left(routine, e.reason)
    except SqlSyntaxError as e:
        return _left(routine, f"not understood: {e.message}")


class _NotUnderstood(Exception):
    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def _left(routine: Routine, reason: str) -> Instrumented:
    return Instrumented(opaque=Opaque(function=routine.identity, reason=reason))


def _with_body(routine: Routine, body: str) -> str:
    """The routine's definition with another body. ``pg_get_functiondef`` ends with the quoted source."""
    head, found, tail = routine.definition.rpartition(routine.source)
    if not found or not head.endswith("$") or not tail.startswith("$"):
        raise _NotUnderstood("its definition does not end with its body")
    # The gate draws from a sequence, which no parallel worker may.
    return _PARALLEL.sub(r"\1", head) + body + tail


def _pl_body(routine: Routine, catalog: Catalog, sites: Sites) -> str:
    source = routine.source
    block = read_body(source)
    trouble = disagreement(routine.definition, source)
    if trouble is not None:
        raise _NotUnderstood(f"not understood: {trouble}")
    gates = PlGates(source, block, catalog, sites)
    body = edited(source, gates.edits)
    trouble = disagreement(_with_body(routine, body), body)
    if trouble is not None:
        raise _NotUnderstood(f"with gates not understood: {trouble}")
    _only_gates_added(routine, body)
    return body


def _only_gates_added(routine: Routine, body: str) -> None:
    """Every statement of the old body stands in the new one on its old line, or is a WHILE, which became a loop."""
    old, _ = read_shape(read_body(routine.source))
    block = read_body(body)
    new, _ = read_shape(block)
    missing = Counter({key: n for key, n in (old - new).items() if key[0] != "while"})
    allowed = {"if", "case", "loop", "exit"}
    extra = {kind for kind, _ in (new - old)}
    parsed, _ = parsed_shape(_with_body(routine, body), body, block)
    if missing or extra - allowed or parsed != new or body.count("\n") != routine.source.count("\n"):
        raise _NotUnderstood("with gates it would not be the same routine")


def _sql_body(routine: Routine, catalog: Catalog, sites: Sites) -> str:
    source = routine.source
    if ddl_in(source):
        raise _NotUnderstood("an SQL body with more than queries")
    before = len(split(source))
    body = edited(source, sql_gates(source, catalog, sites))
    added = sum(1 for s in sites.sites if not s.id.endswith("~"))
    if len(parse(body).stmts) != before + added:
        raise _NotUnderstood("with gates it would not be the same routine")
    return body
