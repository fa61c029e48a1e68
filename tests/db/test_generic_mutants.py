"""Generic mutants on a real server: which are killed, which are shown to be equivalent, which survive and with what."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from gate_samples import SAMPLES, TABLES, Sample

from harness.campaign import Options
from harness.db import connect
from harness.fates import Fate, GenericResult, Judged
from harness.model import Scenario, Script, Search, Verdict, Worker
from harness.mutants.generic import run_generic
from harness.mutants.operators import find_mutations
from harness.report.mutants_generic import generic_json, generic_text
from harness.scenario import load_scenario
from harness.statements import make_statement, unique_names
from harness.targets.embedded import EmbeddedTarget

ROOT = Path(__file__).parents[2]
NewDatabase = Callable[..., psycopg.Connection[Any]]
LOCKS = ("drop_lock", "weaken_lock_share", "weaken_lock_skip")

BANK = """
CREATE TABLE accounts (id int PRIMARY KEY, balance int NOT NULL CONSTRAINT not_below CHECK (balance >= 0));
CREATE TABLE jobs (id text PRIMARY KEY, status text NOT NULL);
CREATE TABLE refunds (job text CONSTRAINT once UNIQUE, amount int);
INSERT INTO accounts VALUES (1, 100), (2, 100);
INSERT INTO jobs VALUES ('j1', 'processing'), ('j2', 'processing');
CREATE FUNCTION refund(p_job text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  v_balance int;
BEGIN
  UPDATE jobs SET status = 'failed' WHERE id = p_job AND status = 'processing';
  IF NOT FOUND THEN
    RETURN 'refused';
  END IF;
  SELECT balance INTO v_balance FROM accounts WHERE id = 1;
  UPDATE accounts SET balance = balance + 10 WHERE id = 1;
  INSERT INTO refunds VALUES (p_job, 10);
  RETURN 'refunded';
END $$;
"""


def system(sql: str, *calls: str, **more: Any) -> Scenario:
    """What `harness check` would make of these calls, statements separated by semicolons."""
    workers = tuple(
        Worker(name=f"w{n}", statements=tuple(unique_names(make_statement(s) for s in call.split("; "))))
        for n, call in enumerate(calls, 1)
    )
    invariants = tuple(Script(name=name, text=text) for name, text in more.items())
    return Scenario(
        name="bank", about="", file="", text_hash="", install=(Script(name="bank.sql", text=sql),), setup=(),
        workers=workers, interleavings=(Search(strategy="auto"),), expect={}, expect_violation=(),
        invariants=invariants, state=(), users=(), jobs=(), fresh_database=False, restore=True,
    )  # fmt: skip


def run(target: EmbeddedTarget, scenario: Scenario, *operators: str, jobs: int = 2, **options: Any) -> GenericResult:
    return run_generic(scenario, target, Options(**options), jobs=jobs, operators=operators)


def fates(result: GenericResult) -> dict[str, Fate]:
    found = {j.mutation.name: j.fate for j in result.judged}
    assert len(found) == len(result.judged)
    return found


def one(result: GenericResult, name: str) -> Judged:
    [found] = [j for j in result.judged if j.mutation.name == name]
    return found


# --------------------------------------------------------------------------------------------- the shipped functions


def test_two_refunds_of_one_job(target: EmbeddedTarget) -> None:
    scenario = load_scenario(ROOT / "scenarios" / "double_workers.yaml")
    scenario = replace(scenario, interleavings=scenario.interleavings[-1:])
    result = run(target, scenario, *LOCKS, "drop_statement", "drop_check")
    assert (result.original, result.exhausted, result.outcomes, result.untouched) == (Verdict.PASS, True, 2, ())
    assert fates(result) == {
        # The lock on the job keeps the two apart already.
        "refund_balance_atomic:19 drop_lock": Fate.EQUIVALENT,
        "refund_balance_atomic:19 weaken_lock_share": Fate.EQUIVALENT,
        "refund_balance_atomic:19 weaken_lock_skip": Fate.EQUIVALENT,
        "refund_job_atomic:22 drop_lock": Fate.KILLED,
        "refund_job_atomic:22 weaken_lock_share": Fate.KILLED,
        "refund_job_atomic:22 weaken_lock_skip": Fate.SURVIVED,
        "refund_balance_atomic:33 drop_statement": Fate.KILLED,
        "refund_job_atomic:57 drop_statement": Fate.KILLED,
        # A refund that is refused, always, breaks no invariant: one would have to say that it must succeed.
        "refund_balance_atomic:28 drop_statement": Fate.SURVIVED,
        "refund_job_atomic:48 drop_statement": Fate.SURVIVED,
        "balance_transactions.balance_transactions_metadata_check drop_check": Fate.EQUIVALENT,
        "balance_transactions.balance_transactions_type_check drop_check": Fate.EQUIVALENT,
        "story_jobs.story_jobs_status_check drop_check": Fate.EQUIVALENT,
        "user_balances.user_balances_balance_check drop_check": Fate.EQUIVALENT,
    }
    assert (result.score, result.verdict) == (4 / 7, Verdict.VIOLATION)
    double = one(result, "refund_job_atomic:22 drop_lock")
    assert (double.check, double.first) == ("one_refund_per_job", 3)
    assert {"serial_equivalence", "money_conserved"} <= set(double.checks)
    assert one(result, "refund_job_atomic:22 weaken_lock_share").check == "deadlock"
    skipped = one(result, "refund_job_atomic:22 weaken_lock_skip").difference
    assert skipped is not None
    assert skipped.value["error"] == "Job not found"
    lost = one(result, "refund_job_atomic:48 drop_statement").difference
    assert lost is not None
    assert (lost.subject, lost.value, lost.usual) == ("user_balances.balance", 4000, (5000,))
    text = generic_text(result)
    assert "score 57%: 4 of 7 mutants killed" in text
    assert "user_balances.balance 4000; every interleaving of the original gives 5000" in text


def test_what_an_exact_order_expects_is_a_check_too(target: EmbeddedTarget) -> None:
    scenario = load_scenario(ROOT / "scenarios" / "double_workers.yaml")
    result = run(target, scenario, "weaken_lock_skip")
    assert fates(result) == {
        "refund_balance_atomic:19 weaken_lock_skip": Fate.EQUIVALENT,
        "refund_job_atomic:22 weaken_lock_skip": Fate.KILLED,
    }
    assert one(result, "refund_job_atomic:22 weaken_lock_skip").check == "blocking"
    assert (result.score, result.verdict) == (1, Verdict.PASS)


# -------------------------------------------------------------------------------------------------- without invariants


def test_what_is_wrong_even_serially_survives_and_is_shown(target: EmbeddedTarget) -> None:
    scenario = system(BANK, "SELECT refund('j1')", "SELECT refund('j1')")
    result = run(target, scenario, "drop_conjunct", "drop_guard", "drop_check", "drop_unique")
    assert fates(result) == {
        "refund:5 drop_conjunct": Fate.SURVIVED,
        "refund:5 drop_conjunct (2)": Fate.SURVIVED,
        "refund:6 drop_guard": Fate.SURVIVED,
        "refund:9 drop_conjunct": Fate.EQUIVALENT,
        "refund:10 drop_conjunct": Fate.SURVIVED,
        "accounts.accounts_pkey drop_unique": Fate.EQUIVALENT,
        "accounts.not_below drop_check": Fate.EQUIVALENT,
        "jobs.jobs_pkey drop_unique": Fate.EQUIVALENT,
        # The status keeps the second refund away.
        "refunds.once drop_unique": Fate.EQUIVALENT,
    }
    assert (result.score, result.verdict) == (0, Verdict.VIOLATION)
    twice = one(result, "refund:5 drop_conjunct").difference
    assert twice is not None
    assert (twice.subject, twice.row, twice.value, twice.usual) == ("jobs.status", "id j2", "failed", ("processing",))
    both = one(result, "refund:10 drop_conjunct").difference
    assert both is not None
    assert (both.subject, both.row, both.value, both.usual) == ("accounts.balance", "id 2", 110, (100,))
    # The unique constraint turns the second refund into an error: the ledger is right, the answer is not.
    refused = one(result, "refund:6 drop_guard").difference
    assert refused is not None
    assert (refused.subject, refused.value) == ("answer of w2.select", "error 23505")
    found = generic_json(result)
    assert found["counts"] == {
        "killed": 0, "equivalent": 5, "survived": 4, "unproven": 0, "error": 0, "stillborn": 0,
    }  # fmt: skip
    assert [m["line"] for m in found["mutants"]] == [5, 5, 6, 9, 10, None, None, None, None]


def test_one_that_differs_in_an_answer_only_is_not_called_equivalent(target: EmbeddedTarget) -> None:
    sql = (
        "CREATE TABLE t (id int PRIMARY KEY, done boolean NOT NULL); INSERT INTO t VALUES (1, false);"
        "CREATE FUNCTION f() RETURNS text LANGUAGE plpgsql AS $$ BEGIN UPDATE t SET done = true WHERE NOT done;\n"
        "IF NOT FOUND THEN RETURN 'late'; END IF; RETURN 'first'; END $$;"
    )
    result = run(target, system(sql, "SELECT f()", "SELECT f()"), "drop_guard", "drop_conjunct")
    assert fates(result) == {"f:1 drop_conjunct": Fate.SURVIVED, "f:2 drop_guard": Fate.SURVIVED}
    for judged in result.judged:
        assert judged.difference is not None
        # Both may be first, and neither is late: each answer is known, the two together are new.
        assert (judged.difference.subject, judged.difference.usual) == ("ledger and answers together", ())
        assert judged.difference.value == {"w1": ["first"], "w2": ["first"]}


def test_a_race_is_killed_by_the_serial_check(target: EmbeddedTarget) -> None:
    scenario = system(BANK, "SELECT refund('j1')", "SELECT refund('j2')")
    result = run(target, scenario, "absolute_write", "swap_statements")
    assert fates(result) == {
        "refund:10 absolute_write": Fate.KILLED,
        # Who reads before and who after: nothing is made of what is read, and nothing of the order of the writes.
        "refund:9 swap_statements": Fate.EQUIVALENT,
        "refund:10 swap_statements": Fate.EQUIVALENT,
    }
    assert one(result, "refund:10 absolute_write").check == "serial_equivalence"
    assert one(result, "refund:10 absolute_write").mutation.after == "balance = v_balance + …"


def test_transactions_taken_apart(target: EmbeddedTarget) -> None:
    give, take = (
        f"UPDATE accounts SET balance = balance {change} WHERE id = {n}" for n, change in ((2, "+ 60"), (1, "- 60"))
    )
    procedure = f"CREATE PROCEDURE pay() LANGUAGE plpgsql AS $$ BEGIN {give};\n{take}; END $$;"
    total = "SELECT sum(balance) FROM accounts HAVING sum(balance) <> 200"
    scenario = system(BANK + procedure, f"BEGIN; {give}; {take}; COMMIT", "CALL pay()", total=total)
    result = run(target, scenario, "split_transaction")
    # There is money for one of the two: the other's gift must not stay.
    assert fates(result) == {"pay:1 split_transaction": Fate.KILLED, "w1.begin split_transaction": Fate.KILLED}
    assert {j.check for j in result.judged} == {"total"}
    # Taken first, nothing is given that was not there; but who looks in between sees it.
    calls = (f"BEGIN; {take}; {give}; COMMIT", "SELECT sum(balance)::int FROM accounts")
    result = run(target, system(BANK, *calls, total=total), "split_transaction")
    assert fates(result) == {"w1.begin split_transaction": Fate.SURVIVED}
    [seen] = result.survivors
    assert seen.difference is not None
    assert (seen.difference.subject, seen.difference.value, seen.difference.usual) == (
        "answer of w2.select",
        140,
        (200,),
    )


def test_constraints_that_the_functions_rest_on(target: EmbeddedTarget) -> None:
    spend = (
        "CREATE FUNCTION spend(p_job text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN\n"
        "INSERT INTO refunds VALUES (p_job, 60);\nUPDATE accounts SET balance = balance - 60 WHERE id = 1;\n"
        "RETURN 'spent'; EXCEPTION WHEN unique_violation OR check_violation THEN RETURN 'refused'; END $$;"
    )
    checks = {
        "once_each": "SELECT job FROM refunds GROUP BY 1 HAVING count(*) > 1",
        "below_zero": "SELECT * FROM accounts WHERE balance < 0",
        "only_alice": "SELECT * FROM accounts WHERE id = 2 AND balance <> 100",
    }
    operators = ("drop_unique", "drop_check", "drop_conjunct")
    poor = run(target, system(BANK + spend, "SELECT spend('j1')", "SELECT spend('j2')", **checks), *operators)
    assert one(poor, "spend:3 drop_conjunct").check == "only_alice"
    assert one(poor, "accounts.not_below drop_check").check == "below_zero"
    assert fates(poor)["refunds.once drop_unique"] is Fate.EQUIVALENT
    rich = BANK.replace("(1, 100)", "(1, 1000)") + spend
    plenty = run(target, system(rich, *["SELECT spend('j1')"] * 2, **checks), *operators)
    assert one(plenty, "refunds.once drop_unique").check == "once_each"
    assert fates(plenty)["accounts.not_below drop_check"] is Fate.EQUIVALENT


# -------------------------------------------------------------------------------------------------- what cannot be told


def test_an_original_that_is_not_green_gives_nothing_to_measure(target: EmbeddedTarget) -> None:
    scenario = system(BANK, "SELECT refund('j1')", "SELECT refund('j1')", never="SELECT * FROM refunds")
    result = run(target, scenario, *LOCKS, "drop_statement")
    assert (result.original, result.verdict, result.judged) == (Verdict.VIOLATION, Verdict.VIOLATION, ())
    assert result.score is None
    assert "nothing to measure" in generic_text(result)
    alone = run(target, system(BANK, "SELECT refund('j1')"), "drop_statement")
    assert (alone.verdict, alone.judged) == (Verdict.INCONCLUSIVE, ())


def test_what_was_not_exhausted_is_never_called_equivalent(target: EmbeddedTarget) -> None:
    scenario = system(BANK, "SELECT refund('j1')", "SELECT refund('j2')")
    result = run(target, scenario, "drop_check", "drop_conjunct", schedules=4)
    assert (result.original, result.exhausted) == (Verdict.PASS, False)
    assert {j.fate for j in result.judged} == {Fate.UNPROVEN}
    assert all("the original was not exhausted (4 schedules)" in j.reason for j in result.judged)
    seen = [j for j in result.judged if j.difference is not None]
    assert one(result, "refund:10 drop_conjunct") in seen
    assert result.verdict is Verdict.VIOLATION


def test_what_the_server_does_not_take_is_stillborn(target: EmbeddedTarget) -> None:
    sql = (
        "CREATE TABLE t (id int CONSTRAINT once UNIQUE); CREATE FUNCTION f() RETURNS bigint LANGUAGE sql AS "
        "'INSERT INTO t VALUES (1) ON CONFLICT (id) DO NOTHING; SELECT count(*) FROM t';"
    )
    result = run(target, system(sql, "SELECT f()", "SELECT f()"), "swap_statements", "drop_unique", "drop_statement")
    assert fates(result)["f:1 swap_statements"] is Fate.STILLBORN
    assert one(result, "f:1 swap_statements").reason.startswith("return type mismatch")
    assert fates(result)["t.once drop_unique"] is Fate.STILLBORN
    assert one(result, "t.once drop_unique").reason.startswith("when it runs: 42P10")
    assert fates(result)["f:1 drop_statement"] is Fate.SURVIVED
    assert result.score == 0


def test_the_set_up_may_not_live_with_a_mutant(target: EmbeddedTarget) -> None:
    scenario = system(BANK, "SELECT refund('j1')", "SELECT refund('j1')")
    once = "DO $$ BEGIN INSERT INTO refunds VALUES ('j0', 1), ('j0', 1); RAISE 'no constraint'; EXCEPTION WHEN unique_violation THEN NULL; END $$"  # noqa: E501
    result = run(target, replace(scenario, setup=(Script(name="setup[0]", text=once),)), "drop_unique")
    assert fates(result)["refunds.once drop_unique"] is Fate.STILLBORN
    assert "no constraint" in one(result, "refunds.once drop_unique").reason


def test_jobs_make_no_difference(target: EmbeddedTarget) -> None:
    paid = "SELECT * FROM refunds WHERE NOT EXISTS (SELECT FROM accounts WHERE balance = 110)"
    scenario = system(BANK, "SELECT refund('j1')", "SELECT refund('j1')", paid=paid)
    results = [generic_json(run(target, scenario, "drop_guard", "drop_statement", jobs=jobs)) for jobs in (1, 3)]
    for result in results:
        del result["elapsed_s"]
        for mutant in result["mutants"]:
            del mutant["elapsed_s"]
    assert results[0] == results[1]
    assert [m["name"] for m in results[0]["mutants"] if m["check"] == "paid"] == ["refund:10 drop_statement"]


def test_mutants_leave_no_databases(target: EmbeddedTarget) -> None:
    def databases() -> int:
        with connect(target.conninfo(target.maintenance_database), application_name="test") as connection:
            [count] = connection.execute("SELECT count(*) FROM pg_database").fetchone() or (0,)
            return int(count)

    scenario = system(BANK, "SELECT refund('j1')", "SELECT refund('j1')")
    before = databases()
    assert len(run(target, scenario, "drop_unique").judged) == 3
    # What the original had stays until the server goes: as installed, and with gates.
    assert databases() - before == 2


# ----------------------------------------------------------------------------------------------------- all sorts of SQL

REFUSED = {"sql functions": {"f:5 swap_statements", "g:1 swap_statements"}}
"""The last statement of an SQL function gives its result."""


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: s.name)
def test_the_server_takes_the_mutants_and_keeps_the_originals(sample: Sample, new_database: NewDatabase) -> None:
    connection = new_database()
    connection.execute((TABLES + sample.sql).encode())
    bodies = "SELECT oid, pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY 1"
    before = connection.execute(bodies.encode()).fetchall()
    worker = Worker(name="w", statements=tuple(make_statement(call) for call in sample.calls))
    found = find_mutations(connection, [worker])
    assert {s.mutation.name for s in found.stillborn} == REFUSED.get(sample.name, set())
    assert connection.execute(bodies.encode()).fetchall() == before
    assert found.mutations
    assert len({m.name for m in found.mutations}) == len(found.mutations)
    for mutation in found.mutations:
        if mutation.sql.startswith("CREATE"):
            with connection.transaction(force_rollback=True):
                connection.execute(mutation.sql.encode())
                after = connection.execute(bodies.encode()).fetchall()
                assert sum(a != b for a, b in zip(after, before, strict=True)) == 1


def names(connection: psycopg.Connection[Any], call: str, operators: Collection[str]) -> list[str]:
    worker = Worker(name="w", statements=(make_statement(call),))
    return [m.name for m in find_mutations(connection, [worker], operators).mutations]


def test_constraints_that_can_go(new_database: NewDatabase) -> None:
    connection = new_database()
    connection.execute(
        b"CREATE TABLE parent (id int PRIMARY KEY, code text UNIQUE, n int CHECK (n > 0));"
        b"CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent, during int4range,"
        b'  CONSTRAINT "odd ""name" CHECK (id > 0), EXCLUDE USING gist (during WITH &&));'
        b"CREATE UNIQUE INDEX one_open ON child (parent) WHERE id > 5;"
        b"CREATE TABLE other (id int PRIMARY KEY);"
    )
    call = "INSERT INTO child SELECT 1, id FROM parent"
    assert names(connection, call, ("drop_unique", "drop_check")) == [
        "child.child_during_excl drop_unique",
        "child.child_pkey drop_unique",
        'child.odd "name drop_check',
        "parent.parent_code_key drop_unique",
        "parent.parent_n_check drop_check",
        "child.one_open drop_unique",
    ]


def test_triggers_and_what_functions_call_are_reached(new_database: NewDatabase) -> None:
    connection = new_database()
    connection.execute(
        (
            BANK + "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN DELETE FROM refunds; RETURN NEW; END $$;"
            "CREATE TRIGGER note AFTER UPDATE ON jobs FOR EACH ROW EXECUTE FUNCTION note();"
            "CREATE FUNCTION outer_one() RETURNS text LANGUAGE sql AS $$ SELECT refund('j1') $$;"
            "CREATE FUNCTION not_called() RETURNS void LANGUAGE sql AS $$ DELETE FROM jobs; DELETE FROM refunds $$;"
        ).encode()
    )
    assert names(connection, "SELECT outer_one()", ("drop_statement",)) == [
        "note:1 drop_statement", "refund:5 drop_statement", "refund:10 drop_statement", "refund:11 drop_statement",
    ]  # fmt: skip
