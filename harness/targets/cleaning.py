"""Removes what killed runs have left: run folders, containers, and databases on a server that is not ours."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from harness.db import connect, one_line
from harness.errors import HarnessError, UsageError
from harness.targets.account import server_account
from harness.targets.docker import containers, docker_client
from harness.targets.marks import PREFIX, Mark, session_of, token_of
from harness.targets.places import run_places
from harness.targets.protocol import Target
from harness.targets.runfolder import leftovers, sweep, sweep_one

_APPLICATION = "refund-harness clean"
_LEAVING_S = 10.0
_DATABASES = """
SELECT datname, coalesce(pg_catalog.shobj_description(oid, 'pg_database'), ''), pg_catalog.pg_get_userbyid(datdba),
  pg_catalog.pg_has_role(datdba, 'USAGE')
FROM pg_catalog.pg_database WHERE pg_catalog.starts_with(datname::text, %s) ORDER BY datname"""
_SESSIONS = "SELECT DISTINCT datname, application_name FROM pg_catalog.pg_stat_activity"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaned:
    """One thing that was found. ``kind``: ``database``, ``container`` or ``run folder``. ``said``: what became of it
    and why, one line. ``ok``: false where it should have gone and did not."""

    kind: str
    said: str
    ok: bool = True


def clean_machine(*, dry_run: bool) -> list[Cleaned]:
    """Run folders of this user's dead runs, their servers with them, and containers of this machine's."""
    return [*_folders(dry_run), *_containers(dry_run)]


def clean_after(target: Target, pids: Collection[int]) -> None:
    """Remove what these dead processes of this machine, which executed on ``target`` or on servers like it, have left.
    Raises as `clean_server` does."""
    account = server_account()
    for place in run_places():
        sweep(place, account)
    deadline = time.monotonic() + _LEAVING_S
    # The server learns of a client's death by and by, and what is connected stays.
    while not target.owned and clean_server(target, dry_run=False, of=pids) and time.monotonic() < deadline:
        time.sleep(0.1)


def clean_server(target: Target, *, dry_run: bool, of: Collection[int] | None = None) -> list[Cleaned]:
    """Databases on ``target`` that have our name and our mark and that no living run uses; all others stay. ``of``:
    only those of these processes of this machine. Raises `TargetError` when the server does not answer."""
    done = []
    with connect(target.conninfo(target.maintenance_database), application_name=_APPLICATION) as conn:
        found = conn.execute(_DATABASES, [PREFIX]).fetchall()
        sessions = conn.execute(_SESSIONS).fetchall()
        for name, comment, owner, may in found:
            if not (token := token_of(name)):
                continue
            mark = Mark.read(comment)
            if of is not None and (mark is None or not mark.of_this_machine or mark.pid not in of):
                continue
            if mark is None:
                done.append(_keep(name, "it has our name, but not our mark"))
            elif reason := _reason_to_stay(token, mark, sessions) or ("" if may else f"it belongs to role {owner}"):
                done.append(_keep(name, reason))
            else:
                done.append(_drop(conn, name, mark, dry_run=dry_run))
    return done


def _reason_to_stay(token: str, mark: Mark, sessions: Sequence[tuple[Any, ...]]) -> str:
    # Of a run that works on, one database may stand deserted: somebody is in another one, or makes them.
    if any(token_of(datname or "") == token or name == session_of(token) for datname, name in sessions):
        return "its run is connected"
    return f"process {mark.pid} of this machine, which made it, lives" if mark.lives else ""


def _keep(name: str, reason: str) -> Cleaned:
    return Cleaned(kind="database", said=f"{name} stays: {reason}")


def _drop(conn: psycopg.Connection[Any], name: str, mark: Mark, *, dry_run: bool) -> Cleaned:
    whose = f"of process {mark.pid} on {mark.host}"
    if dry_run:
        return Cleaned(kind="database", said=f"{name} {whose} would be dropped")
    try:
        # Without FORCE: whoever has come meanwhile keeps it.
        conn.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))
    except psycopg.Error as error:
        refusal = one_line(error.diag.message_primary or str(error))
        return Cleaned(kind="database", said=f"{name} {whose} could not be dropped: {refusal}", ok=False)
    return Cleaned(kind="database", said=f"{name} {whose} dropped")


def _folders(dry_run: bool) -> Iterator[Cleaned]:
    account = server_account()
    for place in run_places():
        for path in leftovers(place, account):
            if dry_run:
                yield Cleaned(kind="run folder", said=f"{path} would be removed")
            elif sweep_one(path):
                yield Cleaned(kind="run folder", said=f"{path} removed")
            else:
                yield Cleaned(kind="run folder", said=f"{path} could not be removed", ok=False)


def _containers(dry_run: bool) -> Iterator[Cleaned]:
    try:
        client = docker_client()
        found = containers(client)
    except UsageError:  # without the extra nobody has made any
        return
    except HarnessError as error:
        yield Cleaned(kind="container", said=f"none looked for: {error}")
        return
    for left in found:
        if not left.dead:
            whose = f"process {left.owner.pid} on {left.owner.host}" if left.owner else "somebody else"
            yield Cleaned(kind="container", said=f"{left.name} stays: it is of {whose}")
        elif dry_run:
            yield Cleaned(kind="container", said=f"{left.name} would be removed")
        else:
            try:
                left.remove()
                yield Cleaned(kind="container", said=f"{left.name} removed")
            except HarnessError as error:
                yield Cleaned(kind="container", said=f"{left.name}: {error}", ok=False)
    client.client.close()
