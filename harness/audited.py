"""What an audit of a ledger found: for the room that audits and for the reports."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from harness.model import Row, Verdict


class Level(StrEnum):
    """How bad it is when a check is not passed. A warning is worth a look, and leaves the exit code alone."""

    FINDING = "finding"
    WARNING = "warning"


class Part(StrEnum):
    """What a check looks at: rows of the ledger, or how the database is set up."""

    LEDGER = "ledger"
    DEPLOY = "deploy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One check. ``title``: what a row means. ``examined``: how many of ``unit`` ("jobs") were looked at; ``total``:
    how many were not as they should be, of which ``rows`` are the first. ``credits``: the money in all of them, and
    ``credits_mean`` what that is ("paid twice"). ``detail``: what was seen, where that says more than a number.
    ``skipped``: why it was not looked at, or ""."""

    check: str
    part: Part
    title: str
    level: Level = Level.FINDING
    examined: int = 0
    unit: str = "row"
    total: int = 0
    credits: int | float | None = None
    credits_mean: str = ""
    rows: tuple[Row, ...] = ()
    detail: str = ""
    skipped: str = ""

    @property
    def is_finding(self) -> bool:
        return self.total > 0 and self.level is Level.FINDING

    @property
    def is_warning(self) -> bool:
        return self.total > 0 and self.level is Level.WARNING


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitored:
    """One of the runbook's queries: rows to look at, which say nothing of right and wrong by themselves. ``late``: it
    was skipped because it took too long, and not because there is nothing to ask."""

    name: str
    title: str
    rows: tuple[Row, ...] = ()
    total: int = 0
    skipped: str = ""
    late: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table as it was read. ``name`` with its schema; ``rows``: None when it took too long to count them."""

    name: str
    rows: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditResult:
    """``database``: where, without user and password. ``taken_at``: when the snapshot was taken, by the server's clock
    (ISO 8601, UTC). ``standby``: it is a replica. ``hidden``: user ids are hashed, with a key that is gone.
    ``trouble``: why it is not whole, in one line."""

    server_version: str
    database: str
    taken_at: str
    standby: bool
    hidden: bool
    tables: tuple[Table, ...]
    checks: tuple[Checked, ...]
    monitored: tuple[Monitored, ...]
    elapsed_s: float
    trouble: str = ""

    @property
    def verdict(self) -> Verdict:
        """Never inconclusive: an audit of an empty ledger says that it read 0 rows."""
        if self.trouble:
            return Verdict.ERROR
        return Verdict.VIOLATION if self.findings else Verdict.PASS

    @property
    def findings(self) -> tuple[Checked, ...]:
        return tuple(c for c in self.checks if c.is_finding)

    @property
    def warnings(self) -> tuple[Checked, ...]:
        return tuple(c for c in self.checks if c.is_warning)
