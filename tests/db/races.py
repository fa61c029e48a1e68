"""Schedules whose end would be a matter of luck, were there no rule: workers, order, and what the rule gives.

The outcome is row 1 of `t` and all of `u` at the end, one letter per worker that got through, in that order.
"""

from __future__ import annotations

from plans import order, worker

from harness.model import Order, Worker

SERIALIZABLE = "BEGIN ISOLATION LEVEL SERIALIZABLE"
Case = tuple[list[Worker], Order, str]


def append(name: str, row: int) -> str:
    return f"UPDATE t SET v = v || '{name}' WHERE id = {row}"


def insert(name: str, row: int = 1) -> str:
    return f"INSERT INTO u VALUES ({row}, '{name}')"


def swallow(statement: str) -> str:
    return f"DO $$ BEGIN {statement}; EXCEPTION WHEN OTHERS THEN NULL; END $$"


def locker(name: str, first: int, second: int) -> Worker:
    return worker(name, "BEGIN", append(name, first), append(name, second), "COMMIT")


def swallower(name: str, first: int, second: int) -> Worker:
    return worker(name, "BEGIN", append(name, first), swallow(append(name, second)), "COMMIT")


def holder(statement: str, end: str = "COMMIT") -> Worker:
    return worker("a", "BEGIN", statement, end)


def alone(statement: str, *names: str) -> list[Worker]:
    return [worker(n, statement.format(n)) for n in names]


def inside(statement: str, *names: str) -> list[Worker]:
    return [worker(n, "BEGIN", statement.format(n), "COMMIT") for n in names]


UPDATE = append("{}", 1)
INSERT = insert("{}")
QUEUE = "a.s0 a.s1 b.s0 b.s1 c.s0 c.s1 d.s0 d.s1"

MANY: dict[str, Case] = {
    "two wait for one row: the first comes first": (
        [holder(append("a", 1)), *alone(UPDATE, "b", "c")],
        order("a.s0 a.s1 b.s0 c.s0 a.s2"),
        "abc",
    ),
    "two wait for a unique key whose holder rolls back": (
        [holder(insert("a"), "ROLLBACK"), *alone(INSERT, "b", "c")],
        order("a.s0 a.s1 b.s0 c.s0 a.s2"),
        "b",
    ),
    "the one that closes a cycle is the victim": (
        [locker("a", 1, 2), locker("b", 2, 1)],
        order("a.s0 b.s0 a.s1 b.s1 a.s2 b.s2"),
        "a",
    ),
    "a deadlock that a function swallows is seen": (
        [swallower("a", 1, 2), swallower("b", 2, 1)],
        order("a.s0 b.s0 a.s1 b.s1 a.s2 b.s2 a.s3 b.s3"),
        "a",
    ),
}

FEW: dict[str, Case] = {
    "two wait for one row, the later in the file first": (
        [holder(append("a", 1)), *alone(UPDATE, "b", "c")],
        order("a.s0 a.s1 c.s0 b.s0 a.s2"),
        "acb",
    ),
    "three wait for one row and keep it": (
        [holder(append("a", 1)), *inside(UPDATE, "b", "c", "d")],
        order(f"{QUEUE} a.s2 b.s2 c.s2 d.s2"),
        "abcd",
    ),
    "three wait for a unique key whose holder rolls back, and keep it": (
        [holder(insert("a"), "ROLLBACK"), *inside(INSERT, "b", "c", "d")],
        order(f"{QUEUE} a.s2 b.s2 c.s2 d.s2"),
        "b",
    ),
    "three wait for a unique key whose holder is killed": (
        [holder(insert("a")), *inside(INSERT, "b", "c", "d")],
        order(f"{QUEUE} a.kill b.s2 c.s2 d.s2"),
        "b",
    ),
    "three wait for an advisory lock": (
        [holder("SELECT pg_advisory_xact_lock(1)"), *inside("SELECT pg_advisory_xact_lock(1)", "b", "c", "d")],
        order(f"{QUEUE} a.s2 b.s2 c.s2 d.s2"),
        "",
    ),
    "one of three that wait was killed and its backend goes on": (
        [holder(append("a", 1)), *alone(UPDATE, "b", "c", "d")],
        order("a.s0 a.s1 b.s0 c.s0 d.s0 c.kill a.s2"),
        "abcd",
    ),
    "two of three that wait were killed, the first among them": (
        [holder(append("a", 1)), *alone(UPDATE, "b", "c", "d")],
        order("a.s0 a.s1 b.s0 c.s0 d.s0 b.kill c.kill a.s2"),
        "abcd",
    ),
    "a cycle of three": (
        [locker("a", 1, 2), locker("b", 2, 3), locker("c", 3, 1)],
        order("a.s0 b.s0 c.s0 a.s1 b.s1 c.s1 a.s2 b.s2 c.s2"),
        "a",
    ),
    "a cycle that closes when a third one commits": (
        [
            holder(append("a", 1)),
            worker("b", "BEGIN", append("b", 2), "UPDATE t SET v = v || 'b' WHERE id IN (1, 3)", "COMMIT"),
            worker("c", "BEGIN", append("c", 3), f"DO $$ BEGIN {append('c', 1)}; {append('c', 2)}; END $$", "COMMIT"),
        ],
        order("a.s0 a.s1 b.s0 b.s1 c.s0 c.s1 b.s2 c.s2 a.s2 b.s3 c.s3"),
        "ab",
    ),
    "shared locks are granted together": (
        [
            holder("SELECT FROM t WHERE id = 1 FOR UPDATE"),
            worker("b", "BEGIN", "SELECT FROM t WHERE id = 1 FOR SHARE", "COMMIT"),
            worker("c", "BEGIN", "SELECT FROM t WHERE id = 1 FOR SHARE", append("c", 1), "COMMIT"),
        ],
        order("a.s0 a.s1 b.s0 b.s1 c.s0 c.s1 a.s2 c.s2 b.s2 c.s3"),
        "c",
    ),
    "three hold a shared lock and want more": (
        [worker(n, "BEGIN", "SELECT FROM t WHERE id = 1 FOR SHARE", append(n, 1), "COMMIT") for n in "abc"],
        order("a.s0 b.s0 c.s0 a.s1 b.s1 c.s1 a.s2 b.s2 c.s2 a.s3 b.s3 c.s3"),
        "a",
    ),
    "one of two serializable writers fails": (
        [
            worker(n, SERIALIZABLE, "SELECT count(*) FROM u", insert(n, i), "COMMIT")
            for i, n in ((1, "a"), (2, "b"))
        ],
        order("a.s0 b.s0 a.s1 b.s1 a.s2 b.s2 a.s3 b.s3"),
        "a",
    ),
    "serializable writers of one row": (
        [worker(n, SERIALIZABLE, append(n, 1), "COMMIT") for n in "abcd"],
        order("a.s0 b.s0 c.s0 d.s0 a.s1 b.s1 c.s1 d.s1 a.s2 b.s2 c.s2 d.s2"),
        "a",
    ),
}  # fmt: skip

ALL = MANY | FEW
