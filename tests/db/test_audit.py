"""Audits of real ledgers: what is right is left alone, every planted fault is told once, by the check that names it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from audit_ledgers import CATCH_UP, PLANTS, ROWS_PER_USER, WARNINGS, Plant, plant, told, uuid_of
from audits import Ledgers, audited, check

from harness.audited import Part
from harness.model import Verdict
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget

pytestmark = pytest.mark.own_server("ledgers are owned, granted and replicated as only a superuser may")

SMALL = 20
EVERY = (*PLANTS, *WARNINGS)
WITHOUT_SEQ = """ALTER TABLE public.balance_transactions DROP COLUMN seq"""
USER = 7
# A ledger of somebody else: other names, another schema, unsigned amounts, ids that are numbers, an enum.
OTHER_NAMES = """
CREATE SCHEMA "Pay";
CREATE TYPE "Pay".state AS ENUM ('new', 'busy', 'ok', 'broken');
CREATE TABLE "Pay"."Tasks" (id bigint PRIMARY KEY, account bigint, state "Pay".state);
CREATE TABLE "Pay".wallets (account bigint PRIMARY KEY, credits numeric);
CREATE TABLE "Pay".moves
  (n bigserial, account bigint, what text, credits numeric, was numeric, is_ numeric, info jsonb);
INSERT INTO "Pay"."Tasks" VALUES (1, 1, 'broken'), (2, 1, 'ok'), (3, 1, 'busy');
INSERT INTO "Pay".wallets VALUES (1, 60.5);
INSERT INTO "Pay".moves (account, what, credits, was, is_, info) VALUES
  (1, 'topup', 100.5, 0, 100.5, NULL), (1, 'cost', 10, 100.5, 90.5, '{"ref": {"task": 1}}'),
  (1, 'back', 10, 90.5, 100.5, '{"ref": {"task": 1}}'), (1, 'cost', 15, 100.5, 85.5, '{"ref": {"task": 2}}'),
  (1, 'fee', 25, 85.5, 60.5, '{}');
"""
MAPPING = """\
version: 1
jobs: {table: Pay.Tasks, user: account, status: state, started: null, id: id,
       waiting: [new], processing: [busy], completed: [ok], failed: [broken]}
balances: {table: Pay.wallets, user: account, balance: credits}
transactions: {table: Pay.moves, user: account, type: what, amount: credits, amounts: unsigned, before: was, after: is_,
               seq: n, created: null, job: {column: info, path: [ref, task]},
               charge: [cost], refund: [back], debit: [fee]}
functions: {refund: null, others: []}
roles: {untrusted: [], service: null}
"""


@pytest.fixture
def ledgers(target: EmbeddedTarget, databases: Databases) -> Iterator[Ledgers]:
    made = Ledgers(target, databases)
    yield made
    made.close()


def test_twenty_thousand_rows_with_every_kind_of_fault(ledgers: Ledgers) -> None:
    users = 20_000 // ROWS_PER_USER
    connection = ledgers.opened(users)
    sound = audited(ledgers.dsn(connection))
    assert sound.verdict is Verdict.PASS
    assert told(sound.checks, EVERY) == set()
    assert {t.rows for t in sound.tables} == {users, users * ROWS_PER_USER, users * 12 + 20}
    assert all(c.examined > 0 for c in sound.checks)

    # There is what looks odd and is normal.
    odd = """SELECT count(*) FILTER (WHERE created_at < earlier), count(*) FILTER (WHERE created_at = earlier)
      FROM (SELECT created_at, lag(created_at) OVER (PARTITION BY user_id ORDER BY seq) AS earlier
            FROM balance_transactions) AS t"""
    inversions, ties = connection.execute(odd).fetchone() or (0, 0)
    assert inversions > 1_000
    assert ties > 1_000

    wanted = plant(connection, PLANTS, users, 25)
    assert len({name for name, _ in wanted}) == len(PLANTS) >= 10
    result = audited(ledgers.dsn(connection))
    assert result.verdict is Verdict.VIOLATION
    assert told(result.checks, EVERY) == wanted
    assert sum(c.total for c in result.findings) == 25


@pytest.mark.parametrize("fault", EVERY, ids=lambda p: p.check)
def test_each_fault_trips_its_check_and_no_other(fault: Plant, ledgers: Ledgers) -> None:
    connection = ledgers.opened(SMALL, CATCH_UP)
    wanted = fault.planted(connection, USER)
    result = audited(ledgers.dsn(connection))
    assert told(result.checks, EVERY) == {(fault.check, wanted)}
    assert result.verdict is (Verdict.VIOLATION if fault in PLANTS else Verdict.PASS)
    assert [c.check for c in result.warnings if c.part is Part.LEDGER] == ([] if fault in PLANTS else [fault.check])


def test_a_double_refund_says_how_much_money_is_gone(ledgers: Ledgers) -> None:
    connection = ledgers.opened(SMALL, CATCH_UP)
    for _ in range(2):
        PLANTS[0].planted(connection, USER)
    found = check(audited(ledgers.dsn(connection)), "one_refund_per_job")
    assert (found.total, found.credits, found.credits_mean) == (1, 200, "paid out beyond the charges")
    assert found.rows[0]["refunds"] == 3


def test_rows_are_capped_and_all_are_counted(ledgers: Ledgers) -> None:
    connection = ledgers.opened(SMALL, "UPDATE public.story_jobs SET status = 'completed' WHERE status = 'failed'")
    found = check(audited(ledgers.dsn(connection), limit=3), "completed_not_refunded")
    assert (len(found.rows), found.total) == (3, SMALL * 6)
    assert found.credits == sum(6 * (100 + u % 7 * 10) for u in range(1, SMALL + 1))
    assert [r["job_id"] for r in found.rows] == ["bull:10:0a", "bull:10:1a", "bull:10:2a"]


def test_without_a_sequence_some_order_must_chain(ledgers: Ledgers) -> None:
    connection = ledgers.opened(SMALL, CATCH_UP)
    wanted = {(p.check, p.planted(connection, 2 + n)) for n, p in enumerate(PLANTS)}
    connection.execute(WITHOUT_SEQ)
    assert told(audited(ledgers.dsn(connection)).checks, EVERY) == wanted


def test_without_a_sequence_a_user_may_end_where_they_began(ledgers: Ledgers) -> None:
    connection = ledgers.opened(SMALL, CATCH_UP)
    spent = f"""WITH now AS (SELECT balance FROM user_balances WHERE user_id = '{uuid_of(3)}')
      INSERT INTO balance_transactions (user_id, type, amount, balance_before, balance_after)
      SELECT '{uuid_of(3)}', 'bonus', -balance, balance, 0 FROM now"""
    connection.execute(spent.encode())
    connection.execute(f"UPDATE user_balances SET balance = 0 WHERE user_id = '{uuid_of(3)}'".encode())
    connection.execute(WITHOUT_SEQ)
    assert audited(ledgers.dsn(connection)).verdict is Verdict.PASS
    connection.execute(f"UPDATE user_balances SET balance = 1 WHERE user_id = '{uuid_of(3)}'".encode())
    found = audited(ledgers.dsn(connection))
    assert told(found.checks, EVERY) == {("balance_matches_ledger", uuid_of(3))}


def test_a_balance_without_any_row_is_told(ledgers: Ledgers) -> None:
    lone = "INSERT INTO user_balances (user_id, balance) VALUES (public.audit_user(99), 5), (public.audit_user(98), 0)"
    connection = ledgers.opened(SMALL, lone)
    assert told(audited(ledgers.dsn(connection)).checks, EVERY) == {("balance_matches_ledger", uuid_of(99))}


def test_an_empty_ledger_passes_and_says_that_it_is_empty(ledgers: Ledgers) -> None:
    connection = ledgers.opened(SMALL, "TRUNCATE story_jobs, user_balances, balance_transactions")
    result = audited(ledgers.dsn(connection))
    assert result.verdict is Verdict.PASS
    assert [t.rows for t in result.tables] == [0, 0, 0]


def test_a_ledger_of_other_names(ledgers: Ledgers, tmp_path: Path) -> None:
    mapping = tmp_path / "pay.yaml"
    mapping.write_text(MAPPING)
    connection = ledgers.opened(0, OTHER_NAMES)
    result = audited(ledgers.dsn(connection), mapping)
    assert result.verdict is Verdict.PASS, [c for c in result.checks if c.total]
    assert result.tables[1].name == "Pay.moves"

    connection.execute("""UPDATE "Pay".wallets SET credits = 70.5;
      INSERT INTO "Pay".moves (account, what, credits, was, is_, info)
      VALUES (1, 'back', 10, 60.5, 70.5, '{"ref": {"task": 1}}')""")
    twice = audited(ledgers.dsn(connection), mapping)
    assert [(c.check, c.total, c.credits) for c in twice.findings] == [("one_refund_per_job", 1, 10)]
    assert twice.findings[0].rows[0]["job_id"] == "1"

    connection.execute("""UPDATE "Pay".moves SET credits = 9.75 WHERE n = 3""")
    assert check(audited(ledgers.dsn(connection), mapping), "ledger_arithmetic").credits == 0.25


def test_ids_may_be_texts_whose_collations_differ(ledgers: Ledgers, tmp_path: Path) -> None:
    mapping = tmp_path / "m.yaml"
    mapping.write_text("version: 1\ntransactions: {job: job_id}\n")
    connection = ledgers.opened(SMALL, CATCH_UP)
    connection.execute("""ALTER TABLE story_jobs ALTER job_id TYPE varchar COLLATE "POSIX", ALTER user_id TYPE text;
      ALTER TABLE balance_transactions ADD job_id text COLLATE "ucs_basic";
      UPDATE balance_transactions SET job_id = metadata ->> 'job_id'""")
    assert audited(ledgers.dsn(connection), mapping).verdict is Verdict.PASS
    connection.execute("UPDATE story_jobs SET user_id = 'somebody' WHERE job_id = 'bull:3:0a'")
    assert told(audited(ledgers.dsn(connection), mapping).checks, EVERY) == {("wrong_user", "bull:3:0a")}


def test_a_ledger_that_says_nothing_of_before_and_after(ledgers: Ledgers, tmp_path: Path) -> None:
    mapping = tmp_path / "m.yaml"
    mapping.write_text("version: 1\ntransactions: {before: null, after: null}\n")
    connection = ledgers.opened(SMALL, CATCH_UP)
    sound = audited(ledgers.dsn(connection), mapping)
    assert sound.verdict is Verdict.PASS
    assert {"ledger_chain", "ledger_arithmetic"}.isdisjoint(c.check for c in sound.checks)
    connection.execute("ALTER TABLE public.user_balances DROP CONSTRAINT user_balances_balance_check")
    connection.execute("UPDATE public.user_balances SET balance = -1 WHERE user_id = public.audit_user(4)")
    found = audited(ledgers.dsn(connection), mapping)
    assert {c.check for c in found.findings} == {"balance_matches_ledger", "no_negative_balance"}


def test_monitoring_looks_back_as_far_as_it_is_asked(ledgers: Ledgers) -> None:
    connection = ledgers.opened(SMALL, CATCH_UP)
    PLANTS[0].planted(connection, USER)
    again = "UPDATE balance_transactions SET created_at = now() - interval '30 hours' WHERE metadata ->> 'job_id' = %s"
    connection.execute(again, ["bull:7:3a"])
    where = ledgers.dsn(connection)
    day, highest = audited(where).monitored
    assert day.total == 0
    assert "the last day" in day.title
    assert (highest.total, [r["balance"] for r in highest.rows][:2]) == (20, [14500, 14400])
    week = audited(where, since=("1 weeks", "the last week")).monitored[0]
    assert [(r["job_id"], r["refunds"]) for r in week.rows] == [("bull:7:3a", 2)]
