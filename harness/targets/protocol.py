"""What the rest of the harness may know of a server."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self


class Target(Protocol):
    """A PostgreSQL server that is up and answers, until `close`. A context manager that closes at its end."""

    @property
    def owned(self) -> bool:
        """The server is ours alone, and goes with us: its settings are ours, and roles may be made there."""
        ...

    @property
    def at_hand(self) -> bool:
        """Its backends are processes of this machine that may get SIGSTOP and SIGCONT, so that it is a rule, and no
        luck, who wakes first."""
        ...

    @property
    def description(self) -> str:
        """For headers and reports: ``embedded``, ``postgresql://host:5432/app``. Never holds user or password."""
        ...

    @property
    def server_version(self) -> str:
        """Just the number: ``18.6``."""
        ...

    @property
    def maintenance_database(self) -> str:
        """A database that exists: where CREATE DATABASE is sent from."""
        ...

    def conninfo(self, dbname: str) -> str:
        """A libpq connection string. May hold a password: never put it into argv, a log or a report."""
        ...

    def close(self) -> None:
        """Let go of the server; on one that is ours, stop it and remove its files. May be called again."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...
