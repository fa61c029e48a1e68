"""Puts gates into the functions of a disposable database, and the gate itself."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from harness.model import GATE_SQLSTATE, LIFE_KEY, TURN_SEQUENCE, Opaque, Site, site_of
from harness.sqltext.catalog import Catalog, Routine
from harness.sqltext.footprints import reached
from harness.sqltext.instrument import Instrumented, instrument
from harness.sqltext.walk import touch_of

__all__ = ["GATE_SQLSTATE", "LIFE_KEY", "TURN_SEQUENCE", "Gates", "install_gates"]

_EXCEPTION_CLAUSE = re.compile(r"\bexception\s+when\b", re.IGNORECASE)
_SETS_LEVEL = re.compile(r"\bisolation\s+level\b|transaction_isolation\b", re.IGNORECASE)

MACHINERY = f"""
CREATE SCHEMA IF NOT EXISTS harness;
GRANT USAGE ON SCHEMA harness TO PUBLIC;
CREATE OR REPLACE FUNCTION harness.gate(site integer) RETURNS boolean LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET lock_timeout = 0 AS $gate$
DECLARE turn integer;
BEGIN
  IF pg_catalog.to_regclass('pg_temp.{TURN_SEQUENCE}') IS NULL THEN RETURN true; END IF;
  turn := pg_catalog.nextval('pg_temp.{TURN_SEQUENCE}');
  RAISE INFO USING ERRCODE = '{GATE_SQLSTATE}', MESSAGE = pg_catalog.concat(turn, ' ', site);
  IF pg_catalog.pg_advisory_lock_shared(pg_catalog.pg_backend_pid(), turn) IS NULL THEN NULL; END IF;
  IF pg_catalog.pg_advisory_unlock_shared(pg_catalog.pg_backend_pid(), turn) THEN NULL; END IF;
  IF pg_catalog.pg_try_advisory_lock_shared({LIFE_KEY[0]}, {LIFE_KEY[1]}) THEN
    RAISE EXCEPTION 'refund-harness: the controller is gone';
  END IF;
  RETURN true;
END $gate$;
GRANT EXECUTE ON FUNCTION harness.gate(integer) TO PUBLIC;
"""
# Of a connection that dies the server drops the locks one by one. A worker whose key goes before the sign of life
# passes one gate more, or a few; none gets far. (A sign of life that belongs to a transaction would go first; but
# whoever ends sessions that are idle in transaction, as operators do, would then end the controller's.)
#
# Every name is qualified, so it needs no search_path of its own; lock_timeout it does need, or that of the function
# around it would strike at the gate. Conditions, not PERFORM: PL/pgSQL evaluates them without the executor. A gate that
# stands open costs 8 to 10 µs, 16 µs with PERFORM; one outside control 0.7 µs (1.1 µs with a search_path).


@dataclass(frozen=True, slots=True, kw_only=True)
class Gates:
    """What was installed. ``sites``: in the order of their numbers, from 1. ``opaque``: routines that may run and have
    no gates though they touch tables. ``functions``: identities of the routines whose table accesses all lie behind
    gates. ``undo``: some routine has an EXCEPTION clause, so that a part of a transaction may be rolled back.
    ``sets_level``: some routine may set the isolation level, of the transaction after its COMMIT or of its session.
    ``bodies``: of each function with sites, by its name in theirs, what it is without gates."""

    sites: tuple[Site, ...] = ()
    opaque: tuple[Opaque, ...] = ()
    functions: frozenset[str] = frozenset()
    undo: bool = False
    sets_level: bool = False
    bodies: Mapping[str, str] = field(default_factory=dict)


def install_gates(connection: psycopg.Connection[Any], catalog: Catalog, sql: Sequence[str] | None) -> Gates:
    """Replace every routine that the client statements ``sql`` may run (None: any statement) by its copy with gates, in
    one transaction.

    ``catalog``: of that database, as it is. A copy that the server refuses stays plain and is reported as opaque.
    Raises `psycopg.Error` when the gate itself cannot be made.
    """
    routines, anything = reached([touch_of(text) for text in sql or ()], catalog)
    anything = anything or sql is None
    if anything:
        routines |= frozenset(r for r in catalog.routines if not r.extension)
    ordered = sorted(routines, key=lambda r: r.identity)
    while True:
        copies, catalog = _settled(ordered, catalog)
        refused = _installed(connection, ordered, copies)
        if not refused:
            break
        catalog = catalog.but_plain(refused)
    return Gates(
        sites=tuple(site for copy in copies.values() for site in copy.sites),
        opaque=tuple(copy.opaque for copy in copies.values() if copy.opaque is not None),
        functions=frozenset(r.identity for r in ordered if catalog.why_plain(r) is None),
        undo=any(_EXCEPTION_CLAUSE.search(r.source) for r in ordered),
        sets_level=any(_SETS_LEVEL.search(r.source) for r in ordered),
        bodies={
            site[0]: routine.source
            for routine in ordered
            for made in copies[routine.identity].sites[:1]
            if (site := site_of(made.id)) is not None
        },
    )


def _settled(routines: Sequence[Routine], catalog: Catalog) -> tuple[dict[str, Instrumented], Catalog]:
    """Copies of all, and the catalog that they were made with. A routine that turns out to bear no gates changes what
    its callers need, so it is begun anew until nothing new turns up."""
    while True:
        copies: dict[str, Instrumented] = {}
        number = 1
        for routine in routines:
            copies[routine.identity] = instrument(routine, catalog, number)
            number += len(copies[routine.identity].sites)
        found = {
            copy.opaque.function: copy.opaque.reason
            for routine in routines
            if (copy := copies[routine.identity]).opaque is not None and catalog.why_plain(routine) is None
        }
        if not found:
            return copies, catalog
        catalog = catalog.but_plain(found)


class _Refused(Exception):
    """Undoes the whole installation."""


def _installed(
    connection: psycopg.Connection[Any], routines: Sequence[Routine], copies: dict[str, Instrumented]
) -> dict[str, str]:
    """Installs the gate and all copies; or none, and tells which were refused (by identity) and why."""
    refused: dict[str, str] = {}
    try:
        with connection.transaction():
            connection.execute(MACHINERY.encode())
            for routine in routines:
                copy = copies[routine.identity]
                if copy.sql:
                    trouble = _refusal(connection, copy.sql)
                    if trouble and _refusal(connection, routine.definition):
                        # The server does not take the plain text either (it refers to what is found only by another
                        # search_path, or not yet there): its complaint says nothing about the gates.
                        connection.execute("SET LOCAL check_function_bodies = off")
                        trouble = _refusal(connection, copy.sql)
                        connection.execute("SET LOCAL check_function_bodies = on")
                    if trouble:
                        refused[routine.identity] = f"the server refused its copy: {trouble}"
            if refused:
                raise _Refused
    except _Refused:
        return refused
    return {}


def _refusal(connection: psycopg.Connection[Any], sql: str) -> str | None:
    """Runs ``sql``, or tells why the server does not, and leaves things as they were."""
    try:
        with connection.transaction():
            connection.execute(sql.encode())
    except psycopg.DatabaseError as error:
        if connection.closed:
            raise
        return error.diag.message_primary or str(error)
    return None
