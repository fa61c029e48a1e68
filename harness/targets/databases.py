"""Disposable databases of one run: templates with SQL installed, and clones of them."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import psycopg
from psycopg import sql

from harness.db import apply_script, connect, one_line
from harness.errors import TargetError, UsageError
from harness.model import Script
from harness.targets.closing import Closing
from harness.targets.fitness import require_fit
from harness.targets.marks import Mark, name_of, session_of
from harness.targets.protocol import Target
from harness.targets.roles import made_by, require_roles

_APPLICATION = "refund-harness databases"
_DESERTED_TIMEOUT_S = 2.0
_LEAVING_S = 0.1
"""How long a backend may take to leave when its client has."""
# Those of others (an autovacuum worker) end by themselves, and may not be ended by everybody.
_END_SESSIONS = """
SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity
WHERE datname = %s AND usename = current_user AND backend_type = 'client backend'"""
Prepared = TypeVar("Prepared")
_kept: weakref.WeakKeyDictionary[Target, dict[str, str]] = weakref.WeakKeyDictionary()
"""Of servers of ours, the templates that are there for others, too."""


class Databases(Closing):
    """Databases named ``refund_harness_<token>_<n>`` on ``target``, which stays open and the caller's.

    Threads may share it. On a server that is not ours every database carries a comment that says whose it is, and
    `close` drops them all; on our own they vanish with the server. Raises `TargetError`, and `UsageError` when the
    role may not create databases or the server will not do. ``keeps``: whoever comes later to the same server, if it is
    one of ours, finds the templates that are made here.
    """

    def __init__(self, target: Target, *, keeps: bool = False) -> None:
        self._target = target
        self._lock = threading.RLock()
        self._token = secrets.token_hex(4)
        self._count = 0
        kept = _kept.setdefault(target, {}) if target.owned else {}
        self._templates: dict[str, str] = kept if keeps else dict(kept)
        self._derived: dict[tuple[str, str], tuple[str, Any]] = {}
        self._names: list[str] = []
        self._closed = False
        self._session = self._connected()
        if not target.owned:
            try:
                require_fit(target, self._session)
            except BaseException:
                self._session.close()
                raise
        # Copying files ends with a checkpoint: the faster way on a server of ours, an imposition on another's.
        by_copy = target.owned and self._session.info.server_version >= 150000
        self._strategy = sql.SQL(" STRATEGY file_copy" if by_copy else "")

    def reconnect(self) -> None:
        """Everything is as it was, but that the server has taken the connection: whoever comes next has a new one."""
        with self._lock:
            self._session.close()

    def template(self, scripts: Sequence[Script], *, roles: Sequence[str] = ()) -> str:
        """The name of a database in which ``scripts`` were run, in order, each in a session of its own.

        Made once per content. ``roles`` must exist before: on our own server they are created, elsewhere their
        absence is a `UsageError`, since roles would outlive the run, and so is that of roles which a script would
        create. Nobody may be connected to a template while
        `clone` copies it. Raises `UserSqlError` when a script fails.
        """
        key = _content_hash(scripts, roles)
        with self._lock:
            if key not in self._templates:
                self._require_roles(roles, scripts)
                self._templates[key] = self._install(scripts)
            return self._templates[key]

    def derived(
        self, template: str, key: str, prepare: Callable[[psycopg.Connection[Any]], Prepared]
    ) -> tuple[str, Prepared]:
        """The name of a template made from another one by ``prepare`` (given an autocommit connection to it), and what
        that returned. Made once per ``template`` and ``key``."""
        with self._lock:
            if (template, key) not in self._derived:
                name = self.clone(template)
                try:
                    with connect(self._target.conninfo(name), application_name=_APPLICATION) as conn:
                        value = prepare(conn)
                    self._wait_until_deserted(name, _DESERTED_TIMEOUT_S)
                except BaseException:
                    self.drop(name)
                    raise
                self._derived[template, key] = name, value
            made: tuple[str, Prepared] = self._derived[template, key]
            return made

    def clone(self, template: str) -> str:
        """The name of a new database with everything that is in ``template``."""
        return self._create(sql.SQL(" TEMPLATE {}").format(sql.Identifier(template)))

    def drop(self, name: str) -> None:
        """Drop a database, whoever is connected to it. One that is gone already is no error."""
        with self._lock:
            try:
                self._drop(name)
            except TargetError:
                if not self._session.closed:
                    raise
                self._drop(name)  # the session had been lost, perhaps long ago: now in a new one

    def _drop(self, name: str) -> None:
        with self._said("drop", name):
            # A backend that is just leaving would cost 100 ms: the server looks again only then.
            self._wait_until_deserted(name, 0.05)
            for key in [key for key, template in self._templates.items() if template == name]:
                del self._templates[key]
            self._conn.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
            if name in self._names:
                self._names.remove(name)

    def close(self) -> None:
        """Drop what this run made, unless it vanishes with the server. May be called again."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            stuck: list[str] = []
            try:
                self._drop_all(stuck)
            except (KeyboardInterrupt, SystemExit):
                self._drop_all(stuck)  # a command hears of its end once, and ends what it has begun
                raise
            finally:
                self._session.close()
        if stuck:
            raise TargetError(f"could not drop these databases, please do: {', '.join(stuck)}")

    def _drop_all(self, stuck: list[str]) -> None:
        """What is there on a server that is not ours; what cannot be dropped goes to ``stuck``."""
        for name in [] if self._target.owned else reversed(self._names.copy()):
            if name not in stuck:
                try:
                    self.drop(name)
                except TargetError:
                    stuck.append(name)

    @property
    def _conn(self) -> psycopg.Connection[Any]:
        """The session that creates and drops: a new one where the last was lost, for whoever comes next."""
        if self._session.closed:
            self._session = self._connected()
        return self._session

    def _connected(self) -> psycopg.Connection[Any]:
        conninfo = self._target.conninfo(self._target.maintenance_database)
        name = _APPLICATION if self._target.owned else session_of(self._token)
        return connect(conninfo, application_name=name)

    def _install(self, scripts: Sequence[Script]) -> str:
        name = self._create(sql.SQL(""))
        try:
            for script in scripts:
                with connect(self._target.conninfo(name), application_name=_APPLICATION) as conn:
                    apply_script(conn, script)
            # The last backend may still be leaving, and each look of the server at it would cost a clone 100 ms.
            self._wait_until_deserted(name, _DESERTED_TIMEOUT_S)
        except BaseException:
            self.drop(name)
            raise
        return name

    def _create(self, template: sql.Composable) -> str:
        with self._lock:
            self._count += 1
            name = name_of(self._token, self._count)
            statement = sql.SQL("CREATE DATABASE {}{}{}").format(sql.Identifier(name), template, self._strategy)
            with self._said("create", name):
                self._names.append(name)  # before: the answer may be lost, and the database there
                if self._target.owned:
                    self._conn.execute(statement)
                else:
                    self._create_marked(name, statement)
        return name

    def _create_marked(self, name: str, statement: sql.Composed) -> None:
        """Create a database with the mark that it is ours: sent together, so that a run that is killed meanwhile
        leaves none without it."""
        comment = sql.SQL("COMMENT ON DATABASE {} IS {}")
        with self._conn.pipeline():
            self._conn.execute(statement)
            self._conn.execute(comment.format(sql.Identifier(name), sql.Literal(str(Mark.own()))))

    def _require_roles(self, roles: Sequence[str], scripts: Sequence[Script]) -> None:
        if not self._target.owned:
            require_roles(self._conn, (*roles, *made_by(scripts)), self._target.description)
            return
        for role in roles:
            if self._conn.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone() is None:
                # Somebody else on the same server of ours may be as quick.
                with suppress(psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
                    self._conn.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))

    def _wait_until_deserted(self, name: str, timeout: float) -> None:
        """Wait, for so many seconds at most, until no backend is in the database. A pooler keeps its sessions there:
        on another's server they are ended after a while."""
        begun = time.monotonic()
        kept = not self._target.owned
        while self._conn.execute("SELECT 1 FROM pg_stat_activity WHERE datname = %s LIMIT 1", [name]).fetchone():
            passed = time.monotonic() - begun
            if passed > timeout:
                return
            if kept and passed > _LEAVING_S:
                self._conn.execute(_END_SESSIONS, [name])
                kept = False
            time.sleep(0.001)

    @contextmanager
    def _said(self, verb: str, name: str) -> Iterator[None]:
        """Turn the server's refusal into an error that says who must do what."""
        try:
            yield
        except psycopg.Error as error:
            if verb == "create" and isinstance(error, psycopg.errors.InsufficientPrivilege):
                role = sql.Identifier(self._conn.info.user).as_string(self._conn)
                raise UsageError(
                    f"role {role} may not create databases on {self._target.description}: "
                    f"let its administrator run ALTER ROLE {role} CREATEDB"
                ) from None
            message = one_line(error.diag.message_primary or str(error))
            if self._session.closed:
                message = f"connection lost: {message}"
            detail = f" ({one_line(error.diag.message_detail)})" if error.diag.message_detail else ""
            raise TargetError(f"cannot {verb} database {name}: {message}{detail}") from error


def _content_hash(scripts: Sequence[Script], roles: Sequence[str]) -> str:
    parts = [*roles, "", *(part for script in scripts for part in (script.name, script.text))]
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"{len(part)}:{part}".encode())
    return digest.hexdigest()
