"""What a worker's client sends: statements, and the scripts that surround them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from harness.model.values import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A piece of SQL with the name that errors and reports use for it (a path relative to where it was found).

    ``about``: of an invariant, what a row means, in words. ``file``: the file whose lines ``text`` has, as a person in
    the working directory names it ("": it was made up). Where it lies is no part of what it says.
    """

    name: str
    text: str
    about: str = ""
    file: str = field(default="", repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What a statement means to the refund domain. ``kind``: refund, charge or complete; ``amount`` in credits."""

    kind: str
    job: str
    user: str
    amount: int | None = None


PUBLIC_ROLE = "refund_harness_public"
"""What ``role: public`` becomes: a role that has only what PUBLIC has."""
MAKE_PUBLIC_ROLE = f"""
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = '{PUBLIC_ROLE}') THEN
    CREATE ROLE {PUBLIC_ROLE} NOLOGIN;
  END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$
"""

_AND_CHAIN = re.compile(r"\sand\s+chain\b", re.IGNORECASE)


class StatementKind(StrEnum):
    """How a statement moves its session between "in a transaction" and "not"."""

    QUERY = "query"
    BEGIN = "begin"
    COMMIT = "commit"
    ROLLBACK = "rollback"
    DDL = "ddl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One SQL command that a worker's client sends.

    ``sql`` may hold variables in psql's form ``:'name'``; they become quoted literals of this execution's ids.
    ``continue_if``: the client's own ``if``: unless every given column of the first answer row has the given value,
    the worker ends here.
    """

    name: str
    sql: str
    kind: StatementKind = StatementKind.QUERY
    call: Call | None = None
    continue_if: Mapping[str, Json] | None = None
    session_state: bool = False
    """True when the statement leaves something in the session (SET, PREPARE, LISTEN, temporary tables, …)."""
    opens: bool = False
    """Sent together with a BEGIN of its own: its commit is then a step of its own, the next statement."""
    attempt: int = 1
    """Which attempt of its worker it belongs to, from 1, ascending: a later one begins only when this one failed."""
    tolerated: bool = False
    """Its worker goes on after an error of this statement, which leaves a transaction aborted, not rolled back."""

    @property
    def may_wait(self) -> bool:
        """Whether it could come to wait for a lock: what begins or ends a transaction does not."""
        return self.kind not in (StatementKind.BEGIN, StatementKind.COMMIT, StatementKind.ROLLBACK)

    @property
    def chains(self) -> bool:
        """A COMMIT or ROLLBACK that begins the next transaction at once."""
        return self.kind in (StatementKind.COMMIT, StatementKind.ROLLBACK) and _AND_CHAIN.search(self.sql) is not None


class OnSigterm(StrEnum):
    """What a worker process does with SIGTERM: close its connection and leave, or finish what it has in hand."""

    EXIT = "exit"
    FINISH = "finish"


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """One client: its own OS process and connection. Statements run in order; an error ends it (after ROLLBACK)
    unless ``keep_going``, or unless it goes on with its next attempt. It ends when it comes to the end of an attempt.

    ``recovers_from``: how the SQLSTATEs begin after which a next attempt is made, if there is one ("": any).
    ``after``: workers (by name, also those that they in turn come after) that must have ended before it begins; names
    that nobody bears are passed over. ``if_struck``: it begins only if a fault has struck one of them. ``program``:
    name of what sends the statements, where nobody knows them beforehand; then they are those that were sent so far.
    """

    name: str
    statements: tuple[Statement, ...]
    role: str | None = None
    on_sigterm: OnSigterm = OnSigterm.EXIT
    keep_going: bool = False
    recovers_from: tuple[str, ...] = ("",)
    after: tuple[str, ...] = ()
    if_struck: bool = False
    program: str = ""
