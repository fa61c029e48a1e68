"""Where the workers of a scenario can be held: gates inside their functions, and before each implicit commit."""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import replace

from harness.driver.plan import ANY_LEVEL, Points
from harness.gating import Gates
from harness.model import Footprint, SiteKind, Statement, StatementKind, Worker
from harness.sqltext import Catalog, commit_footprint, entry_footprint

_LEAD = r"(?:\s|\(|--[^\n]*\n|/\*.*?\*/)*"
_PLAIN = re.compile(_LEAD + r"(select|insert|update|delete|merge|with|values|table)\b", re.I | re.S)
_CALL = re.compile(_LEAD + r"call\b", re.I | re.S)


def with_commits(worker: Worker, gates: Gates) -> Worker:
    """``worker`` with the commit of every statement that is its own transaction spelt out: whoever reads between the
    statement and its commit still sees the old rows.

    Left as they are: statements that cannot or need not run inside a transaction block, and CALLs when some procedure
    commits by itself.
    """
    procedures_commit = any(site.kind is SiteKind.COMMIT for site in gates.sites)
    statements: list[Statement] = []
    inside = False
    for s in worker.statements:
        inside = inside and s.attempt == statements[-1].attempt
        if s.kind in (StatementKind.BEGIN, StatementKind.COMMIT, StatementKind.ROLLBACK):
            inside = s.kind is StatementKind.BEGIN or s.chains
        opens = not inside and s.kind is StatementKind.QUERY and (
            _PLAIN.match(s.sql) is not None or (_CALL.match(s.sql) is not None and not procedures_commit)
        )  # fmt: skip
        statements.append(replace(s, opens=opens))
        if opens:
            statements.append(
                Statement(name=f"{s.name}:commit", sql="COMMIT", kind=StatementKind.COMMIT, attempt=s.attempt)
            )
    return replace(worker, statements=tuple(statements))


def points(
    workers: Sequence[Worker], gates: Gates, catalog: Catalog, isolation: str, known: MutableMapping[str, Footprint]
) -> Points:
    """What the driver must know of ``workers`` (their statements' SQL as in the scenario, without ids). ``known``: what
    was found out of statements before, by their SQL; grows."""

    def entry(s: Statement) -> Footprint:
        if s.sql not in known:
            known[s.sql] = _entry(s, catalog, gates)
        return known[s.sql]

    entries: Mapping[str, Mapping[str, Footprint]] = {w.name: {s.name: entry(s) for s in w.statements} for w in workers}
    found = [*(site.footprint for site in gates.sites), *(f for mine in entries.values() for f in mine.values())]
    return Points(
        sites={site.number: site for site in gates.sites},
        entry=lambda worker, statement: entries[worker][statement],
        isolation=ANY_LEVEL if gates.sets_level else isolation,
        may_undo=gates.undo,
        commit=commit_footprint(catalog),
        excluding=any(f.excludes or f.everything for f in found),
    )


def _entry(statement: Statement, catalog: Catalog, gates: Gates) -> Footprint:
    if statement.kind is StatementKind.DDL:
        return Footprint(everything=True)
    if statement.kind is not StatementKind.QUERY:
        return Footprint()
    return entry_footprint(statement.sql, catalog, gates.functions)
