"""Audits of databases on a test's server, and ledgers for them."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from audit_ledgers import ledger_script, migrations
from standbys import dsn

from harness.audit.mapping import Mapping, read_mapping
from harness.audit.monitoring import window
from harness.audit.run import AuditOptions, audit
from harness.audited import AuditResult, Checked
from harness.db import connect
from harness.model import Script
from harness.report.audit import AuditConsole
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget
from harness.targets.server import ServerTarget

Open = Callable[..., psycopg.Connection[Any]]
HAND_MADE = Script(name="none.sql", text="SELECT 1;")


class Ledgers:
    """Databases with ledgers: ``opened(users)`` as migrated, ``opened(0, script)`` with tables of one's own."""

    def __init__(self, target: EmbeddedTarget, databases: Databases) -> None:
        self._target, self._databases = target, databases
        self._opened: list[psycopg.Connection[Any]] = []

    def opened(self, users: int, *more: str) -> psycopg.Connection[Any]:
        scripts = [*migrations(), ledger_script(users)] if users else [HAND_MADE]
        name = self._databases.clone(self._databases.template(scripts))
        connection = connect(self._target.conninfo(name), application_name="test")
        self._opened.append(connection)
        for text in more:
            connection.execute(text.encode())
        return connection

    def dsn(self, connection: psycopg.Connection[Any]) -> str:
        return dsn(self._target, connection.info.dbname)

    def close(self) -> None:
        for connection in self._opened:
            name = connection.info.dbname
            connection.close()
            self._databases.drop(name)


def options(**changed: Any) -> AuditOptions:
    usual = {"timeout_s": 60.0, "limit": 50, "since": window("1d"), "stuck_s": 3600, "show_ids": True}
    return AuditOptions(**(usual | changed))


def audited(where: str, mapping: Path | Mapping | None = None, **changed: Any) -> AuditResult:
    known = mapping if isinstance(mapping, Mapping) else read_mapping(mapping)
    with ServerTarget(where) as target:
        return audit(target, known, options(**changed), AuditConsole(io.StringIO()))


def check(result: AuditResult, name: str) -> Checked:
    [found] = [c for c in result.checks if c.check == name]
    return found
