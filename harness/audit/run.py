"""An audit from beginning to end: one snapshot, all checks, one result."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from harness.audit.catalog import read_catalog
from harness.audit.deploy import deploy_checks
from harness.audit.identities import Identities
from harness.audit.mapping import Mapping
from harness.audit.monitoring import monitored
from harness.audit.preflight import find_ledger
from harness.audit.session import Reading, TookTooLong, reading
from harness.audit.sources import Ledger, Source, query, sources
from harness.audited import AuditResult, Checked, Monitored, Part, Table
from harness.db import exact
from harness.targets.protocol import Target

_SNAPSHOT = "SELECT now()::timestamptz(0) AS taken_at, pg_is_in_recovery() AS standby"


class Ear(Protocol):
    """Hears how an audit goes."""

    def looking(self, at: str) -> None:
        """At what it looks from now on, such as ``12,031 jobs``: it may take long."""

    def checked(self, checked: Checked) -> None:
        """A check is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditOptions:
    """``timeout_s``: of each query. ``limit``: rows kept per check, at least 1. ``since``: the monitoring queries'
    window as `monitoring.window` gives it. ``stuck_s``: a job in processing for more seconds is stuck. ``show_ids``:
    user ids as they are."""

    timeout_s: float
    limit: int
    since: tuple[str, str]
    stuck_s: int
    show_ids: bool


def audit(target: Target, mapping: Mapping, options: AuditOptions, ear: Ear) -> AuditResult:
    """Audit the database that ``target`` names.

    Raises `UsageError` for a mapping that does not fit and for missing privileges, `TargetError` when the server fails.
    A query that takes too long costs its checks only: they are skipped, and the result says so as its trouble.
    """
    begin = time.perf_counter()
    with reading(target, options.timeout_s) as session:
        return _audited(session, target, mapping, options, ear, begin)


def _audited(
    session: Reading, target: Target, mapping: Mapping, options: AuditOptions, ear: Ear, begin: float
) -> AuditResult:
    [snapshot] = session.rows(_SNAPSHOT)
    identities = Identities(show=options.show_ids)
    ledger = find_ledger(session, mapping)
    ear.looking("how much there is")
    tables = _counted(session, ledger)
    checks: list[Checked] = []
    for source in sources(ledger, options.stuck_s):
        rows = tables[source.table].rows
        ear.looking(f"{source.unit}s" if rows is None else f"{rows:,} {source.unit}s")
        for checked in _judged(session, source, rows, options.limit, identities):
            checks.append(checked)
            ear.checked(checked)
    ear.looking("functions and tables")
    for checked in deploy_checks(read_catalog(session, mapping.spec), mapping.spec):
        checks.append(checked)
        ear.checked(checked)
    ear.looking("the monitoring queries")
    watched = tuple(monitored(session, ledger, options.since, options.limit, identities))
    return AuditResult(
        server_version=target.server_version,
        database=target.description,
        taken_at=snapshot["taken_at"].isoformat(),
        standby=snapshot["standby"],
        hidden=not options.show_ids,
        tables=tables,
        checks=tuple(checks),
        monitored=watched,
        elapsed_s=time.perf_counter() - begin,
        trouble=_trouble(checks, watched),
    )


def _counted(session: Reading, ledger: Ledger) -> tuple[Table, ...]:
    """How much there is."""
    found = []
    for name, table in zip(ledger.tables, (ledger.jobs, ledger.entries, ledger.balances), strict=True):
        try:
            [row] = session.rows(f"SELECT count(*) AS n FROM ({table}) AS t")
            found.append(Table(name=name, rows=row["n"]))
        except TookTooLong:
            found.append(Table(name=name, rows=None))
    return tuple(found)


def _judged(
    session: Reading, source: Source, examined: int | None, limit: int, identities: Identities
) -> Iterator[Checked]:  # fmt: skip
    try:
        rows, skipped = session.rows(query(source, limit)), ""
    except TookTooLong as error:
        rows, skipped = [], str(error)
    for number, rule in enumerate(source.rules):
        mine = [row for row in rows if row["rule"] == number]
        money = mine[0]["rule_credits"] if mine else None
        yield Checked(
            check=rule.check,
            part=Part.LEDGER,
            title=rule.title,
            level=rule.level,
            examined=0 if skipped or examined is None else examined,
            unit=source.unit,
            total=mine[0]["rule_total"] if mine else 0,
            credits=None if money is None else exact(money),
            credits_mean=rule.credits_mean,
            rows=tuple(identities.row(row, rule.shown) for row in mine),
            skipped=skipped,
        )


def _trouble(checks: list[Checked], watched: tuple[Monitored, ...]) -> str:
    late = [(c.check, c.skipped) for c in checks if c.skipped] + [(m.name, m.skipped) for m in watched if m.late]
    if not late:
        return ""
    _, reason = late[0]
    return f"not looked at: {', '.join(name for name, _ in late)} ({reason})"
