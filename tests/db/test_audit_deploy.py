"""Audits of how the functions and tables are set up: each fault trips its tick."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from audits import Ledgers, audited, check

from harness.audit.mapping import read_mapping
from harness.audited import Checked
from harness.model import Verdict
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget

pytestmark = pytest.mark.own_server("ledgers are owned, granted and replicated as only a superuser may")

REFUND = "public.refund_job_atomic(text, uuid, integer, text)"
OPEN_HANDED = """CREATE FUNCTION public.gift(u uuid) RETURNS void LANGUAGE sql SECURITY DEFINER {path} AS
  $$ UPDATE public.user_balances SET balance = balance + 1 WHERE user_id = u $$;"""
FINDINGS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "dropped": ("refund_function", f"DROP FUNCTION {REFUND}", {"function": "refund_job_atomic", "found": 0}),
    "overloaded": (
        "refund_function",
        """CREATE FUNCTION public.refund_job_atomic(text) RETURNS void LANGUAGE sql AS 'SELECT';
        REVOKE EXECUTE ON FUNCTION public.refund_job_atomic(text) FROM PUBLIC, anon, authenticated""",
        {"function": "public.refund_job_atomic(text)", "found": 2},
    ),
    "stable": ("refund_volatile", f"ALTER FUNCTION {REFUND} STABLE", {"expected": "VOLATILE"}),
    "owned_by_anon": (
        "function_owner",
        f"GRANT CREATE ON SCHEMA public TO anon; ALTER FUNCTION {REFUND} OWNER TO anon",
        {"owner": "anon"},
    ),
    "granted_to_public": (
        "execute_privilege",
        f"GRANT EXECUTE ON FUNCTION {REFUND} TO PUBLIC",
        {"may_execute": ["PUBLIC", "anon", "authenticated"], "security_definer": True},
    ),
    "granted_to_anon": (
        "execute_privilege",
        "GRANT EXECUTE ON FUNCTION public.refund_balance_atomic(uuid, integer, text, jsonb) TO anon",
        {"may_execute": ["anon"]},
    ),
    "a_function_nobody_named": (
        "execute_privilege",
        OPEN_HANDED.format(path="SET search_path = ''"),
        {"function": "public.gift(uuid)", "may_execute": ["PUBLIC", "anon", "authenticated"]},
    ),
    "no_search_path": ("search_path", f"ALTER FUNCTION {REFUND} RESET search_path", {"search_path": None}),
    "search_path_open_to_all": (
        "search_path",
        f"""CREATE SCHEMA "Open"; GRANT CREATE ON SCHEMA "Open" TO PUBLIC;
        ALTER FUNCTION {REFUND} SET search_path = pg_catalog, "Open", pg_temp""",
        {"search_path": ["pg_catalog", '"Open"', "pg_temp"], "may_create_in": ["Open"]},
    ),
    "search_path_open_to_anon": (
        "search_path",
        f"GRANT CREATE ON SCHEMA public TO anon; ALTER FUNCTION {REFUND} SET search_path = public, pg_temp",
        {"may_create_in": ["public"]},
    ),
    "a_function_nobody_named_without_path": (
        "search_path",
        OPEN_HANDED.format(path="") + "REVOKE EXECUTE ON FUNCTION public.gift(uuid) FROM PUBLIC, anon, authenticated",
        {"function": "public.gift(uuid)"},
    ),
    "balances_written_by_anon": (
        "table_privilege",
        "GRANT UPDATE, INSERT ON public.user_balances TO anon",
        {"table": "public.user_balances", "may_write": ["anon INSERT, UPDATE"]},
    ),
    "ledger_written_by_all": (
        "table_privilege",
        "GRANT DELETE ON public.balance_transactions TO PUBLIC",
        {"may_write": ["PUBLIC DELETE", "anon DELETE", "authenticated DELETE"]},
    ),
}
WARNINGS = {
    "service_may_refund": f"REVOKE EXECUTE ON FUNCTION {REFUND} FROM service_role",
    "search_path_temp": f"ALTER FUNCTION {REFUND} SET search_path = public, pg_catalog",
    "job_key": "ALTER TABLE public.story_jobs DROP CONSTRAINT story_jobs_pkey",
    "balance_key": "ALTER TABLE public.user_balances DROP CONSTRAINT user_balances_pkey",
    "balance_floor": "ALTER TABLE public.user_balances DROP CONSTRAINT user_balances_balance_check",
}
AS_SHIPPED = {"refund_key", "row_security"}
"""What the shipped ledger is advised to have, and has not."""


@pytest.fixture
def ledgers(target: EmbeddedTarget, databases: Databases) -> Iterator[Ledgers]:
    made = Ledgers(target, databases)
    yield made
    made.close()


@pytest.mark.parametrize("fault", FINDINGS)
def test_a_fault_in_the_deployment_is_a_finding(fault: str, ledgers: Ledgers) -> None:
    name, statements, row = FINDINGS[fault]
    result = audited(ledgers.dsn(ledgers.opened(2, statements)))
    assert [c.check for c in result.findings] == [name]
    assert result.verdict is Verdict.VIOLATION
    assert any(row.items() <= dict(found).items() for found in check(result, name).rows)


def test_what_is_missing_for_safety_is_a_warning(ledgers: Ledgers) -> None:
    connection = ledgers.opened(2)
    assert warned(ledgers, connection) == AS_SHIPPED
    for statement in WARNINGS.values():
        connection.execute(statement.encode())
    assert warned(ledgers, connection) == AS_SHIPPED | set(WARNINGS)


def test_row_security_on_all_tables_is_a_tick(ledgers: Ledgers) -> None:
    tables = ("story_jobs", "user_balances", "balance_transactions")
    more = "; ".join(
        f"ALTER TABLE public.{t} ENABLE ROW LEVEL SECURITY; GRANT ALL ON public.{t} TO anon" for t in tables
    )
    result = audited(ledgers.dsn(ledgers.opened(2, more)))
    assert {c.check for c in result.warnings} == {"refund_key"}
    assert result.verdict is Verdict.PASS  # what anon may do to which rows is for the policies to say


@pytest.mark.parametrize(
    ("index", "bars"),
    [
        ("((metadata ->> 'job_id')) WHERE type = 'refund'", True),
        ("(type, (metadata ->> 'job_id')) WHERE type = 'refund' AND metadata ->> 'job_id' IS NOT NULL", True),
        ("((metadata ->> 'job_id')) WHERE type = 'refund' AND amount > 5", False),
        ("((metadata ->> 'job_id'), user_id) WHERE type = 'refund'", False),
        ("((metadata ->> 'job_id'), seq)", False),
        ("((metadata ->> 'job')) WHERE type = 'refund'", False),
        ("((metadata ->> 'job_id')) WHERE type = 'bonus'", False),
    ],
)
def test_an_index_that_bars_a_second_refund(index: str, bars: bool, ledgers: Ledgers) -> None:
    connection = ledgers.opened(0)
    connection.execute(TABLES)
    connection.execute(f"CREATE UNIQUE INDEX the_key ON public.balance_transactions {index}".encode())
    found = check(audited(ledgers.dsn(connection)), "refund_key")
    assert (found.total == 0, found.detail) == ((True, "the_key") if bars else (False, ""))


QUOTED = """
CREATE TABLE public.story_jobs ("check" text PRIMARY KEY, user_id uuid, status text);
CREATE TABLE public.user_balances ("user" uuid UNIQUE, "Net ""cash"" left" integer CHECK ("Net ""cash"" left" >= 0));
CREATE TABLE public.balance_transactions (seq bigint, user_id uuid, "Kind" text, amount integer, for$ jsonb);
CREATE UNIQUE INDEX the_key ON public.balance_transactions ((for$ ->> 'the job''s id')) WHERE "Kind" = 'refund'"""
QUOTED_MAPPING = """version: 1
jobs: {id: check}
balances: {user: user, balance: 'Net "cash" left'}
transactions: {type: Kind, before: null, after: null, job: {column: for$, path: ["the job's id"]}}
"""


def test_names_that_need_quotes_are_those_that_the_server_quotes(ledgers: Ledgers, tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(QUOTED_MAPPING)
    connection, mapping = ledgers.opened(0, QUOTED), read_mapping(tmp_path / "m.yaml")
    named = ("job_key", "balance_key", "refund_key", "balance_floor")
    kept = audited(ledgers.dsn(connection), mapping)
    assert [check(kept, name).total for name in named] == [0, 0, 0, 0]
    connection.execute("""ALTER TABLE public.story_jobs DROP CONSTRAINT story_jobs_pkey, ADD UNIQUE ("check", user_id);
      ALTER TABLE public.user_balances DROP CONSTRAINT user_balances_user_key, ADD other integer,
        DROP CONSTRAINT "user_balances_Net ""cash"" left_check", ADD CHECK (other >= 0);
      DROP INDEX public.the_key; CREATE UNIQUE INDEX ON public.balance_transactions ((for$ ->> 'job'), "Kind")""")
    assert [check(audited(ledgers.dsn(connection), mapping), name).total for name in named] == [1, 1, 1, 1]


TABLES = """
CREATE TABLE public.story_jobs (job_id text, user_id uuid, status text, started_at timestamptz);
CREATE TABLE public.user_balances (user_id uuid, balance integer);
CREATE TABLE public.balance_transactions (seq bigint, user_id uuid, type text, amount integer, balance_before integer,
  balance_after integer, metadata jsonb, created_at timestamptz)"""


def warned(ledgers: Ledgers, connection: Any) -> set[str]:
    result = audited(ledgers.dsn(connection))
    found: tuple[Checked, ...] = result.warnings
    assert not result.findings
    return {c.check for c in found}
