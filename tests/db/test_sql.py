"""The SQL folder: migrations, answers, privileges, invariants, client statements and broken variants."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import errors, sql
from psycopg.rows import dict_row

SQL = Path(__file__).parents[2] / "sql"
MIGRATIONS = sorted((SQL / "migrations").glob("*.sql"))
INVARIANTS = sorted(path.stem for path in (SQL / "invariants").glob("*.sql"))

ALICE = "a0000000-0000-0000-0000-000000000001"
BOB = "b0000000-0000-0000-0000-000000000002"
NOBODY = "c0000000-0000-0000-0000-000000000003"
USERS = f"{{{ALICE},{BOB}}}"
JOBS = "{charged,free,done,lost}"
MAX = 2147483647

Connection = psycopg.Connection[Any]
NewDatabase = Callable[..., Connection]


def text(path: str, **variables: object) -> str:
    """The file's SQL with `:'name'` replaced by a quoted literal, as psql does it."""
    return re.sub(
        r":'(\w+)'", lambda match: sql.Literal(str(variables[match[1]])).as_string(None), (SQL / path).read_text()
    )


def run(db: Connection, path: str, **variables: object) -> Any:
    """Execute a file; the first column of its last statement's first row, if it returns rows."""
    cursor = db.execute(text(path, **variables))
    row = cursor.fetchone() if cursor.description else None
    return row[0] if row else None


def rows(db: Connection, path: str, **variables: object) -> list[dict[str, Any]]:
    with db.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(text(path, **variables)).fetchall()


def broken(db: Connection, invariant: str) -> list[dict[str, Any]]:
    return rows(db, f"invariants/{invariant}.sql", users=USERS, jobs=JOBS)


def call(db: Connection, function: str, *arguments: object) -> Any:
    marks = ", ".join(["%s"] * len(arguments))
    values = [psycopg.types.json.Jsonb(value) if isinstance(value, dict) else value for value in arguments]
    row = db.execute(f"SELECT {function}({marks})", values).fetchone()
    assert row is not None
    return row[0]


def ledger(db: Connection) -> list[list[Any]]:
    """Everything the functions could have changed."""
    tables = ("story_jobs", "user_balances", "balance_transactions")
    return [db.execute(f"SELECT * FROM public.{table} ORDER BY 1").fetchall() for table in tables]


def balance(db: Connection, user: str = ALICE) -> int:
    row = db.execute("SELECT balance FROM public.user_balances WHERE user_id = %s", [user]).fetchone()
    assert row is not None
    return int(row[0])


def status(db: Connection, job: str) -> str:
    row = db.execute("SELECT status FROM public.story_jobs WHERE job_id = %s", [job]).fetchone()
    assert row is not None
    return str(row[0])


def row_of(db: Connection, user: str, kind: str, amount: int, before: int, job: str | None) -> None:
    """Plant one ledger row, without touching the cached balance."""
    db.execute(
        "INSERT INTO public.balance_transactions (user_id, type, amount, balance_before, balance_after, metadata)"
        " VALUES (%s, %s, %s, %s, %s, jsonb_strip_nulls(jsonb_build_object('job_id', %s::text)))",
        [user, kind, amount, before, before + amount, job],
    )


def catalogue(db: Connection) -> list[list[Any]]:
    """Definitions and privileges of all that the migrations make."""
    return [
        db.execute(query).fetchall()
        for query in (
            "SELECT oid, relname, relkind, relacl::text FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            " ORDER BY oid",
            "SELECT oid, conname, pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE connamespace = 'public'::regnamespace ORDER BY oid",
            "SELECT oid, pg_get_functiondef(oid), proacl::text FROM pg_proc"
            " WHERE pronamespace = 'public'::regnamespace ORDER BY oid",
            "SELECT defaclrole, defaclobjtype, defaclacl::text FROM pg_default_acl ORDER BY oid",
            "SELECT nspacl::text FROM pg_namespace WHERE nspname = 'public'",
        )
    ]


@pytest.fixture
def db(new_database: NewDatabase) -> Connection:
    """Alice opened with 6000, charged 1000 twice, one job in process and one done; Bob has 500; two odd jobs."""
    conn = new_database(*MIGRATIONS)
    run(conn, "setup/open.sql", user=ALICE, balance=6000)
    run(conn, "setup/open.sql", user=BOB, balance=500)
    run(conn, "setup/charge.sql", job="charged", user=ALICE, amount=1000)
    run(conn, "setup/job.sql", job="free", user=ALICE, status="pending")
    run(conn, "setup/charge.sql", job="done", user=ALICE, amount=1000)
    run(conn, "calls/complete.sql", job="done", user=ALICE, story="s1")
    run(conn, "setup/job.sql", job="lost", user=NOBODY, status="processing")
    return conn


@pytest.fixture
def good(new_database: NewDatabase) -> Connection:
    """A ledger with nothing wrong: a failed job, a completed one, one that cost nothing, a goodwill refund."""
    conn = new_database(*MIGRATIONS)
    run(conn, "setup/open.sql", user=ALICE, balance=6000)
    run(conn, "setup/open.sql", user=BOB, balance=500)
    run(conn, "setup/charge.sql", job="charged", user=ALICE, amount=1000)
    run(conn, "setup/charge.sql", job="done", user=ALICE, amount=1000)
    run(conn, "setup/job.sql", job="free", user=BOB, status="failed")
    run(conn, "calls/refund.sql", job="charged", user=ALICE, amount=1000, error="timeout")
    run(conn, "calls/complete.sql", job="done", user=ALICE, story="s1")
    assert call(conn, "refund_balance_atomic", BOB, 25, "goodwill", {})["success"]
    return conn


# Migrations


def test_migrations_apply_in_file_name_order() -> None:
    assert [path.name for path in MIGRATIONS] == [
        "01_roles.sql",
        "02_tables.sql",
        "03_balance_functions.sql",
        "04_complete_job.sql",
        "migration_atomic_job_refund.sql",
    ]


@pytest.mark.parametrize("path", sorted(SQL.rglob("*.sql")), ids=lambda path: str(path.relative_to(SQL)))
def test_plain_sql(path: Path) -> None:
    body = path.read_text()
    assert body.endswith(";\n")
    assert not re.search(r"^\\", body, re.MULTILINE)
    if "mutants" not in path.parts:  # which are wrong on purpose
        assert not re.search(r"^\s*(BEGIN|COMMIT|ROLLBACK|START TRANSACTION)\s*;", body, re.MULTILINE)
        assert "WHEN OTHERS" not in body
    assert ":'" not in "".join(re.findall(r"--.*", body)), "psql leaves variables in comments alone; others may not"


def test_migrations_are_reappliable(db: Connection) -> None:
    before = catalogue(db), ledger(db)
    for path in MIGRATIONS:
        db.execute(path.read_text())
    assert (catalogue(db), ledger(db)) == before


def test_no_unique_index_stops_a_second_refund_row(good: Connection) -> None:
    row_of(good, ALICE, "refund", 1000, 5000, "charged")


@pytest.fixture
def renamed(new_database: NewDatabase) -> Iterator[tuple[Callable[[Path], str], list[Connection]]]:
    """The migrations with role names that do not exist yet, and two databases to apply them to."""
    databases = [new_database(), new_database()]
    if not databases[0].execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()[0]:  # type: ignore[index]
        pytest.skip("roles for this test need a superuser")
    names = {name: f"{name}_{databases[0].info.dbname}" for name in ("anon", "authenticated", "service_role")}

    def read(path: Path) -> str:
        return re.sub(r"\b(anon|authenticated|service_role)\b", lambda match: names[match[1]], path.read_text())

    yield read, databases
    made = sql.SQL(", ").join(map(sql.Identifier, names.values()))
    for conn in databases:
        conn.execute(sql.SQL("DROP OWNED BY {}").format(made))
    databases[0].execute(sql.SQL("DROP ROLE {}").format(made))


def test_roles_made_at_once_from_two_databases(
    renamed: tuple[Callable[[Path], str], list[Connection]],
) -> None:
    read, (first, second) = renamed
    roles = read(MIGRATIONS[0])
    failures: list[BaseException] = []

    def apply() -> None:
        try:
            second.execute(roles)
        except BaseException as error:
            failures.append(error)

    with first.transaction():
        first.execute(roles)
        thread = threading.Thread(target=apply)
        thread.start()
        await_lock(first, second)
    thread.join(10)
    assert not thread.is_alive()
    assert not failures


def test_applied_by_an_owner_who_may_create_roles(
    renamed: tuple[Callable[[Path], str], list[Connection]],
) -> None:
    read, (db, _) = renamed
    owner = sql.Identifier(f"owner_{db.info.dbname}")
    database = sql.Identifier(db.info.dbname)
    db.execute(sql.SQL("CREATE ROLE {} CREATEROLE").format(owner))
    try:
        db.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(database, owner))
        db.execute(sql.SQL("SET SESSION AUTHORIZATION {}").format(owner))
        for path in MIGRATIONS:
            db.execute(read(path))
        before = catalogue(db)
        for path in MIGRATIONS:
            db.execute(read(path))
        assert catalogue(db) == before
        run(db, "setup/open.sql", user=ALICE, balance=6000)
        run(db, "setup/charge.sql", job="charged", user=ALICE, amount=1000)
        db.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(f"service_role_{db.info.dbname}")))
        assert run(db, "calls/refund.sql", job="charged", user=ALICE, amount=1000, error="x")["new_balance"] == 6000
    finally:
        db.execute("RESET SESSION AUTHORIZATION")
        db.execute(sql.SQL("REASSIGN OWNED BY {} TO CURRENT_USER").format(owner))
        for name in ("anon", "authenticated", "service_role"):
            role = sql.Identifier(f"{name}_{db.info.dbname}")
            db.execute(sql.SQL("DROP OWNED BY {}").format(role))
        db.execute(sql.SQL("DROP OWNED BY {}").format(owner))
        db.execute(sql.SQL("DROP ROLE {}").format(owner))


# Answers


def test_refund_answers_once(db: Connection) -> None:
    success = {"success": True, "refunded": True, "job_id": "charged", "amount": 1000, "new_balance": 5000}
    assert call(db, "refund_job_atomic", "charged", ALICE, 1000, "timeout") == success
    after = ledger(db)
    for amount in (1000, 7):
        assert call(db, "refund_job_atomic", "charged", ALICE, amount, "timeout") == {
            "success": False,
            "refunded": False,
            "job_id": "charged",
            "error": "Job already failed and refunded",
        }
    assert ledger(db) == after
    job = db.execute(
        "SELECT status, error, completed_at IS NOT NULL FROM public.story_jobs WHERE job_id = 'charged'"
    ).fetchone()
    assert job == ("failed", "timeout", True)
    row = db.execute(
        "SELECT type, amount, balance_before, balance_after, metadata FROM public.balance_transactions"
        " ORDER BY seq DESC LIMIT 1"
    ).fetchone()
    assert row == ("refund", 1000, 4000, 5000, {"job_id": "charged"})


def test_refund_without_a_message(db: Connection) -> None:
    assert call(db, "refund_job_atomic", "charged", ALICE, 1000, None)["success"]


def test_guide_test_one(new_database: NewDatabase) -> None:
    db = new_database(*MIGRATIONS)
    run(db, "setup/open.sql", user=ALICE, balance=6000)
    assert run(db, "setup/charge.sql", job="j", user=ALICE, amount=1000) == 5000
    assert run(db, "calls/refund.sql", job="j", user=ALICE, amount=1000, error="test")["new_balance"] == 6000


REFUND = "refund_job_atomic"
COMPLETE = "complete_job_atomic"
ADD = "refund_balance_atomic"
DEDUCT = "deduct_balance_atomic"


@pytest.mark.parametrize(
    ("function", "arguments", "error", "more"),
    [
        (REFUND, (None, ALICE, 1000, "e"), "Job id is required", {"refunded": False, "job_id": None}),
        (REFUND, ("charged", None, 1000, "e"), "User id is required", {"refunded": False}),
        (REFUND, ("charged", ALICE, None, "e"), "Amount must be positive", {"refunded": False}),
        (REFUND, ("charged", ALICE, 0, "e"), "Amount must be positive", {"refunded": False}),
        (REFUND, ("charged", ALICE, -1000, "e"), "Amount must be positive", {"refunded": False}),
        (REFUND, ("unknown", ALICE, 1000, "e"), "Job not found", {"job_id": "unknown"}),
        (REFUND, ("charged", BOB, 1000, "e"), "Job belongs to another user", {"refunded": False}),
        (REFUND, ("done", BOB, 1000, "e"), "Job belongs to another user", {"refunded": False}),
        (REFUND, ("done", ALICE, 1000, "e"), "Job already completed", {"refunded": False}),
        (REFUND, ("charged", ALICE, 999, "e"), "Amount differs from the charge", {"refunded": False}),
        (REFUND, ("charged", ALICE, 1001, "e"), "Amount differs from the charge", {"refunded": False}),
        (REFUND, ("free", ALICE, 1000, "e"), "Amount differs from the charge", {"refunded": False}),
        (COMPLETE, (None, ALICE, "s", {}), "Job id is required", {"completed": False, "job_id": None}),
        (COMPLETE, ("charged", None, "s", {}), "User id is required", {"completed": False}),
        (COMPLETE, ("charged", ALICE, None, {}), "Story id is required", {"completed": False}),
        (COMPLETE, ("charged", ALICE, "", {}), "Story id is required", {"completed": False}),
        (COMPLETE, ("unknown", ALICE, "s", {}), "Job not found", {"job_id": "unknown"}),
        (COMPLETE, ("charged", BOB, "s", {}), "Job belongs to another user", {"completed": False}),
        (COMPLETE, ("done", ALICE, "s", {}), "Job already completed", {"completed": False}),
        (ADD, (None, 1, "r", {}), "User id is required", {}),
        (ADD, (ALICE, None, "r", {}), "Amount must be positive", {}),
        (ADD, (ALICE, 0, "r", {}), "Amount must be positive", {}),
        (ADD, (ALICE, -1, "r", {}), "Amount must be positive", {}),
        (ADD, (ALICE, 1, "r", None), "Metadata must be a JSON object", {}),
        (ADD, (NOBODY, 1, "r", {}), "User not found", {}),
        (ADD, (ALICE, MAX, "r", {}), "Balance would overflow", {"balance": 4000}),
        (ADD, (ALICE, MAX - 3999, "r", {}), "Balance would overflow", {"balance": 4000}),
        (DEDUCT, (None, 1, "r", {}), "User id is required", {}),
        (DEDUCT, (ALICE, None, "r", {}), "Amount must be positive", {}),
        (DEDUCT, (ALICE, 0, "r", {}), "Amount must be positive", {}),
        (DEDUCT, (ALICE, -1, "r", {}), "Amount must be positive", {}),
        (DEDUCT, (ALICE, 1, "r", None), "Metadata must be a JSON object", {}),
        (DEDUCT, (NOBODY, 1, "r", {}), "User not found", {}),
        (DEDUCT, (ALICE, 4001, "r", {}), "Insufficient balance", {"balance": 4000}),
        (DEDUCT, (ALICE, MAX, "r", {}), "Insufficient balance", {"balance": 4000}),
    ],
)
def test_a_refusal_is_an_answer_and_changes_nothing(
    db: Connection, function: str, arguments: tuple[object, ...], error: str, more: dict[str, object]
) -> None:
    before = ledger(db)
    answer = call(db, function, *arguments)
    assert answer["success"] is False
    assert answer["error"] == error
    assert more.items() <= answer.items()
    assert ledger(db) == before


@pytest.mark.parametrize("function", [ADD, DEDUCT])
def test_metadata_that_is_no_object_is_refused(db: Connection, function: str) -> None:
    before = ledger(db)
    for metadata in ("null", "[]", '"charged"'):
        answer = db.execute(f"SELECT {function}(%s, 1, 'r', %s::jsonb)", [ALICE, metadata]).fetchone()
        assert answer == ({"success": False, "error": "Metadata must be a JSON object"},)
    assert ledger(db) == before


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("DELETE FROM public.user_balances", "User not found"),
        (f"UPDATE public.user_balances SET balance = {MAX - 999}", "Balance would overflow"),
    ],
)
def test_a_job_is_not_failed_when_its_refund_is_refused(db: Connection, fault: str, error: str) -> None:
    db.execute(fault)
    before = ledger(db)
    answer = call(db, REFUND, "charged", ALICE, 1000, "timeout")
    assert answer == {"success": False, "refunded": False, "job_id": "charged", "error": error}
    assert ledger(db) == before
    assert status(db, "charged") == "processing"


def test_failed_is_terminal(db: Connection) -> None:
    assert call(db, REFUND, "charged", ALICE, 1000, "timeout")["success"]
    before = ledger(db)
    answer = call(db, COMPLETE, "charged", ALICE, "s", {})
    assert answer == {"success": False, "completed": False, "job_id": "charged", "error": "Job already failed"}
    assert ledger(db) == before


def test_complete_answers(db: Connection) -> None:
    answer = call(db, COMPLETE, "charged", ALICE, "s2", {"pages": 3})
    assert answer == {"success": True, "completed": True, "job_id": "charged", "story_id": "s2"}
    row = db.execute(
        "SELECT status, story_id, result, completed_at IS NOT NULL FROM public.story_jobs WHERE job_id = 'charged'"
    ).fetchone()
    assert row == ("completed", "s2", {"pages": 3}, True)


@pytest.mark.parametrize(("function", "kind", "sign"), [(ADD, "refund", 1), (DEDUCT, "generation", -1)])
def test_a_movement_answers_and_is_written_down(db: Connection, function: str, kind: str, sign: int) -> None:
    db.execute("UPDATE public.user_balances SET updated_at = '2000-01-01'")
    after = 4000 + sign * 300
    answer = call(db, function, ALICE, 300, "why", {"note": 1})
    assert answer == {"success": True, "amount": 300, "old_balance": 4000, "new_balance": after}
    row = db.execute(
        "SELECT type, amount, description, balance_before, balance_after, metadata FROM public.balance_transactions"
        " ORDER BY seq DESC LIMIT 1"
    ).fetchone()
    assert row == (kind, sign * 300, "why", 4000, after, {"note": 1})
    assert balance(db) == after
    fresh = db.execute("SELECT user_id::text FROM public.user_balances WHERE updated_at > '2001-01-01'").fetchall()
    assert fresh == [(ALICE,)]


def test_the_whole_range_of_the_balance_can_be_used(db: Connection) -> None:
    assert call(db, ADD, ALICE, MAX - 4000, None, {})["new_balance"] == MAX
    assert call(db, DEDUCT, ALICE, MAX, None, {})["new_balance"] == 0


# Concurrency


def await_lock(watcher: Connection, waiter: Connection) -> None:
    """Return when the waiter's backend waits for a lock; fail after two minutes."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        row = watcher.execute("SELECT cardinality(pg_blocking_pids(%s)) > 0", [waiter.info.backend_pid]).fetchone()
        if row == (True,):
            return
        time.sleep(0.005)
    raise AssertionError("the second session never waited")


LEVELS = [psycopg.IsolationLevel[name] for name in ("READ_COMMITTED", "REPEATABLE_READ", "SERIALIZABLE")]


@pytest.mark.parametrize("level", LEVELS, ids=lambda level: level.name)
@pytest.mark.parametrize("first", [REFUND, COMPLETE])
def test_two_workers_at_one_job(db: Connection, level: psycopg.IsolationLevel, first: str) -> None:
    arguments = (1000, "timeout") if first == REFUND else ("story", {})
    outcome: list[Any] = []
    with psycopg.connect(db.info.dsn, password=db.info.password or None, autocommit=True) as other:
        db.isolation_level = other.isolation_level = level

        def retry() -> None:
            try:
                with other.transaction():
                    outcome.append(call(other, REFUND, "charged", ALICE, 1000, "timeout"))
            except errors.SerializationFailure as error:
                outcome.append(error)

        with db.transaction():
            assert call(db, first, "charged", ALICE, *arguments)["success"]
            thread = threading.Thread(target=retry)
            thread.start()
            await_lock(db, other)
        thread.join(10)
        assert not thread.is_alive()
    if level is psycopg.IsolationLevel.READ_COMMITTED:
        error = "Job already failed and refunded" if first == REFUND else "Job already completed"
        assert outcome[0]["error"] == error
    else:
        assert isinstance(outcome[0], errors.SerializationFailure)
    assert balance(db) == (5000 if first == REFUND else 4000)
    for invariant in INVARIANTS:
        assert invariant == "queue_drained" or broken(db, invariant) == []


# Privileges

CALLS = {
    REFUND: f"SELECT refund_job_atomic('charged', '{ALICE}', 1000, 'e')",
    COMPLETE: f"SELECT complete_job_atomic('charged', '{ALICE}', 's', '{{}}')",
    ADD: f"SELECT refund_balance_atomic('{ALICE}', 1, 'r', '{{}}')",
    DEDUCT: f"SELECT deduct_balance_atomic('{ALICE}', 1, 'r', '{{}}')",
}


@pytest.mark.parametrize("function", CALLS)
@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role"])
def test_only_service_role_may_call(db: Connection, role: str, function: str) -> None:
    before = ledger(db)
    db.execute(f"SET ROLE {role}")
    if role == "service_role":
        row = db.execute(CALLS[function]).fetchone()
        assert row is not None
        assert row[0]["success"] is True
        return
    with pytest.raises(errors.InsufficientPrivilege, match=f"permission denied for function {function}"):
        db.execute(CALLS[function])
    db.execute("RESET ROLE")
    assert ledger(db) == before


def test_functions_have_a_fixed_search_path(db: Connection) -> None:
    found = db.execute(
        "SELECT proname, prosecdef, proconfig FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY 1"
    ).fetchall()
    assert found == [(name, True, ["search_path=pg_catalog, pg_temp"]) for name in sorted(CALLS)]


def test_temporary_objects_do_not_capture_the_names(db: Connection) -> None:
    db.execute("CREATE DOMAIN pg_temp.jsonb AS pg_catalog.int4")
    db.execute("CREATE DOMAIN pg_temp.uuid AS pg_catalog.int4")
    db.execute("CREATE TEMP TABLE story_jobs (job_id text)")
    db.execute("CREATE TEMP TABLE user_balances (user_id text)")
    assert call(db, REFUND, "charged", ALICE, 1000, "e")["success"]


TABLES = ["story_jobs", "user_balances", "balance_transactions"]


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role"])
def test_direct_access(db: Connection, role: str, table: str) -> None:
    may = {
        right: db.execute("SELECT has_table_privilege(%s, %s, %s)", [role, f"public.{table}", right]).fetchone()
        for right in ("SELECT", "INSERT", "UPDATE", "DELETE")
    }
    if role != "service_role":
        allowed = set()
    elif table == "balance_transactions":
        allowed = {"SELECT", "INSERT"}
    else:
        allowed = {"SELECT", "INSERT", "UPDATE", "DELETE"}
    assert {right for right, row in may.items() if row == (True,)} == allowed


def test_the_ledger_is_append_only_for_service_role(db: Connection) -> None:
    db.execute("SET ROLE service_role")
    row_of(db, ALICE, "bonus", 1, 4000, None)
    for statement in ("UPDATE balance_transactions SET amount = 0", "DELETE FROM balance_transactions"):
        with pytest.raises(errors.InsufficientPrivilege):
            db.execute(statement)


# Invariants


def drop_check(db: Connection, table: str, name: str) -> None:
    db.execute(f"ALTER TABLE public.{table} DROP CONSTRAINT {name}")


def plant(db: Connection, invariant: str) -> None:
    """Break one thing in the good ledger."""
    if invariant == "balance_matches_ledger":
        db.execute("UPDATE public.user_balances SET balance = balance + 1 WHERE user_id = %s", [ALICE])
    elif invariant == "ledger_chain":
        row_of(db, ALICE, "bonus", 100, 4321, None)
    elif invariant == "one_refund_per_job":
        row_of(db, ALICE, "refund", 1000, 5000, "charged")
    elif invariant == "failed_means_refunded":
        db.execute("DELETE FROM public.balance_transactions WHERE type = 'refund'")
    elif invariant == "completed_means_no_refund":
        row_of(db, ALICE, "refund", 1000, 5000, "done")
    elif invariant == "refund_matches_charge":
        db.execute("UPDATE public.balance_transactions SET amount = 1001 WHERE type = 'refund' AND amount = 1000")
    elif invariant == "no_negative_balance":
        drop_check(db, "user_balances", "user_balances_balance_check")
        db.execute("UPDATE public.user_balances SET balance = -1 WHERE user_id = %s", [ALICE])
    elif invariant == "money_conserved":
        call(db, ADD, ALICE, 1000, "again", {"job_id": "charged"})
    elif invariant == "execute_privilege":
        db.execute(f"GRANT EXECUTE ON FUNCTION {ADD} TO anon")
    elif invariant == "queue_drained":
        run(db, "setup/charge.sql", job="lost", user=ALICE, amount=1000)
    else:
        raise AssertionError(f"no fault planted for {invariant}")


WITNESS: dict[str, dict[str, object]] = {
    "balance_matches_ledger": {"expected_balance": 5000, "actual_balance": 5001, "difference": 1},
    "ledger_chain": {"expected_before": 5000, "actual_before": 4321, "type": "bonus"},
    "one_refund_per_job": {"job_id": "charged", "refunds": 2, "expected": 1, "refunded": 2000},
    "failed_means_refunded": {"job_id": "charged", "status": "failed", "refunds": 0, "expected_refunds": 1},
    "completed_means_no_refund": {"job_id": "done", "refunds": 1, "expected_refunds": 0},
    "refund_matches_charge": {"job_id": "charged", "charged": 1000, "refunded": 1001},
    "no_negative_balance": {"seq": None, "balance": -1},
    "money_conserved": {"expected_total": 5525, "actual_total": 6525, "difference": 1000},
    "execute_privilege": {"function": "refund_balance_atomic(uuid,integer,text,jsonb)", "grantee": "anon"},
    "queue_drained": {"job_id": "lost", "status": "processing", "charged": 1000},
}


def test_every_invariant_has_a_planted_fault() -> None:
    assert sorted(WITNESS) == INVARIANTS


@pytest.mark.parametrize("invariant", INVARIANTS)
def test_invariant(good: Connection, invariant: str) -> None:
    assert broken(good, invariant) == []
    plant(good, invariant)
    found = broken(good, invariant)
    assert len(found) == 1
    assert WITNESS[invariant].items() <= found[0].items()


@pytest.mark.parametrize(
    ("invariant", "fault"),
    [
        ("balance_matches_ledger", f"DELETE FROM public.user_balances WHERE user_id = '{BOB}'"),
        ("balance_matches_ledger", f"DELETE FROM public.balance_transactions WHERE user_id = '{BOB}'"),
        ("ledger_chain", "UPDATE public.balance_transactions SET balance_after = 1 WHERE amount = 25"),
        ("failed_means_refunded", "UPDATE public.story_jobs SET status = 'processing' WHERE job_id = 'charged'"),
        ("completed_means_no_refund", "UPDATE public.story_jobs SET status = 'completed' WHERE job_id = 'charged'"),
        ("refund_matches_charge", "UPDATE public.balance_transactions SET amount = -5 WHERE type = 'refund'"),
        ("refund_matches_charge", f"UPDATE public.balance_transactions SET user_id = '{BOB}' WHERE type = 'refund'"),
        ("refund_matches_charge", "DELETE FROM public.balance_transactions WHERE type = 'generation'"),
        ("no_negative_balance", "UPDATE public.balance_transactions SET balance_before = -1 WHERE amount = 25"),
        ("money_conserved", f"UPDATE public.user_balances SET balance = 4999 WHERE user_id = '{ALICE}'"),
        ("money_conserved", "UPDATE public.story_jobs SET status = 'failed' WHERE job_id = 'done'"),
        ("execute_privilege", f"GRANT EXECUTE ON FUNCTION {REFUND} TO PUBLIC"),
        ("queue_drained", "UPDATE public.story_jobs SET status = 'pending' WHERE job_id = 'free'"),
    ],
)
def test_invariant_sees_its_other_faults(good: Connection, invariant: str, fault: str) -> None:
    good.execute(fault)
    assert broken(good, invariant)


def test_execute_privilege_copes_with_a_missing_function(good: Connection) -> None:
    run(good, "rollback.sql")
    assert broken(good, "execute_privilege") == []
    good.execute(f"GRANT EXECUTE ON FUNCTION {ADD} TO PUBLIC")
    assert [row["grantee"] for row in broken(good, "execute_privilege")] == ["PUBLIC", "anon", "authenticated"]


@pytest.mark.parametrize("invariant", [name for name in INVARIANTS if name != "execute_privilege"])
def test_invariants_look_only_at_the_given_ids(good: Connection, invariant: str) -> None:
    plant(good, invariant)
    for users, jobs in (("{}", "{}"), (f"{{{NOBODY}}}", "{other}")):
        assert rows(good, f"invariants/{invariant}.sql", users=users, jobs=jobs) == []


@pytest.mark.parametrize("path", sorted([*SQL.glob("invariants/*.sql"), *SQL.glob("monitoring/*.sql")]), ids=str)
def test_header_says_what_a_row_means(path: Path) -> None:
    assert re.match(r"-- A row means: .+\.\n", path.read_text())


# State


def test_state_lists_every_column(good: Connection) -> None:
    users, jobs = f"{{{ALICE}}}", "{free}"
    for table, count in (("story_jobs", 3), ("user_balances", 1), ("balance_transactions", 4)):
        found = rows(good, f"state/{table}.sql", users=users, jobs=jobs)
        assert len(found) == count
        columns = good.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0", [f"public.{table}"]
        ).fetchall()
        assert set(found[0]) == {name for (name,) in columns}
    assert [row["type"] for row in found] == ["initial", "generation", "generation", "refund"]
    by_job = rows(good, "state/balance_transactions.sql", users="{}", jobs="{done}")
    assert [row["amount"] for row in by_job] == [-1000]


# Monitoring, deploy check, rollback


def test_duplicate_refunds(good: Connection) -> None:
    call(good, ADD, BOB, 5, "goodwill", {})
    assert rows(good, "monitoring/duplicate_refunds.sql") == []
    call(good, ADD, ALICE, 1000, "old worker", {"job_id": "charged"})
    (row,) = rows(good, "monitoring/duplicate_refunds.sql")
    assert (row["job_id"], row["refunds"], row["refunded"]) == ("charged", 2, 2000)
    good.execute("UPDATE public.balance_transactions SET created_at = now() - interval '25 hours'")
    assert rows(good, "monitoring/duplicate_refunds.sql") == []


def test_highest_balances(good: Connection) -> None:
    good.execute("INSERT INTO public.user_balances SELECT gen_random_uuid(), i FROM generate_series(1, 30) AS i")
    found = [row["balance"] for row in rows(good, "monitoring/highest_balances.sql")]
    assert found == [5000, 525, *range(30, 12, -1)]


def test_deploy_check_and_rollback(db: Connection) -> None:
    (row,) = rows(db, "deploy_check.sql")
    assert (row["routine_name"], row["routine_type"]) == (REFUND, "FUNCTION")
    before = ledger(db)
    run(db, "rollback.sql")
    assert rows(db, "deploy_check.sql") == []
    with pytest.raises(errors.UndefinedFunction, match=r"function refund_job_atomic\(.*\) does not exist"):
        run(db, "calls/refund.sql", job="charged", user=ALICE, amount=1000, error="e")
    run(db, "rollback.sql")
    assert ledger(db) == before
    db.execute(MIGRATIONS[-1].read_text())
    assert len(rows(db, "deploy_check.sql")) == 1
    assert broken(db, "execute_privilege") == []


# Client statements and set-up


def test_calls(db: Connection) -> None:
    odd = "it's \\ 'quoted'"
    assert run(db, "calls/charge.sql", user=BOB, amount=200, job=odd)["new_balance"] == 300
    run(db, "setup/job.sql", job=odd, user=BOB, status="processing")
    assert run(db, "calls/refund.sql", job=odd, user=BOB, amount=200, error=odd)["new_balance"] == 500
    assert run(db, "calls/complete.sql", job="charged", user=ALICE, story=odd)["story_id"] == odd
    assert run(db, "calls/charge.sql", user=BOB, amount=501, job="x")["error"] == "Insufficient balance"


@pytest.mark.parametrize("name", ["refund", "charge", "complete"])
def test_call_files_name_their_statement(name: str) -> None:
    lines = (SQL / "calls" / f"{name}.sql").read_text().splitlines()
    assert lines[-2] == f"-- name: {name}"
    assert lines[-1].endswith("AS answer;")


def test_open(db: Connection) -> None:
    run(db, "setup/open.sql", user=NOBODY, balance=0)
    assert balance(db, NOBODY) == 0
    row = db.execute(
        "SELECT type, amount, balance_before, balance_after FROM public.balance_transactions WHERE user_id = %s",
        [NOBODY],
    ).fetchone()
    assert row == ("initial", 0, 0, 0)


@pytest.mark.parametrize(
    ("state", "started", "ended"),
    [("pending", False, False), ("processing", True, False), ("completed", True, True), ("failed", True, True)],
)
def test_job(db: Connection, state: str, started: bool, ended: bool) -> None:
    run(db, "setup/job.sql", job="new", user=BOB, status=state)
    row = db.execute(
        "SELECT status, started_at IS NOT NULL, completed_at IS NOT NULL FROM public.story_jobs WHERE job_id = 'new'"
    ).fetchone()
    assert row == (state, started, ended)


def test_set_up_charge(db: Connection) -> None:
    assert run(db, "setup/charge.sql", job="new", user=BOB, amount=200) == 300
    row = db.execute("SELECT status, started_at IS NOT NULL FROM public.story_jobs WHERE job_id = 'new'").fetchone()
    assert row == ("processing", True)
    assert call(db, REFUND, "new", BOB, 200, "e")["new_balance"] == 500


@pytest.mark.parametrize(
    ("user", "amount", "refusal"),
    [(BOB, 501, "Insufficient balance"), (BOB, 0, "Amount must be positive"), (NOBODY, 1, "User not found")],
)
def test_set_up_charge_fails_loudly(db: Connection, user: str, amount: int, refusal: str) -> None:
    before = ledger(db)
    with pytest.raises(errors.InvalidTextRepresentation, match=f"charge refused: {refusal}"):
        run(db, "setup/charge.sql", job="new", user=user, amount=amount)
    assert ledger(db) == before


# Variants


@pytest.fixture
def described(db: Connection) -> Connection:
    db.execute((SQL / "variants" / "as_described.sql").read_text())
    return db


def test_as_described_refunds_once(described: Connection) -> None:
    success = {"success": True, "refunded": True, "job_id": "charged", "amount": 1000, "new_balance": 5000}
    assert call(described, REFUND, "charged", ALICE, 1000, "e") == success
    assert call(described, REFUND, "charged", ALICE, 1000, "e")["error"] == "Job already failed and refunded"
    assert call(described, REFUND, "unknown", ALICE, 1000, "e")["error"] == "Job not found"
    assert call(described, REFUND, "lost", NOBODY, 1000, "e")["error"] == "User not found"
    assert status(described, "lost") == "processing"


def test_as_described_refunds_a_completed_job(described: Connection) -> None:
    assert call(described, REFUND, "done", ALICE, 1000, "e")["success"]
    assert (status(described, "done"), balance(described)) == ("failed", 5000)


def test_as_described_refunds_anyone_any_amount(described: Connection) -> None:
    assert call(described, REFUND, "charged", BOB, 9999, "e")["success"]
    assert balance(described, BOB) == 10499
    assert broken(described, "refund_matches_charge")


@pytest.mark.parametrize("role", ["anon", "authenticated"])
def test_as_described_is_open_to_everyone(described: Connection, role: str) -> None:
    found = broken(described, "execute_privilege")
    assert {row["grantee"] for row in found} == {"PUBLIC", "anon", "authenticated"}
    assert {row["function"] for row in found} == {"refund_job_atomic(text,uuid,integer,text)"}
    described.execute(f"SET ROLE {role}")
    assert call(described, REFUND, "charged", ALICE, 1000, "e")["new_balance"] == 5000


def test_the_migration_closes_what_as_described_opened(described: Connection) -> None:
    described.execute(MIGRATIONS[-1].read_text())
    assert broken(described, "execute_privilege") == []
    assert call(described, REFUND, "done", ALICE, 1000, "e")["error"] == "Job already completed"


def test_legacy_worker(db: Connection) -> None:
    body = text("variants/legacy_worker.sql", job="charged", user=ALICE, amount=1000, error="timeout")
    parts = re.split(r"^-- name: (\w+)\n", body, flags=re.MULTILINE)
    assert parts[1::2] == ["select", "refund", "mark"]
    assert parts[2].splitlines()[0] == '-- continue if: {"status": "processing"}'
    select, refund, mark = parts[2::2]
    db.execute("SET ROLE service_role")
    for _ in range(2):  # both workers read before either writes
        assert db.execute(select).fetchone() == ("processing",)
    for expected in (5000, 6000):
        row = db.execute(refund).fetchone()
        assert row is not None
        assert row[0]["new_balance"] == expected
    for _ in range(2):
        db.execute(mark)
    db.execute("RESET ROLE")
    assert status(db, "charged") == "failed"
    assert broken(db, "one_refund_per_job")
    assert broken(db, "money_conserved")
    assert rows(db, "monitoring/duplicate_refunds.sql")
