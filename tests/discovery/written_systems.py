"""Small systems, each with something in it that decides whether two turns may be swapped and is easily overlooked."""

from __future__ import annotations

from collections.abc import Sequence

from drawn_systems import System

A = "CREATE TABLE a (id integer PRIMARY KEY, n integer);\nINSERT INTO a VALUES (1, 10), (2, 20);\n"
B = "CREATE TABLE b (id integer PRIMARY KEY, n integer);\nINSERT INTO b VALUES (1, 10), (2, 20);\n"
C = "CREATE TABLE c (id integer, n integer);\n"
CHILD = "CREATE TABLE b (id integer PRIMARY KEY, a_id integer REFERENCES a {});\nINSERT INTO b VALUES (1, 1);\n"
WRITE, DOUBLE, READ = "UPDATE a SET n = n + 1 WHERE id = 1", "UPDATE a SET n = n * 2", "SELECT n FROM a WHERE id = 1"
SUM = "SELECT sum(n) FROM a"
READ_B, COUNT = "SELECT n FROM b WHERE id = 1", "INSERT INTO c SELECT 1, count(*) FROM c"


def function(name: str, body: str, *, declare: str = "v integer; r record;", returns: str = "integer") -> str:
    return (
        f"CREATE FUNCTION {name}() RETURNS {returns} LANGUAGE plpgsql AS $$\n"
        f"DECLARE {declare}\nBEGIN\n  {body}\n  RETURN v;\nEND $$;\n"
    )


def trigger(when: str, body: str, *, kind: str = "") -> str:
    attributes = "STABLE" if kind == "opaque" else "VOLATILE"
    return (
        f"CREATE FUNCTION fired() RETURNS trigger LANGUAGE plpgsql {attributes} AS $$\n"
        f"BEGIN\n  {body}\n  RETURN coalesce(NEW, OLD);\nEND $$;\n"
        f"CREATE {'CONSTRAINT ' if 'DEFERRED' in when else ''}TRIGGER fired {when} EXECUTE FUNCTION fired();\n"
    )


def block(*statements: str, level: str = "READ COMMITTED", end: str = "COMMIT") -> tuple[str, ...]:
    return (f"BEGIN ISOLATION LEVEL {level}", *statements, end)


def repeatable(*statements: str) -> tuple[str, ...]:
    return block(*statements, level="REPEATABLE READ")


def serializable(*statements: str) -> tuple[str, ...]:
    return block(*statements, level="SERIALIZABLE")


def system(sql: str, *workers: str | Sequence[str]) -> System:
    lists = tuple((worker,) if isinstance(worker, str) else tuple(worker) for worker in workers)
    return System(sql=sql.strip(), workers=lists, templates=frozenset())


LIMIT_AT_COMMIT = "IF (SELECT n FROM a WHERE id = 1) > 10 THEN RAISE EXCEPTION 'too much'; END IF;"
AT_COMMIT = "AFTER INSERT ON c DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
TWELVE = (
    "CREATE TABLE a (id integer PRIMARY KEY, n integer);\nINSERT INTO a SELECT i, i FROM generate_series(1, 12) i;\n"
)
LOCK_1, UNLOCK_1 = "SELECT pg_advisory_lock(1)", "SELECT pg_advisory_unlock(1)"

WRITTEN: dict[str, System] = {
    # -- what the end of a transaction does
    "a deferred trigger": system(A + C + trigger(AT_COMMIT, LIMIT_AT_COMMIT), "INSERT INTO c VALUES (1, 1)", WRITE),
    "a deferred trigger without gates": system(
        A + C + trigger(AT_COMMIT, LIMIT_AT_COMMIT, kind="opaque"), "INSERT INTO c VALUES (1, 1)", WRITE
    ),
    "SET CONSTRAINTS": system(
        A + C + trigger(AT_COMMIT, LIMIT_AT_COMMIT, kind="opaque"),
        block("INSERT INTO c VALUES (1, 1)", "SET CONSTRAINTS ALL IMMEDIATE"),
        WRITE,
    ),
    "a deferred foreign key": system(
        A + CHILD.format("DEFERRABLE INITIALLY DEFERRED"),
        block("INSERT INTO b VALUES (2, 2)"),
        block("DELETE FROM a WHERE id = 2"),
    ),
    "a deferred unique key": system(
        "CREATE TABLE d (id integer UNIQUE DEFERRABLE INITIALLY DEFERRED);",
        block("INSERT INTO d VALUES (1)"),
        block("INSERT INTO d VALUES (1)"),
    ),
    "two deferred unique keys": system(
        "CREATE TABLE d (id integer UNIQUE DEFERRABLE INITIALLY DEFERRED);",
        block("INSERT INTO d VALUES (1)", "INSERT INTO d VALUES (2)"),
        block("INSERT INTO d VALUES (2)", "INSERT INTO d VALUES (1)"),
    ),
    "COMMIT AND CHAIN": system(A, ("BEGIN", WRITE, "COMMIT AND CHAIN", READ, "COMMIT"), DOUBLE),
    "ROLLBACK AND CHAIN": system(A, ("BEGIN", WRITE, "ROLLBACK AND CHAIN", READ, "COMMIT"), DOUBLE),
    "COMMIT AND CHAIN at REPEATABLE READ": system(
        A, ("BEGIN ISOLATION LEVEL REPEATABLE READ", READ, "COMMIT AND CHAIN", READ, "COMMIT"), WRITE
    ),
    "ROLLBACK TO": system(A, block("SAVEPOINT p", WRITE, "ROLLBACK TO p", READ), DOUBLE),
    "a transaction that stays open": system(A, ("BEGIN", WRITE), DOUBLE),
    "a procedure that commits": system(
        A + "CREATE PROCEDURE p() LANGUAGE plpgsql AS $$\nBEGIN\n"
        f"  {WRITE};\n  COMMIT;\n  UPDATE a SET n = n + 1 WHERE id = 2;\nEND $$;",
        "CALL p()",
        DOUBLE,
    ),
    # -- snapshots
    "SET TRANSACTION": system(
        A + B, ("BEGIN", "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", READ_B, READ, "COMMIT"), WRITE
    ),
    "default_transaction_isolation": system(
        A + B, ("SET default_transaction_isolation = 'repeatable read'", "BEGIN", READ_B, READ, "COMMIT"), WRITE
    ),
    "SET SESSION CHARACTERISTICS": system(
        A + B,
        ("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ", "BEGIN", READ_B, READ, "COMMIT"),
        WRITE,
    ),
    "a savepoint takes no snapshot": system(A, repeatable("SAVEPOINT p", READ), (WRITE, WRITE)),
    "nor does LOCK TABLE": system(A + B, repeatable("LOCK TABLE b IN SHARE MODE", READ), (WRITE, WRITE)),
    "a foreign key looks past the snapshot": system(
        A + CHILD.format(""),
        repeatable("SELECT count(*) FROM b", "INSERT INTO b VALUES (2, 2)"),
        "DELETE FROM a WHERE id = 2",
    ),
    "and so does its parent": system(
        A + CHILD.format(""),
        repeatable("SELECT count(*) FROM b", "DELETE FROM a WHERE id = 2"),
        "INSERT INTO b VALUES (2, 2)",
    ),
    "a conflict that the snapshot does not show": system(
        A,
        repeatable("SELECT count(*) FROM a", "INSERT INTO a VALUES (3, 1) ON CONFLICT DO NOTHING"),
        "INSERT INTO a VALUES (3, 3)",
    ),
    "TRUNCATE under an old snapshot": system(
        A + B, repeatable("SELECT count(*) FROM b", "SELECT count(*) FROM a"), "TRUNCATE a"
    ),
    "a query around a function": system(
        A + B + function("f1", "UPDATE b SET n = n + 1 WHERE id = 1;\n  v := 1;"),
        f"SELECT f1(), ({READ})",
        WRITE,
    ),
    "an update by a function": system(
        A + B + function("f1", "SELECT n INTO v FROM b WHERE id = 1;"),
        "UPDATE a SET n = f1() WHERE id = 1",
        block(WRITE, "UPDATE b SET n = n + 1 WHERE id = 1"),
    ),
    # -- SERIALIZABLE
    "write skew": system(A, serializable(SUM, WRITE), serializable(SUM, "UPDATE a SET n = 0 WHERE id = 2")),
    "write skew across tables": system(A + B, serializable(SUM, "UPDATE b SET n = 0"), serializable(READ_B, WRITE)),
    "a unique key as well": system(
        A, serializable(SUM, "INSERT INTO a VALUES (3, 1)"), serializable(SUM, "INSERT INTO a VALUES (3, 2)")
    ),
    "one of two serializable": system(A, serializable(SUM, WRITE), repeatable(SUM, "UPDATE a SET n = 0 WHERE id = 2")),
    # -- locks
    "an advisory lock of the session": system(
        A + function("f1", f"PERFORM pg_advisory_lock(1);\n  {WRITE};\n  PERFORM pg_advisory_unlock(1);"),
        "SELECT f1()",
        (LOCK_1, READ),
    ),
    "that a client lets go": system(A, (LOCK_1, WRITE, UNLOCK_1), (LOCK_1, READ)),
    "in mid-transaction": system(A, block(LOCK_1, WRITE, UNLOCK_1), block(LOCK_1, READ)),
    "with all others": system(
        A, (LOCK_1, "SELECT pg_advisory_unlock_all()"), ("SELECT pg_advisory_lock_shared(1)", READ)
    ),
    "that outlives its transaction into a deadlock": system(A, (*block(LOCK_1), WRITE), block(WRITE, LOCK_1)),
    "two shares": system(
        A, block("SELECT n FROM a WHERE id = 1 FOR SHARE"), block("SELECT n FROM a WHERE id = 1 FOR SHARE", WRITE)
    ),
    "rows locked while a loop goes on": system(
        TWELVE
        + B
        + function(
            "f1",
            "FOR r IN SELECT id FROM a ORDER BY id FOR UPDATE LOOP\n"
            "    IF r.id = 10 THEN PERFORM n FROM b WHERE id = 1; END IF;\n  END LOOP;",
        ),
        "SELECT f1()",
        block("UPDATE a SET n = 0 WHERE id = 12", "UPDATE a SET n = 0 WHERE id = 1"),
    ),
    "a cursor that locks when it fetches": system(
        A
        + B
        + function(
            "f1",
            f"OPEN k FOR {READ} FOR UPDATE;\n  {READ_B.replace(' FROM', ' INTO v FROM')};\n  FETCH k INTO v;",
            declare="v integer; k refcursor;",
        ),
        "SELECT f1()",
        WRITE,
    ),
    "a client's cursor": system(A, block(f"DECLARE k CURSOR FOR {READ} FOR UPDATE", "FETCH k"), block(WRITE)),
    "a lock that an exception lets go": system(
        A
        + function(
            "f1",
            f"BEGIN\n    {WRITE};\n    RAISE EXCEPTION 'undo';\n"
            f"  EXCEPTION WHEN raise_exception THEN v := 1;\n  END;\n  SELECT n INTO v FROM a WHERE id = 2;",
        ),
        "SELECT f1()",
        "UPDATE a SET n = n * 2 WHERE id = 1",
    ),
    # -- tables behind other names
    "one sequence, two tables": system(
        "CREATE SEQUENCE s;\nCREATE TABLE d (id integer DEFAULT nextval('s'));\n"
        "CREATE TABLE e (LIKE d INCLUDING DEFAULTS);",
        "INSERT INTO d DEFAULT VALUES RETURNING id",
        "INSERT INTO e DEFAULT VALUES RETURNING id",
    ),
    "a sequence in a variable": system(
        "CREATE SEQUENCE s;\n" + function("f1", "v := nextval(w);", declare="v integer; w text := 's';"),
        "SELECT f1()",
        "SELECT setval('s', 50)",
    ),
    "inheritance": system(
        A + "CREATE TABLE d () INHERITS (a);\nINSERT INTO d VALUES (3, 30);", DOUBLE, "UPDATE d SET n = n + 1"
    ),
    "a partition": system(
        "CREATE TABLE p (id integer, n integer) PARTITION BY LIST (id);\n"
        "CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);\nINSERT INTO p VALUES (1, 1);",
        "UPDATE p SET n = n + 1",
        "UPDATE p1 SET n = n * 2",
    ),
    "a rule": system(A + C + f"CREATE RULE r AS ON UPDATE TO a DO ALSO {COUNT};", WRITE, COUNT),
    "a view": system(A + "CREATE VIEW w AS SELECT * FROM a WHERE n > 5;", "UPDATE w SET n = n + 1", DOUBLE),
    "a view's own trigger": system(
        A + "CREATE VIEW w AS SELECT 1 AS x;\n" + trigger("INSTEAD OF INSERT ON w FOR EACH ROW", f"{WRITE};"),
        "INSERT INTO w VALUES (1)",
        DOUBLE,
    ),
    "a trigger on what a foreign key deletes": system(
        A + CHILD.format("ON DELETE CASCADE") + C + trigger("BEFORE DELETE ON b FOR EACH ROW", f"{COUNT};"),
        "DELETE FROM a WHERE id = 1",
        COUNT,
    ),
    "a trigger that builds its SQL": system(
        A
        + C
        + trigger(
            "BEFORE UPDATE ON a FOR EACH ROW", "EXECUTE format('INSERT INTO %I SELECT 1, count(*) FROM c', 'c');"
        ),
        WRITE,
        COUNT,
    ),
    "a foreign key that sets null": system(
        A + CHILD.format("ON DELETE SET NULL"),
        "DELETE FROM a WHERE id = 1",
        "UPDATE b SET a_id = coalesce(a_id, 9) + 1",
    ),
    "a check that reads": system(
        B + "CREATE FUNCTION low(i integer) RETURNS boolean LANGUAGE plpgsql AS $$\n"
        "BEGIN\n  RETURN (SELECT n FROM b WHERE id = 1) < 15;\nEND $$;\nCREATE TABLE d (id integer CHECK (low(id)));",
        "INSERT INTO d VALUES (1)",
        "UPDATE b SET n = 99",
    ),
    "an operator that reads": system(
        B + "CREATE FUNCTION plus(integer, integer) RETURNS integer LANGUAGE plpgsql AS $$\n"
        "BEGIN\n  RETURN (SELECT n FROM b WHERE id = 1);\nEND $$;\n"
        "CREATE OPERATOR @#@ (LEFTARG = integer, RIGHTARG = integer, FUNCTION = plus);",
        "SELECT 1 @#@ 2",
        "UPDATE b SET n = 0",
    ),
    "a stable function in an update": system(
        A + B + f"CREATE FUNCTION now_b() RETURNS integer LANGUAGE sql STABLE AS $$ {READ_B} $$;",
        "UPDATE a SET n = now_b() WHERE id = 1",
        "UPDATE b SET n = 99",
    ),
    "a prepared statement": system(A, (f"PREPARE p AS {WRITE}", "EXECUTE p"), DOUBLE),
    "a DO block": system(A, f"DO $$ BEGIN {WRITE}; END $$", DOUBLE),
    "the end of a DO block": system(A, block(f"DO $$ BEGIN {WRITE}; END $$"), (READ, READ)),
}
