"""A server that somebody else runs, named by a connection string."""

from __future__ import annotations

import os
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from harness.db import connect, version_of
from harness.errors import UsageError
from harness.targets.closing import Closing

_MALFORMED = "not a valid connection string; in a password write @ as %40, / as %2F, % as %25"


class ServerTarget(Closing):
    """The server of a DSN (``postgresql://…``, or ``service=NAME`` and other keywords as libpq has them), or of the
    variable NAME for ``env:NAME``. Nothing of it is ours.

    What the DSN leaves open comes from where libpq looks: service and password files, PG* variables. Connects once, to
    learn the version. Raises `UsageError` when there is no valid DSN, `TargetError` when the server does not answer;
    neither text holds the password.
    """

    owned = False
    at_hand = False

    def __init__(self, spec: str) -> None:
        self._parameters = _parse(spec)
        with connect(make_conninfo("", **self._parameters), application_name="refund-harness") as conn:
            self.server_version = version_of(conn)
            self.maintenance_database = conn.info.dbname
            self.description = _describe(conn.info.host, conn.info.port, conn.info.dbname)
            if conn.info.password:
                # A line of a password file may hold for one database only, and those to come have other names.
                self._parameters["password"] = conn.info.password

    def conninfo(self, dbname: str) -> str:
        return make_conninfo("", **(self._parameters | {"dbname": dbname}))

    def close(self) -> None:
        """Nothing stays open between connections."""


def _describe(host: str, port: int, dbname: str) -> str:
    if host.startswith("/"):
        return f"postgresql:///{dbname}?host={host}&port={port}"
    return f"postgresql://{host}:{port}/{dbname}"


def _parse(spec: str) -> dict[str, Any]:
    source, dsn = "--target", spec
    if spec.startswith("env:"):
        name = spec.removeprefix("env:")
        source = f"--target env:{name}"
        dsn = os.environ.get(name, "")
        if not dsn.strip():
            raise UsageError(
                f"{source}: the variable {name!r} is not set; it must hold postgresql://USER@HOST/DATABASE"
            )
    try:
        given = conninfo_to_dict(dsn)
    except psycopg.Error:
        # libpq's own text quotes what it could not parse, and that may be a piece of the password.
        raise UsageError(f"{source}: {_MALFORMED}") from None
    # An unescaped @ or / in a password ends up in these instead, and from there in error messages.
    misplaced = any("@" in str(given.get(key) or "") for key in ("host", "dbname"))
    if misplaced or not all(port.isdecimal() for port in str(given.get("port") or "0").split(",") if port):
        raise UsageError(f"{source}: {_MALFORMED}")
    return {"gssencmode": "disable", "connect_timeout": "10"} | given
