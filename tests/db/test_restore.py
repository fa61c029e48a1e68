"""Putting back what an execution has touched: rows and sequences, whatever stands in the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.db import connect
from harness.driver.restore import Restorer
from harness.errors import DriverError
from harness.targets.embedded import EmbeddedTarget

Connection = psycopg.Connection[Any]
Opened = Callable[..., tuple[Connection, Restorer]]

SHOP = """
CREATE SCHEMA audit;
CREATE TABLE users (id int PRIMARY KEY, email text UNIQUE, balance numeric NOT NULL);
CREATE TABLE jobs (id int PRIMARY KEY, user_id int REFERENCES users ON DELETE CASCADE, parent int REFERENCES jobs,
  status text);
CREATE TABLE ledger (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id int REFERENCES users ON DELETE CASCADE,
  job_id int REFERENCES jobs ON DELETE SET NULL, amount int, doubled int GENERATED ALWAYS AS (amount * 2) STORED);
CREATE TABLE audit."Log x" (what text, who int);
CREATE SEQUENCE invoice START 100;
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO audit."Log x" VALUES (TG_OP || ' ' || TG_TABLE_NAME, 1);
  RETURN NULL;
END $$;
CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON users FOR EACH ROW EXECUTE FUNCTION note();
CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON ledger FOR EACH ROW EXECUTE FUNCTION note();
INSERT INTO users SELECT i, 'u' || i, i * 10 FROM generate_series(1, 4) i;
INSERT INTO jobs SELECT i, i, NULL, 'queued' FROM generate_series(1, 4) i;
INSERT INTO ledger (user_id, job_id, amount) SELECT i, i, i FROM generate_series(1, 4) i;
"""


def contents(conn: Connection) -> dict[str, list[Any]]:
    """All rows of all tables, and the state of all sequences."""
    tables = conn.execute(
        "SELECT c.oid::regclass::text, c.relkind FROM pg_class c WHERE relkind IN ('r', 'S') AND c.oid >= 16384 "
        "AND relpersistence <> 't' ORDER BY 1"
    ).fetchall()
    found: dict[str, list[Any]] = {}
    for name, kind in tables:
        query = (
            f"SELECT last_value, is_called FROM {name}"
            if kind == "S"
            else f"SELECT t::text FROM ONLY {name} t ORDER BY 1"
        )
        found[name] = conn.execute(query.encode()).fetchall()
    return found


@pytest.fixture
def opened(new_database: Callable[..., Connection]) -> Iterator[Opened]:
    """``opened(sql, tables=None)``: a database with that SQL, and a `Restorer` that remembers it."""
    made: list[Restorer] = []

    def make(sql: str, tables: list[str] | None = None) -> tuple[Connection, Restorer]:
        conn = new_database()
        conn.execute(sql.encode())
        made.append(Restorer(conn, tables))
        made[-1].remember()
        return conn, made[-1]

    yield make
    for restorer in made:
        restorer.close()


def check(conn: Connection, restorer: Restorer, *statements: str, tables: frozenset[str] | None = None) -> None:
    """Twice, since the second time finds what the first has put back."""
    before = contents(conn)
    for _ in range(2):
        for statement in statements:
            conn.execute(statement.encode())
        restorer.restore(tables)
        assert contents(conn) == before


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE users SET balance = balance + 1",
        "INSERT INTO users VALUES (9, 'new', 0); UPDATE jobs SET user_id = 9",
        "DELETE FROM users",
        "DELETE FROM jobs WHERE id = 2",
        'TRUNCATE users, jobs, ledger, audit."Log x"',
        "TRUNCATE users, jobs, ledger RESTART IDENTITY",
        pytest.param(
            "UPDATE users SET email = 'u' || (5 - id) || 'x'; UPDATE users SET email = 'u' || (5 - id)",
            marks=pytest.mark.own_server("without the right to switch triggers off it is more than can be put back"),
        ),
        "UPDATE users SET id = id + 100 WHERE id NOT IN (SELECT user_id FROM jobs); UPDATE jobs SET parent = 4",
        "SELECT nextval('invoice')",
        "SELECT setval('invoice', 7, false)",
        "INSERT INTO ledger (user_id, amount) VALUES (1, 5); DELETE FROM ledger",
        "INSERT INTO audit.\"Log x\" VALUES ('a', 1), ('a', 1)",
        "CREATE TABLE extra (id serial); INSERT INTO extra DEFAULT VALUES; CREATE VIEW seen AS SELECT * FROM extra",
        "BEGIN; SAVEPOINT s; UPDATE users SET balance = 0; RELEASE s; COMMIT",
        "BEGIN; UPDATE users SET balance = 0; ROLLBACK",
        "SELECT 1",
    ],
)
def test_everything_is_as_it_was(opened: Opened, statement: str) -> None:
    conn, restorer = opened(SHOP)
    check(conn, restorer, statement)


@pytest.mark.own_server("a transaction of others makes rows look newer than they are")
def test_what_nobody_touched_is_not_written(opened: Opened) -> None:
    conn, restorer = opened(SHOP)
    versions = "SELECT xmin::text, ctid::text FROM users ORDER BY id"
    before = conn.execute(versions).fetchall()
    conn.execute("UPDATE jobs SET status = 'done'")
    restorer.restore(None)
    assert conn.execute(versions).fetchall() == before
    conn.execute("UPDATE users SET balance = 0")
    restorer.restore(None)
    again = conn.execute(versions).fetchall()
    assert again != before
    restorer.restore(None)
    assert conn.execute(versions).fetchall() == again


def test_rows_lie_in_the_order_in_which_they_lay(opened: Opened) -> None:
    conn, restorer = opened("CREATE TABLE queue (id int PRIMARY KEY, v text); INSERT INTO queue VALUES (3), (1), (2)")
    for _ in range(400):
        conn.execute("UPDATE queue SET v = repeat('x', 100) WHERE id = 1; DELETE FROM queue WHERE id = 3")
        restorer.restore(None)
        assert conn.execute("SELECT id FROM queue").fetchall() == [(3,), (1,), (2,)]


def test_of_a_large_table_only_what_differs_is_written(opened: Opened) -> None:
    conn, restorer = opened(
        "CREATE TABLE large (id int PRIMARY KEY, v text UNIQUE); "
        "INSERT INTO large SELECT i, 'v' || i FROM generate_series(1, 5000) i"
    )
    check(
        conn,
        restorer,
        "UPDATE large SET v = 'y' WHERE id = 7; DELETE FROM large WHERE id = 8; INSERT INTO large VALUES (0)",
    )
    restorer.restore(None)
    assert conn.execute("SELECT count(*) FROM large GROUP BY xmin::text ORDER BY 1").fetchall() == [(2,), (4998,)]


def test_only_what_is_named_is_put_back_and_the_rest_once_it_is_named(opened: Opened) -> None:
    conn, restorer = opened(SHOP)
    before = contents(conn)
    conn.execute("UPDATE jobs SET status = 'done'; UPDATE users SET balance = 0; SELECT nextval('invoice')")
    restorer.restore(frozenset({"users", "unknown", "sequence invoice"}))
    after = contents(conn)
    assert [name for name in before if before[name] != after[name]] == ['audit."Log x"', "jobs"]
    restorer.restore(frozenset({"users"}))
    restorer.restore(frozenset({"public.jobs", "audit.Log x"}))
    assert contents(conn) == before


def test_tables_that_were_not_named_at_first_are_left_alone(opened: Opened) -> None:
    conn, restorer = opened(SHOP, ["users"])
    conn.execute("UPDATE jobs SET status = 'done'; UPDATE users SET balance = 0")
    restorer.restore(None)
    assert conn.execute("SELECT sum(balance) FROM users").fetchone() == (100,)
    assert conn.execute("SELECT DISTINCT status FROM jobs").fetchall() == [("done",)]


AWKWARD = """
CREATE EXTENSION citext SCHEMA public;
CREATE SCHEMA "My Schema";
CREATE TABLE "My Schema"."Tab""le" ("a b" citext, "select" int, PRIMARY KEY ("a b", "select"), gone int, j json,
  p point);
ALTER TABLE "My Schema"."Tab""le" DROP COLUMN gone;
INSERT INTO "My Schema"."Tab""le" VALUES ('A', 1, '{"x":  1}', '(1,2)'), ('b', 2, NULL, NULL);
CREATE TABLE parts (id int, day date, v text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE parts_2 PARTITION OF parts DEFAULT;
INSERT INTO parts VALUES (1, '2024-02-02', 'x'), (2, '2030-01-01', 'y');
CREATE TABLE nokey (a int, j json);
INSERT INTO nokey VALUES (1, '{}'), (1, '{}'), (NULL, NULL);
CREATE TABLE secret (id serial PRIMARY KEY, names text);
INSERT INTO secret (names) VALUES ('a'), ('b');
ALTER TABLE secret ENABLE ROW LEVEL SECURITY;
ALTER TABLE secret FORCE ROW LEVEL SECURITY;
CREATE TABLE older (own int PRIMARY KEY);
CREATE TABLE younger (horizons int) INHERITS (older);
INSERT INTO older VALUES (1);
INSERT INTO younger VALUES (1, 2), (3, 4);
CREATE MATERIALIZED VIEW total AS SELECT count(*) FROM nokey;
CREATE TABLE stubborn (id int PRIMARY KEY, n int DEFAULT 0);
CREATE FUNCTION bump() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.n := NEW.n + 1; RETURN NEW; END $$;
CREATE TRIGGER "Bump" BEFORE INSERT OR UPDATE ON stubborn FOR EACH ROW EXECUTE FUNCTION bump();
ALTER TABLE stubborn ENABLE ALWAYS TRIGGER "Bump";
INSERT INTO stubborn VALUES (1), (2);
CREATE TABLE a (id int PRIMARY KEY, b int);
CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a DEFERRABLE);
ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES b DEFERRABLE;
INSERT INTO a VALUES (1, NULL); INSERT INTO b VALUES (1, 1); UPDATE a SET b = 1;
CREATE TABLE empty (id int);
"""


@pytest.mark.parametrize(
    "statement",
    [
        """UPDATE "My Schema"."Tab""le" SET j = '{"y": 2}'; INSERT INTO "My Schema"."Tab""le" VALUES ('c', 1)""",
        """UPDATE "My Schema"."Tab""le" SET "a b" = lower("a b"::text)""",
        "UPDATE parts SET day = day + 4000; INSERT INTO parts VALUES (9, '2024-03-03', 'z')",
        "INSERT INTO nokey VALUES (1, '{}')",
        "DELETE FROM nokey WHERE a IS NULL",
        pytest.param(
            "UPDATE secret SET names = names || names; INSERT INTO secret (names) VALUES ('c')",
            marks=pytest.mark.own_server("it needs a superuser, to whom row security does not apply"),
        ),
        "UPDATE older SET own = own + 10",
        "DELETE FROM ONLY older",
        "UPDATE stubborn SET id = id + 5; DELETE FROM stubborn WHERE id = 6",
        "UPDATE a SET b = NULL; DELETE FROM b; DELETE FROM a",
        "INSERT INTO empty VALUES (1)",
        "TRUNCATE parts_1",
    ],
)
def test_awkward_tables(opened: Opened, statement: str) -> None:
    conn, restorer = opened(AWKWARD)
    check(conn, restorer, statement)
    enabled = conn.execute("SELECT tgenabled FROM pg_trigger WHERE tgname = 'Bump'").fetchone()
    assert enabled == ("A",)


def test_a_partition_is_named_by_its_root(opened: Opened) -> None:
    conn, restorer = opened(AWKWARD)
    check(conn, restorer, "UPDATE parts SET v = 'changed'", tables=frozenset({"parts"}))


def test_a_lock_that_is_in_the_way_changes_nothing_and_is_said(opened: Opened) -> None:
    conn, restorer = opened(SHOP)
    before = contents(conn)
    conn.execute("UPDATE users SET balance = 0; UPDATE jobs SET status = 'done'")
    conn.execute("BEGIN; LOCK TABLE jobs")
    with pytest.raises(DriverError, match="cannot put the database back: canceling statement due to lock timeout"):
        restorer.restore(None)
    conn.execute("ROLLBACK")
    assert conn.execute("SELECT sum(balance) FROM users").fetchone() == (0,)
    restorer.restore(None)
    assert contents(conn) == before


def test_nothing_of_it_is_left(opened: Opened) -> None:
    conn, restorer = opened(SHOP)
    objects = "SELECT count(*) FROM pg_class WHERE relname LIKE 'harness%'"
    assert conn.execute(objects).fetchone() != (0,)
    restorer.close()
    restorer.close()
    other = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'refund-harness restorer' AND pid > 0"
    for _ in range(1000):
        if conn.execute(other).fetchone() == (0,):
            break
    assert conn.execute(objects).fetchone() == (0,)


CIRCLE = """
CREATE TABLE hens (id int PRIMARY KEY, egg int);
CREATE TABLE eggs (id int PRIMARY KEY, hen int REFERENCES hens DEFERRABLE);
ALTER TABLE hens ADD FOREIGN KEY (egg) REFERENCES eggs DEFERRABLE;
INSERT INTO hens VALUES (1, NULL); INSERT INTO eggs VALUES (1, 1); UPDATE hens SET egg = 1;
"""
LARGE = f"""{CIRCLE}
INSERT INTO ledger (user_id, job_id, amount) SELECT 1 + i % 4, 1 + i % 4, i FROM generate_series(1, 500) i;
"""


@pytest.fixture
def plain_role(target: EmbeddedTarget, new_database: Callable[..., Connection]) -> Iterator[Connection]:
    """A database that a role without privileges owns, seen by that role."""
    conn = new_database()
    conn.execute("CREATE ROLE restorer_plain LOGIN")
    conn.execute(f'ALTER DATABASE "{conn.info.dbname}" OWNER TO restorer_plain'.encode())
    dsn = psycopg.conninfo.make_conninfo(target.conninfo(conn.info.dbname), user="restorer_plain")
    with connect(dsn, application_name="test") as mine:
        yield mine
    conn.execute(f'ALTER DATABASE "{conn.info.dbname}" OWNER TO CURRENT_USER'.encode())
    conn.execute("DROP OWNED BY restorer_plain; DROP ROLE restorer_plain")


@pytest.mark.own_server("it makes roles")
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE users SET balance = balance + 1; INSERT INTO ledger (user_id, amount) VALUES (1, 5)",
        "INSERT INTO users VALUES (9, 'new', 0); INSERT INTO jobs VALUES (9, 9, NULL, 'new')",
        "DELETE FROM users",
        "DELETE FROM jobs WHERE id = 2",
        'TRUNCATE users, jobs, ledger, audit."Log x" RESTART IDENTITY',
        "UPDATE jobs SET user_id = 5 - user_id, parent = 1",
        "INSERT INTO users VALUES (9, 'new', 0); UPDATE jobs SET user_id = 9",
        "UPDATE users SET email = email || 'x'; UPDATE hens SET egg = NULL; DELETE FROM eggs; DELETE FROM hens",
        "SELECT nextval('invoice')",
    ],
)
@pytest.mark.parametrize("more", [CIRCLE, LARGE], ids=["small", "large"])
def test_without_the_right_to_switch_triggers_off(plain_role: Connection, statement: str, more: str) -> None:
    plain_role.execute(f"{SHOP}{more}".encode())
    restorer = Restorer(plain_role, None)
    restorer.remember()
    check(plain_role, restorer, statement)
    restorer.close()
    assert plain_role.execute("SELECT DISTINCT tgenabled FROM pg_trigger").fetchall() == [("O",)]


IDS = st.integers(1, 6)
DML = st.one_of(
    st.builds("INSERT INTO users VALUES ({}, 'n{}', {})".format, IDS, IDS, IDS),
    st.builds("INSERT INTO jobs VALUES ({}, {}, {}, 'new')".format, IDS, IDS, IDS),
    st.builds("INSERT INTO ledger (user_id, job_id, amount) VALUES ({}, {}, {})".format, IDS, IDS, IDS),
    st.builds("UPDATE users SET id = {}, balance = {} WHERE id = {}".format, IDS, IDS, IDS),
    st.builds("UPDATE users SET email = 'u{}' WHERE id = {}".format, IDS, IDS),
    st.builds("UPDATE jobs SET user_id = {}, parent = {} WHERE id = {}".format, IDS, IDS, IDS),
    st.builds("UPDATE ledger SET amount = {}, job_id = {} WHERE id = {}".format, IDS, IDS, IDS),
    st.builds("DELETE FROM {} WHERE id = {}".format, st.sampled_from(["users", "jobs", "ledger"]), IDS),
    st.builds("DELETE FROM audit.\"Log x\" WHERE what LIKE '{}%'".format, st.sampled_from(["INSERT", "UPDATE"])),
    st.sampled_from(["SELECT nextval('invoice')", "SELECT setval('invoice', 3)", "TRUNCATE ledger RESTART IDENTITY"]),
    st.sampled_from(
        ["BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT s", "ROLLBACK TO s", "CREATE TABLE IF NOT EXISTS x (i int)"]
    ),
)


@pytest.mark.own_server("without the right to switch triggers off not everything can be put back")
def test_whatever_is_done_can_be_put_back(opened: Opened) -> None:
    conn, restorer = opened(SHOP)
    before = contents(conn)

    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None)
    @given(st.lists(DML, min_size=1, max_size=12))
    def prop(statements: list[str]) -> None:
        for statement in statements:
            try:
                conn.execute(statement.encode())
            except psycopg.Error:  # broke a constraint: what of it happened is what counts
                continue
        conn.rollback()
        restorer.restore(None)
        assert contents(conn) == before

    prop()
