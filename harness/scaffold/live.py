"""The definitions of a live database, only read: what pg_dump writes of its schemas."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg

from harness.db import connect, one_line
from harness.errors import SaveError, TargetError, UsageError
from harness.files import write_atomically
from harness.sqltext import quoted
from harness.targets import is_dsn, open_target
from harness.targets.account import server_account
from harness.targets.binaries import find_binaries
from harness.targets.places import cache_place

_BOUND_S = 300


@contextmanager
def dumped(target: str, schemas: Sequence[str], into: Path, *, pg_bin: Path | None) -> Iterator[Path]:
    """The path of a new file below ``into`` with the definitions in ``schemas`` of ``target``, without rows; gone at
    the end unless something else is in ``into`` by then. Raises `UsageError` for a schema that is not there,
    `TargetError` when server or pg_dump refuse."""
    if not is_dsn(target):
        raise UsageError(f"--target {target.partition(':')[0]!r}: a live database is postgresql://… or env:NAME")
    binaries = find_binaries(server_account(), pg_bin=pg_bin, cache=cache_place())
    program = binaries.folder / "pg_dump"
    if not program.is_file():
        raise UsageError(f"no pg_dump in {binaries.folder}: dump the schema yourself, and give the file")
    with open_target(target) as server:
        conninfo = server.conninfo(server.maintenance_database)
        with connect(conninfo, application_name="refund-harness init") as connection:
            _require(connection, schemas)
    text = _run(program, conninfo, schemas)
    path = into / "sql" / "schema.sql"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SaveError(f"cannot write {path}: {error.strerror or error}") from None
    write_atomically(path, text)
    try:
        yield path
    finally:
        if not any(into.glob("*.yaml")):
            path.unlink(missing_ok=True)
            for folder in (path.parent, into):
                with suppress(OSError):  # not empty: not ours
                    folder.rmdir()


def _require(connection: psycopg.Connection[tuple[object, ...]], schemas: Sequence[str]) -> None:
    known = {name for (name,) in connection.execute("SELECT nspname FROM pg_namespace").fetchall()}
    for schema in schemas:
        if schema not in known:
            raise UsageError(f"--schema {schema}: no such schema in this database")


def _run(program: Path, conninfo: str, schemas: Sequence[str]) -> bytes:
    """What pg_dump writes. The connection goes by environment: a password must not stand in argv."""
    given = psycopg.conninfo.conninfo_to_dict(conninfo)
    names = {"dbname": "PGDATABASE", "user": "PGUSER", "host": "PGHOST", "port": "PGPORT", "password": "PGPASSWORD"}
    environment = {**os.environ, **{names[k]: str(v) for k, v in given.items() if k in names and v is not None}}
    others = {k: str(v) for k, v in given.items() if k not in names and k.startswith("ssl") and v is not None}
    environment |= {f"PG{k.upper()}": v for k, v in others.items()}
    arguments = [f"--schema={quoted(s)}" for s in schemas]
    try:
        done = subprocess.run(
            [str(program), "--schema-only", "--no-owner", *arguments],
            env=environment,
            capture_output=True,
            timeout=_BOUND_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise TargetError(f"pg_dump did not end within {_BOUND_S} s") from None
    except OSError as error:
        raise TargetError(f"cannot run pg_dump: {error.strerror or error}") from None
    if done.returncode:
        raise TargetError(f"pg_dump: {one_line(done.stderr.decode(errors='replace'))}")
    return done.stdout
