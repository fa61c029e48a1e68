"""The server's words on waits, taken apart; a cycle of waits, put into words."""

from __future__ import annotations

from typing import Any

import pytest

from harness.checks.cycles import deadlock_message
from harness.driver.phrases import Wanted, edges, logged_wait, strength_in, with_context
from harness.model import Event, EventKind

UPDATING = 'while updating tuple (0,2) in relation "t"'
IN_FUNCTION = 'SQL statement "UPDATE t SET v = 1"\nPL/pgSQL function public.f(integer,text) line 5 at SQL statement'
PARENT = (
    'while locking tuple (3,1) in relation "p"\n'
    'SQL statement "SELECT 1 FROM ONLY "public"."p" x WHERE "id" OPERATOR(pg_catalog.=) $1 FOR KEY SHARE OF x"'
)


def wanted(mode: str, kind: str, *ident: int, **more: Any) -> Wanted:
    return Wanted(mode=mode, kind=kind, ident=ident, **more)


SAID = {
    "a row": (
        "still waiting for ShareLock on transaction 754", UPDATING,
        wanted("ShareLock", "transaction", 754, tid="0,2", table="t", doing="updating"),
    ),
    "a row, in a function": (
        "detected deadlock while waiting for ShareLock on transaction 754", f"{UPDATING}\n{IN_FUNCTION}",
        wanted("ShareLock", "transaction", 754, tid="0,2", table="t", doing="updating", line="public.f:5", final=True),
    ),
    "a newer version of a row": (
        "still waiting for ShareLock on transaction 7",
        'while locking updated version (0,4) of tuple in relation "a "" b"',
        wanted("ShareLock", "transaction", 7, tid="0,4", table='a "" b', doing="locking updated"),
    ),
    "a parent": (
        "still waiting for ShareLock on transaction 7", PARENT,
        wanted("ShareLock", "transaction", 7, tid="3,1", table="p", doing="locking", strength="FOR KEY SHARE"),
    ),
    "a key": (
        "still waiting for ShareLock on transaction 7", 'while inserting index tuple (0,3) in relation "u_pkey"',
        wanted("ShareLock", "transaction", 7, tid="0,3", table="u_pkey", doing="inserting index"),
    ),
    "a key, checked late": (
        "still waiting for ShareLock on transaction 7", 'while checking uniqueness of tuple (0,3) in relation "u_pkey"',
        wanted("ShareLock", "transaction", 7, tid="0,3", table="u_pkey", doing="checking uniqueness of"),
    ),
    "a place in a queue": (
        "still waiting for ExclusiveLock on tuple (0,1) of relation 16385 of database 5", "",
        wanted("ExclusiveLock", "tuple", 16385, tid="0,1"),
    ),
    "a table": (
        "still waiting for AccessExclusiveLock on relation 16384 of database 5", IN_FUNCTION,
        wanted("AccessExclusiveLock", "relation", 16384, line="public.f:5"),
    ),
    "an advisory key": (
        "still waiting for ExclusiveLock on advisory lock [5,2,3,2]", "",
        wanted("ExclusiveLock", "advisory", 2, 3, 2),
    ),
    "anything else": (
        "still waiting for ShareLock on virtual transaction 4/5", "", wanted("ShareLock", ""),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("said", "context", "expected"), SAID.values(), ids=SAID.keys())
def test_what_is_said_of_a_wait(said: str, context: str, expected: Wanted) -> None:
    assert logged_wait(f"process 21678 {said} after 1.062 ms", context) == expected


@pytest.mark.parametrize(
    ("said", "context"),
    [
        ("process 1 acquired ShareLock on transaction 754 after 51.862 ms", UPDATING),
        ("process 1 avoided deadlock for ShareLock on relation 1 of database 2 by rearranging queue order", ""),
        (
            "process 1 still waiting for ShareLock on advisory lock [5,1,1000000001,2] after 1.0 ms",
            f"PL/pgSQL function harness.gate(integer) line 6 at IF\n{IN_FUNCTION}",
        ),
    ],
)
def test_what_is_said_of_other_things(said: str, context: str) -> None:
    assert logged_wait(said, context) is None


def test_the_detail_of_a_deadlock_names_every_wait_in_order() -> None:
    detail = (
        "Process 12 waits for ShareLock on transaction 753; blocked by process 34.\n"
        "Process 34 waits for AccessShareLock on relation 9 of database 5; blocked by process 12."
    )
    first, second = edges(detail)
    assert first == (12, wanted("ShareLock", "transaction", 753), 34)
    assert second == (34, wanted("AccessShareLock", "relation", 9), 12)
    assert list(edges("Verklemmung")) == []
    assert with_context(second[1], UPDATING).table == ""  # a whole table: the row is not what it waits for


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT x\nFROM t for  no key\nupdate", "FOR NO KEY UPDATE"),
        ("SELECT FROM t FOR KEY SHARE OF t", "FOR KEY SHARE"),
        ("UPDATE t SET a = 1", ""),
        ("SELECT 'forum' FROM platform", ""),
    ],
)
def test_the_strength_of_a_row_lock(sql: str, expected: str) -> None:
    assert strength_in(sql) == expected


def told(*cycle: dict[str, str]) -> str:
    return deadlock_message(
        Event(kind=EventKind.DEADLOCK, turn=3, worker="b", step="y", blockers=("b", "a"), cycle=cycle)
    )


BEGINNING = "b and a waited for each other: b.y closed the cycle"


def test_what_is_not_known_is_not_said() -> None:
    assert told() == BEGINNING
    assert told({"worker": "b"}, {"worker": "a"}) == BEGINNING
    assert told({"worker": "b", "waits_for": "table t"}) == f"{BEGINNING}; b waited for table t"
    assert told({"worker": "b", "holds": "table t"}) == f"{BEGINNING}; b held table t"
    assert told({"worker": "b", "victim": "failed with 40P01"}) == f"{BEGINNING} and failed with 40P01"


def test_a_long_statement_is_cut_and_an_early_bound_says_so() -> None:
    sql = "INSERT INTO u " + "x" * 80
    said = told({"worker": "a", "holds": "a key of u", "held_since": "T2 or later", "held_step": "f:3~",
                 "held_line": "f:3", "held_statement": sql})  # fmt: skip
    assert said == f"{BEGINNING}; a held a key of u (since T2 f:3: {sql[:59]}…, or later)"
