"""The corpus keeps its word: run serially every case behaves as its header says, and at once the broken ones break.

The concurrent runs show only that an outcome is possible; which schedules lead there is for the engine to find.
"""

from __future__ import annotations

import itertools

import pytest
from corpus_cases import FOLDER, NEEDS, CorpusError, cases, parse, statements
from corpus_runs import Bench, tables

from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget

CASES = {case.name: case for case in cases()}

TRIES = 60
"""Concurrent runs before a proof is given up. What is held makes the race certain, so that the first one shows it."""

HELD = {
    "advisory_lock_left": "accounts",
    "advisory_same_statement": "accounts",
    "advisory_wrong_key": "accounts",
    "begin_atomic": "jobs",
    "block_lets_lock_go": "accounts",
    "check_and_mark_apart": "jobs",
    "check_then_act": "accounts",
    "chosen_before_lock": "paid",
    "circle_of_three": "transfers",
    "claim_by_subselect": "paid",
    "completed_is_refunded": "accounts",
    "coupon_three_workers": "uses",
    "cursor_unlocked": "lots",
    "deadlock_swallowed": "transfers",
    "declare_reads": "accounts",
    "deferred_trigger": "checked",
    "dynamic_sql": "accounts",
    "elsif_condition": "accounts",
    "empty_search_path": "accounts",
    "fallback_marks_failed": "accounts",
    "first_wallet_swallowed": "refunds",
    "for_in_select": "wallets",
    "for_share_upgrade": "giftcards",
    "insert_where_not_exists": "accounts",
    "invoice_max_plus_one": "invoices",
    "labels_and_case": "accounts",
    "limit_in_subselect": "spends",
    "lock_on_missing_row": "accounts",
    "lock_order_swapped": "transfers",
    "lock_then_old_snapshot": "refunds",
    "lock_too_late": "accounts",
    "merge_refund": "accounts",
    "nested_two_down": "accounts",
    "never_committed": "jobs",
    "not_exists_for_update": "accounts",
    "nowait_swallowed": "accounts",
    "one_line": "points",
    "one_of_two_serializable": "accounts",
    "partial_refunds": "refunds",
    "procedure_commits_between": "accounts",
    "report_three_workers": "receipts",
    "rowtype_written_back": "accounts",
    "select_then_delete": "accounts",
    "skip_locked_misread": "jobs",
    "sql_function_race": "jobs",
    "stable_helper": "charges",
    "stale_absolute_write": "balances",
    "temporary_table": "accounts",
    "unique_swallowed": "accounts",
    "update_from": "jobs",
    "upsert_overwrites": "wallets",
    "view_and_partition": "accounts",
    "weird_names": '"Billing Dept"."select"',
    "while_condition": "accounts",
    "write_skew_repeatable_read": "accounts",
}
"""Broken case → the table that is held against writers: each of its workers then stops where the race needs it."""

PAUSED = {
    "foreign_key_parent": ("VALUES (p_user, p_amount);", "VALUES (p_user, p_amount); PERFORM pause();"),
    "insert_then_count": ("WHERE job = p_job) = 1;", "WHERE job = p_job) = 1; PERFORM pause();"),
    "not_exists_nowait": ("WHERE j.id = p_job AND", "WHERE (SELECT pause_first()) AND j.id = p_job AND"),
    "not_exists_one_statement": ("WHERE a.id = paid.account;", "WHERE a.id = paid.account; PERFORM pause();"),
    "overloads": ("status = 'processing';", "status = 'processing'; PERFORM pause();"),
    "partial_refunds_trigger": ("RETURN NEW;", "PERFORM pause(); RETURN NEW;"),
    "table_lock_upgrade": ("IN SHARE MODE;", "IN SHARE MODE; PERFORM pause();"),
    "try_lock_in_statement": ("WHERE pg_try_advisory", "WHERE (SELECT pause_first()) AND pg_try_advisory"),
}
"""Broken case → a piece of its SQL, and the same with a pause: where no write of its own stops its workers aptly."""


@pytest.fixture
def bench(target: EmbeddedTarget, databases: Databases, name: str) -> Bench:
    case = CASES[name]
    if "pg15" in case.needs and int(target.server_version.split(".")[0]) < 15:
        pytest.skip("MERGE came with PostgreSQL 15")
    return Bench(target, databases, case)


@pytest.mark.parametrize("name", sorted(CASES))
def test_it_installs_without_rows(bench: Bench) -> None:
    with bench.database(set_up=False) as (_, conn):
        found = tables(conn)
        assert found
        for table in found:
            assert conn.execute(f"SELECT count(*) FROM {table}".encode()).fetchone() == (0,), table


@pytest.mark.parametrize("name", sorted(CASES))
def test_serial_runs_are_as_the_header_says(bench: Bench) -> None:
    case = bench.case
    found: set[str] = set()
    refused: set[str] = set()
    for order in itertools.permutations(range(len(case.calls))):
        failed, told = bench.ran_serially(order)
        found |= failed
        refused |= {each.failed for each in told if each.failed}
        for index, each in zip(order, told, strict=True):
            whole = len(statements(case.calls[index]))
            assert each.failed or each.taken == whole or "liveness" in case.verdicts, (order, index, each)
    assert found == (set(case.verdicts) if case.serially else set())
    assert refused == case.serial_errors


def test_every_broken_case_has_a_proof() -> None:
    broken = sorted(name for name, case in CASES.items() if not case.passes)
    assert sorted([*HELD, *PAUSED]) == broken


@pytest.mark.parametrize("name", sorted(HELD))
def test_the_race_is_real(bench: Bench, name: str) -> None:
    assert_breaks(bench, HELD[name])


@pytest.mark.parametrize("name", sorted(PAUSED))
def test_the_race_is_real_with_a_pause(target: EmbeddedTarget, databases: Databases, name: str) -> None:
    assert_breaks(Bench(target, databases, CASES[name], PAUSED[name]), "pauses")


def assert_breaks(bench: Bench, hold: str) -> None:
    missing = set(bench.case.verdicts)
    for _ in range(TRIES):
        found = bench.ran_at_once(hold)
        assert found <= {*bench.case.verdicts, *bench.case.may}
        missing -= found
        if not missing:
            return
    pytest.fail(f"never seen in {TRIES} concurrent runs: {', '.join(sorted(missing))}")


@pytest.mark.parametrize("name", sorted(name for name, case in CASES.items() if case.passes))
def test_a_correct_case_stays_so_whatever_is_held(bench: Bench) -> None:
    with bench.database(set_up=False) as (_, conn):
        holds = [None] * 5 + list(tables(conn))
    for hold in holds:
        assert bench.ran_at_once(hold) == set(), hold


def test_the_corpus_is_wide() -> None:
    correct = sum(case.passes for case in CASES.values())
    assert len(CASES) >= 100
    assert 0.4 < correct / len(CASES) < 0.6
    assert {need for case in CASES.values() for need in case.needs} == set(NEEDS)


HEADER = """-- about: one line
-- T0  a: reads
-- T1  b: reads
-- verdict: serial_equivalence, once
-- may: deadlock
-- needs: overlap, role
-- setup: SELECT 1
-- setup: SELECT 2
-- call: BEGIN; SELECT f(); COMMIT
-- call: SELECT f()
-- role: service_role
-- serial_error: 23505
-- invariant once: SELECT 1
--   WHERE false

-- a comment of the SQL
CREATE TABLE t ();
"""


def test_a_header_is_read() -> None:
    case = parse(FOLDER / "one.sql", HEADER)
    assert (case.name, case.about, case.race) == ("one", "one line", ("a: reads", "b: reads"))
    assert (case.verdicts, case.serially, case.may) == (("serial_equivalence", "once"), False, ("deadlock",))
    assert case.needs == {"overlap", "role"}
    assert case.setup == ("SELECT 1", "SELECT 2")
    assert [statements(call) for call in case.calls] == [("BEGIN", "SELECT f()", "COMMIT"), ("SELECT f()",)]
    assert (case.role, sorted(case.serial_errors)) == ("service_role", ["23505"])
    assert case.invariants == {"once": "SELECT 1 WHERE false"}
    assert case.sql == "\n-- a comment of the SQL\nCREATE TABLE t ();\n"
    assert HEADER.splitlines()[case.line_offset + 1] == "-- a comment of the SQL"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("-- may: deadlock", "-- mai: deadlock", "one.sql:5: unknown key 'mai'"),
        ("-- may: deadlock", "-- just prose", "one.sql:5: not a header line: '-- just prose'"),
        ("-- may: deadlock", "-- about: again", "one.sql:5: about is given twice"),
        (
            "-- may: deadlock",
            "-- invariant once: SELECT 2\n-- may: deadlock",
            "one.sql:14: invariant once is given twice",
        ),
        ("-- may: deadlock", "-- may: deadlocks", "one.sql:1: no such check: deadlocks"),
        ("-- T1 ", "-- T2 ", "one.sql:3: T2 stands where T1 should"),
        ("overlap, role", "overlaps", "one.sql:1: no such need: overlaps"),
        ("-- verdict: serial_equivalence, once\n", "", "one.sql:1: no verdict"),
        ("-- call: SELECT f()\n", "", "one.sql:1: needs an about and at least two calls"),
        ("-- T1  b: reads", "-- safe: it is not", "one.sql:1: a broken case has a table of its race"),
        ("serial_equivalence, once", "pass", "one.sql:1: a correct case says why it is safe"),
        ("-- call: SELECT f()\n", "-- call: SELECT f('a;b')\n", "one.sql:1: a call holds a semicolon inside a string"),
    ],
)
def test_a_bad_header_is_refused(old: str, new: str, message: str) -> None:
    assert old in HEADER
    with pytest.raises(CorpusError) as caught:
        parse(FOLDER / "one.sql", HEADER.replace(old, new))
    assert str(caught.value).startswith(message)
