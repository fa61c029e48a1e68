"""Deadlocks of every kind of lock: workers, order, and what is to be said of them, word by word."""

from __future__ import annotations

from plans import order, worker
from races import Case, append, holder, insert, locker, swallow, swallower

from harness.model import Worker

TABLES = """
CREATE TABLE t (id int, v text);
CREATE TABLE u (id int PRIMARY KEY, v text);
CREATE TABLE p (id int PRIMARY KEY);
CREATE TABLE c (id int, p int REFERENCES p);
CREATE FUNCTION turn_about(mine int, other int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE t SET v = v || 'f' WHERE id = mine;

  PERFORM FROM t
    WHERE id = other FOR UPDATE;
END $$;
"""
SETUP = """
TRUNCATE t, u, p, c; INSERT INTO t VALUES (1, ''), (2, ''), (3, ''); INSERT INTO p VALUES (1), (2)
"""
FORTH = "a.s0 b.s0 a.s1 b.s1 a.s2 b.s2 a.s3 b.s3"
BACK = "b.s0 a.s0 b.s1 a.s1 b.s2 a.s2 b.s3 a.s3"
CAUGHT = "its function caught the error"
FAILED = "failed with 40P01"


def crossing(a1: str, a2: str, b1: str, b2: str) -> list[Worker]:
    return [worker("a", "BEGIN", a1, a2, "COMMIT"), worker("b", "BEGIN", b1, b2, "COMMIT")]


def closed(name: str, victim: str, *clauses: str) -> str:
    """What is to be said when worker ``name`` (of a, b) has closed the cycle at its step s2."""
    other = {"a": "b", "b": "a"}[name]
    return "; ".join([f"{name} and {other} waited for each other: {name}.s2 closed the cycle and {victim}", *clauses])


UPDATES = (
    "a held row (id 1) of t (since {0} s1: UPDATE t SET v = v || 'a' WHERE id = 1)"
    " and waited for row (id 2) of t (UPDATE, {1} s2: UPDATE t SET v = v || 'a' WHERE id = 2)",
    "b held row (id 2) of t (since {0} s1: UPDATE t SET v = v || 'b' WHERE id = 2)"
    " and waited for row (id 1) of t (UPDATE, {1} s2: UPDATE t SET v = v || 'b' WHERE id = 1)",
)
INSERTS = (
    "a held a key of u (u_pkey) (since T2 s1: INSERT INTO u VALUES (1, 'a'), or later)"
    " and waited for a key of u (u_pkey) (INSERT, T4 s2: INSERT INTO u VALUES (2, 'a'))",
    "b held a key of u (u_pkey) (since T3 s1: INSERT INTO u VALUES (2, 'b'), or later)"
    " and waited for a key of u (u_pkey) (INSERT, T5 s2: INSERT INTO u VALUES (1, 'b'))",
)

CROSSINGS: dict[str, Case] = {
    "rows": (
        [locker("a", 1, 2), locker("b", 2, 1)], order(FORTH),
        closed("b", FAILED, UPDATES[1].format("T3", "T5"), UPDATES[0].format("T2", "T4")),
    ),
    "rows, and the other one closes the cycle": (
        [locker("a", 1, 2), locker("b", 2, 1)], order(BACK),
        closed("a", FAILED, UPDATES[0].format("T3", "T5"), UPDATES[1].format("T2", "T4")),
    ),
    "rows, swallowed": (
        [swallower("a", 1, 2), swallower("b", 2, 1)], order(FORTH),
        closed(
            "b", CAUGHT,
            "b held row (id 2) of t (since T3 s1: UPDATE t SET v = v || 'b' WHERE id = 2)"
            " and waited for row (id 1) of t (UPDATE, T5 s2 at inline_code_block:1:"
            " DO $$ BEGIN UPDATE t SET v = v || 'b' WHERE id = 1; EXCEPTI…)",
            "a held row (id 1) of t (since T2 s1: UPDATE t SET v = v || 'a' WHERE id = 1)"
            " and waited for row (id 2) of t (UPDATE, T4 s2 at inline_code_block:1:"
            " DO $$ BEGIN UPDATE t SET v = v || 'a' WHERE id = 2; EXCEPTI…)",
        ),
    ),
    "a shared row that both want for themselves": (
        crossing(
            "SELECT FROM t WHERE id = 1 FOR SHARE", "DELETE FROM t WHERE id = 1",
            "SELECT FROM t WHERE id = 1 FOR KEY SHARE", "SELECT FROM t WHERE id = 1 FOR UPDATE",
        ),
        order(FORTH),
        closed(
            "b", FAILED,
            "b held row (id 1) of t (FOR KEY SHARE, since T3 s1: SELECT FROM t WHERE id = 1 FOR KEY SHARE)"
            " and waited for row (id 1) of t (FOR UPDATE, T5 s2: SELECT FROM t WHERE id = 1 FOR UPDATE)",
            "a held row (id 1) of t (FOR SHARE, since T2 s1: SELECT FROM t WHERE id = 1 FOR SHARE)"
            " and waited for row (id 1) of t (DELETE, T4 s2: DELETE FROM t WHERE id = 1)",
        ),
    ),
    "keys": (
        crossing(insert("a", 1), insert("a", 2), insert("b", 2), insert("b", 1)), order(FORTH),
        closed("b", FAILED, INSERTS[1], INSERTS[0]),
    ),
    "keys, swallowed": (
        crossing(insert("a", 1), insert("a", 2), insert("b", 2), swallow(insert("b", 1))), order(FORTH),
        closed(
            "b", CAUGHT,
            "b held a key of u (u_pkey) (since T3 s1: INSERT INTO u VALUES (2, 'b'), or later) and waited for"
            " a key of u (u_pkey) (INSERT, T5 s2 at inline_code_block:1: DO $$ BEGIN INSERT INTO u VALUES (1, 'b');"
            " EXCEPTION WHEN O…)",
            INSERTS[0],
        ),
    ),
    "parents of foreign keys": (
        crossing(
            "DELETE FROM p WHERE id = 1", "INSERT INTO c VALUES (1, 2)",
            "DELETE FROM p WHERE id = 2", "INSERT INTO c VALUES (2, 1)",
        ),
        order(FORTH),
        closed(
            "b", FAILED,
            "b held row (id 2) of p (since T3 s1: DELETE FROM p WHERE id = 2)"
            " and waited for row (id 1) of p (FOR KEY SHARE, T5 s2: INSERT INTO c VALUES (2, 1))",
            "a held row (id 1) of p (since T2 s1: DELETE FROM p WHERE id = 1)"
            " and waited for row (id 2) of p (FOR KEY SHARE, T4 s2: INSERT INTO c VALUES (1, 2))",
        ),
    ),
    "advisory keys": (
        crossing(
            "SELECT pg_advisory_xact_lock(-1)", "SELECT pg_advisory_xact_lock(7, 2)",
            "SELECT pg_advisory_xact_lock(7, 2)", "SELECT pg_advisory_xact_lock_shared(-1)",
        ),
        order(FORTH),
        closed(
            "b", FAILED,
            "b held advisory lock (7, 2) (EXCLUSIVE, since T3 s1: SELECT pg_advisory_xact_lock(7, 2))"
            " and waited for advisory lock -1 (SHARE, T5 s2: SELECT pg_advisory_xact_lock_shared(-1))",
            "a held advisory lock -1 (EXCLUSIVE, since T2 s1: SELECT pg_advisory_xact_lock(-1))"
            " and waited for advisory lock (7, 2) (EXCLUSIVE, T4 s2: SELECT pg_advisory_xact_lock(7, 2))",
        ),
    ),
    "advisory keys that were made from something, swallowed": (
        crossing(
            "SELECT pg_advisory_xact_lock(hashtext('x'))", "SELECT pg_advisory_xact_lock(1, hashtext('y'))",
            "SELECT pg_advisory_xact_lock(1, hashtext('y'))", swallow("PERFORM pg_advisory_xact_lock(hashtext('x'))"),
        ),
        order(FORTH),
        closed(
            "b", CAUGHT,
            "b held advisory lock (1, …) (EXCLUSIVE, since T3 s1: SELECT pg_advisory_xact_lock(1, hashtext('y')))"
            " and waited for an advisory lock (EXCLUSIVE, T5 s2 at inline_code_block:1: DO $$ BEGIN PERFORM"
            " pg_advisory_xact_lock(hashtext('x')); E…)",
            "a held an advisory lock (EXCLUSIVE, since T2 s1: SELECT pg_advisory_xact_lock(hashtext('x')))"
            " and waited for advisory lock (1, …) (EXCLUSIVE, T4 s2: SELECT pg_advisory_xact_lock(1, hashtext('y')))",
        ),
    ),
    "whole tables": (
        crossing("LOCK t", "LOCK u IN SHARE MODE", "LOCK u IN EXCLUSIVE MODE", "SELECT count(*) FROM t"), order(FORTH),
        closed(
            "b", FAILED,
            "b held table u (EXCLUSIVE, since T3 s1: LOCK u IN EXCLUSIVE MODE)"
            " and waited for table t (ACCESS SHARE, T5 s2: SELECT count(*) FROM t)",
            "a held table t (ACCESS EXCLUSIVE, since T2 s1: LOCK t)"
            " and waited for table u (SHARE, T4 s2: LOCK u IN SHARE MODE)",
        ),
    ),
    "a shared table that both want to write": (
        crossing("LOCK t IN SHARE MODE", append("a", 1), "LOCK t IN SHARE MODE", append("b", 2)), order(FORTH),
        closed(
            "b", FAILED,
            "b held table t (SHARE, since T3 s1: LOCK t IN SHARE MODE)"
            " and waited for table t (ROW EXCLUSIVE, T5 s2: UPDATE t SET v = v || 'b' WHERE id = 2)",
            "a held table t (SHARE, since T2 s1: LOCK t IN SHARE MODE)"
            " and waited for table t (ROW EXCLUSIVE, T4 s2: UPDATE t SET v = v || 'a' WHERE id = 1)",
        ),
    ),
    "a shared table that both want to write, swallowed": (
        crossing("LOCK t IN SHARE MODE", append("a", 1), "LOCK t IN SHARE MODE", swallow(append("b", 2))), order(FORTH),
        closed(
            "b", CAUGHT,
            "b held table t (SHARE, since T3 s1: LOCK t IN SHARE MODE) and waited for table t"
            " (T5 s2: DO $$ BEGIN UPDATE t SET v = v || 'b' WHERE id = 2; EXCEPTI…)",
            "a held table t (SHARE, since T2 s1: LOCK t IN SHARE MODE)"
            " and waited for table t (ROW EXCLUSIVE, T4 s2: UPDATE t SET v = v || 'a' WHERE id = 1)",
        ),
    ),
    "a shared advisory key that both want for themselves, swallowed": (
        crossing(
            "SELECT pg_advisory_xact_lock_shared(1)", "SELECT pg_advisory_xact_lock(1)",
            "SELECT pg_advisory_xact_lock_shared(1)", swallow("PERFORM pg_advisory_xact_lock(1)"),
        ),
        order(FORTH),
        closed(
            "b", CAUGHT,
            "b held advisory lock 1 (SHARE, since T3 s1: SELECT pg_advisory_xact_lock_shared(1))"
            " and waited for advisory lock 1 (T5 s2: DO $$ BEGIN PERFORM pg_advisory_xact_lock(1); EXCEPTION WHE…)",
            "a held advisory lock 1 (SHARE, since T2 s1: SELECT pg_advisory_xact_lock_shared(1))"
            " and waited for advisory lock 1 (EXCLUSIVE, T4 s2: SELECT pg_advisory_xact_lock(1))",
        ),
    ),
    "beside tables that nobody else may read": (
        [
            worker(
                "a", "BEGIN", "CREATE TEMPORARY TABLE mine (i int) ON COMMIT DROP", append("a", 1), append("a", 2),
                "COMMIT",
            ),
            worker("b", "BEGIN", append("b", 2), append("b", 1), "COMMIT"),
        ],
        order("a.s0 a.s1 a.s2 b.s0 b.s1 a.s3 b.s2 a.s4"),
        closed(
            "b", FAILED,
            UPDATES[1].format("T4", "T6"),
            "a held row (id 1) of t (since T2 s2: UPDATE t SET v = v || 'a' WHERE id = 1)"
            " and waited for row (id 2) of t (UPDATE, T5 s3: UPDATE t SET v = v || 'a' WHERE id = 2)",
        ),
    ),
    "a row locked and written again, in part under a savepoint": (
        [
            worker(
                "a", "BEGIN", "SAVEPOINT one", append("a", 1), "RELEASE one", append("a", 1), append("a", 2), "COMMIT"
            ),
            worker("b", "BEGIN", append("b", 2), append("b", 1), "COMMIT"),
        ],
        order("a.s0 a.s1 a.s2 a.s3 a.s4 b.s0 b.s1 a.s5 b.s2 a.s6"),
        closed(
            "b", FAILED,
            "b held row (id 2) of t (since T6 s1: UPDATE t SET v = v || 'b' WHERE id = 2)"
            " and waited for row (id 1) of t (UPDATE, T8 s2: UPDATE t SET v = v || 'b' WHERE id = 1)",
            "a held row (id 1) of t (since T2 s2: UPDATE t SET v = v || 'a' WHERE id = 1)"
            " and waited for row (id 2) of t (UPDATE, T7 s5: UPDATE t SET v = v || 'a' WHERE id = 2)",
        ),
    ),
    "a row let go by a savepoint and taken again": (
        [
            worker(
                "a", "BEGIN", append("a", 3), "SAVEPOINT one", append("a", 1), "ROLLBACK TO one", append("a", 1),
                append("a", 2), "COMMIT",
            ),
            worker("b", "BEGIN", append("b", 2), append("b", 1), "COMMIT"),
        ],
        order("a.s0 a.s1 a.s2 a.s3 a.s4 a.s5 b.s0 b.s1 a.s6 b.s2 a.s7"),
        closed(
            "b", FAILED, UPDATES[1].format("T7", "T9"),
            "a held row (id 1) of t (since T5 s5: UPDATE t SET v = v || 'a' WHERE id = 1)"
            " and waited for row (id 2) of t (UPDATE, T8 s6: UPDATE t SET v = v || 'a' WHERE id = 2)",
        ),
    ),
    "a wait that goes on to another row of the same worker": (
        [
            worker(
                "a", "BEGIN", append("a", 3), "SAVEPOINT one", append("a", 1), "SELECT 1", "ROLLBACK TO one",
                append("a", 2), "COMMIT",
            ),
            worker("b", "BEGIN", append("b", 2), "UPDATE t SET v = v || 'b' WHERE id IN (1, 3)", "COMMIT"),
        ],
        order("a.s0 a.s1 a.s2 a.s3 b.s0 b.s1 b.s2 a.s4 a.s5 a.s6 b.s3 a.s7"),
        "a and b waited for each other: a.s6 closed the cycle and failed with 40P01;"
        " a held row (id 3) of t (since T1 s1: UPDATE t SET v = v || 'a' WHERE id = 3)"
        " and waited for row (id 2) of t (UPDATE, T9 s6: UPDATE t SET v = v || 'a' WHERE id = 2);"
        " b held row (id 2) of t (since T5 s1: UPDATE t SET v = v || 'b' WHERE id = 2)"
        " and waited for row (id 3) of t (UPDATE, T6 s2: UPDATE t SET v = v || 'b' WHERE id IN (1, 3))",
    ),
    "inside a function": (
        [
            worker("a", "BEGIN", append("a", 1), "SELECT turn_about(3, 2)", "COMMIT"),
            worker("b", "BEGIN", append("b", 2), append("b", 1), "COMMIT"),
        ],
        order(FORTH),
        closed(
            "b", FAILED, UPDATES[1].format("T3", "T5"),
            "a held row (id 1) of t (since T2 s1: UPDATE t SET v = v || 'a' WHERE id = 1)"
            " and waited for row (id 2) of t (FOR UPDATE, T4 s2 at turn_about:5: SELECT turn_about(3, 2))",
        ),
    ),
    "three": (
        [locker("a", 1, 2), locker("b", 2, 3), locker("c", 3, 1)],
        order("a.s0 b.s0 c.s0 a.s1 b.s1 c.s1 a.s2 b.s2 c.s2 a.s3 b.s3 c.s3"),
        "c and a and b waited for each other: c.s2 closed the cycle and failed with 40P01; "
        "c held row (id 3) of t (since T5 s1: UPDATE t SET v = v || 'c' WHERE id = 3)"
        " and waited for row (id 1) of t (UPDATE, T8 s2: UPDATE t SET v = v || 'c' WHERE id = 1); "
        "a held row (id 1) of t (since T3 s1: UPDATE t SET v = v || 'a' WHERE id = 1)"
        " and waited for row (id 2) of t (UPDATE, T6 s2: UPDATE t SET v = v || 'a' WHERE id = 2); "
        "b held row (id 2) of t (since T4 s1: UPDATE t SET v = v || 'b' WHERE id = 2)"
        " and waited for row (id 3) of t (UPDATE, T7 s2: UPDATE t SET v = v || 'b' WHERE id = 3)",
    ),
    "three, swallowed": (
        [swallower("a", 1, 2), swallower("b", 3, 1), swallower("c", 2, 3)],
        order("a.s0 b.s0 c.s0 a.s1 b.s1 c.s1 b.s2 a.s2 c.s2 a.s3 b.s3 c.s3"),
        "c and a and b waited for each other: c.s2 closed the cycle and its function caught the error; "
        "c held row (id 2) of t (since T5 s1: UPDATE t SET v = v || 'c' WHERE id = 2) and waited for row (id 3) of t"
        " (UPDATE, T8 s2 at inline_code_block:1: DO $$ BEGIN UPDATE t SET v = v || 'c' WHERE id = 3; EXCEPTI…); "
        "b held row (id 3) of t (since T4 s1: UPDATE t SET v = v || 'b' WHERE id = 3) and waited for row (id 1) of t"
        " (UPDATE, T6 s2 at inline_code_block:1: DO $$ BEGIN UPDATE t SET v = v || 'b' WHERE id = 1; EXCEPTI…); "
        "a held row (id 1) of t (since T3 s1: UPDATE t SET v = v || 'a' WHERE id = 1) and waited for row (id 2) of t"
        " (UPDATE, T7 s2 at inline_code_block:1: DO $$ BEGIN UPDATE t SET v = v || 'a' WHERE id = 2; EXCEPTI…)",
    ),
    "a bystander waits behind one of them": (
        [
            worker("a", "BEGIN", "UPDATE t SET v = v || 'a' WHERE id IN (1, 3)", append("a", 2), "COMMIT"),
            locker("b", 2, 1),
            worker("c", append("c", 3)),
        ],
        order("a.s0 b.s0 a.s1 b.s1 c.s0 a.s2 b.s2 a.s3"),
        closed(
            "b", FAILED, UPDATES[1].format("T3", "T6"),
            "a held row (id 1) of t (since T2 s1: UPDATE t SET v = v || 'a' WHERE id IN (1, 3))"
            " and waited for row (id 2) of t (UPDATE, T5 s2: UPDATE t SET v = v || 'a' WHERE id = 2)",
        ),
    ),
    "one of them holds nothing but a place in a queue": (
        [locker("a", 1, 2), locker("b", 2, 1), worker("c", append("c", 2))],
        order("a.s0 b.s0 a.s1 b.s1 c.s0 a.s2 b.s2 a.s3"),
        "b and a and c waited for each other: b.s2 closed the cycle and failed with 40P01; "
        + UPDATES[1].format("T3", "T6")
        + "; a held row (id 1) of t (since T2 s1: UPDATE t SET v = v || 'a' WHERE id = 1)"
        " and waited for row (id 2) of t (next in its queue, T5 s2: UPDATE t SET v = v || 'a' WHERE id = 2); "
        "c held row (id 2) of t (next in its queue, since T4 s0: UPDATE t SET v = v || 'c' WHERE id = 2)"
        " and waited for row (id 2) of t (UPDATE, T4 s0: UPDATE t SET v = v || 'c' WHERE id = 2)",
    ),
    "the commit of a third one closes it": (
        [
            holder(append("a", 1)),
            worker("b", "BEGIN", append("b", 2), "UPDATE t SET v = v || 'b' WHERE id IN (1, 3)", "COMMIT"),
            worker("c", "BEGIN", append("c", 3), append("c", 1), "COMMIT"),
        ],
        order("a.s0 a.s1 b.s0 b.s1 c.s0 c.s1 b.s2 c.s2 a.s2 b.s3 c.s3"),
        # The row that b took in that very turn is a new version of the one that a wrote: nobody has seen it held.
        "c and b waited for each other: c.s2 closed the cycle and failed with 40P01; "
        "c held row (id 3) of t (since T5 s1: UPDATE t SET v = v || 'c' WHERE id = 3)"
        " and waited for a row of t (T8 s2: UPDATE t SET v = v || 'c' WHERE id = 1); "
        "b held a row of t and waited for row (id 3) of t"
        " (UPDATE, T8 s2: UPDATE t SET v = v || 'b' WHERE id IN (1, 3))",
    ),
}  # fmt: skip
