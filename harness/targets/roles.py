"""Roles that SQL to be installed makes: they belong to the whole server, so on another's they must be there already."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import psycopg
from psycopg import sql

from harness.errors import UsageError
from harness.model import Script
from harness.sqltext.parse import SqlSyntaxError
from harness.sqltext.wants import wants


def made_by(scripts: Sequence[Script]) -> tuple[str, ...]:
    """Roles that ``scripts`` create, also inside DO, in the order of their names. What cannot be read makes none: the
    server will say what is wrong with it."""
    found: set[str] = set()
    for script in scripts:
        try:
            found |= wants(script.text).created_roles
        except SqlSyntaxError:
            continue
    return tuple(sorted(found))


def require_roles(conn: psycopg.Connection[Any], roles: Iterable[str], where: str) -> None:
    """Raises `UsageError` with what an administrator of the server ``where`` is to run, when one of ``roles`` is not
    there, or is one that the user of ``conn`` may not take."""
    kind = "SET" if conn.info.server_version >= 160000 else "MEMBER"
    absent, closed, remedy = [], [], []
    user = sql.Identifier(conn.info.user).as_string(conn)
    for role in dict.fromkeys(roles):
        quoted = sql.Identifier(role).as_string(conn)
        row = conn.execute(
            "SELECT pg_has_role(current_user, oid, %s) FROM pg_roles WHERE rolname = %s", [kind, role]
        ).fetchone()
        if row is None:
            absent.append(role)
            remedy.append(f"CREATE ROLE {quoted}")
        elif not row[0]:
            closed.append(role)
        if row != (True,) and not _superuser(conn):
            remedy.append(f"GRANT {quoted} TO {user}")
    said = [f"no role {', '.join(absent)} on {where}"] if absent else []
    said += [f"{user} may not take the role {', '.join(closed)} on {where}"] if closed else []
    if said:
        raise UsageError(f"{'; '.join(said)}: run {'; '.join(remedy)} there")


def _superuser(conn: psycopg.Connection[Any]) -> bool:
    return conn.info.parameter_status("is_superuser") == "on"
