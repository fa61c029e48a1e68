"""Hypothesis draws inputs and schedule, finds a planted race, and shrinks both; what it kept can be replayed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from commands import harness
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from harness.draw import Case, Violated, call, cases, check, runtime, system
from harness.draw.refunds import ROLE, charge, complete, refund, refunds
from harness.errors import NondeterminismError, UserSqlError
from harness.model import Json, Scenario
from harness.scenario import load_scenario

QUIET = settings(
    deadline=None,
    max_examples=300,
    database=None,
    phases=(Phase.generate, Phase.target, Phase.shrink),
    print_blob=False,
)
SHOP = """\
CREATE TABLE accounts (id int PRIMARY KEY, balance int NOT NULL);
CREATE TABLE jobs (id text PRIMARY KEY, account int REFERENCES accounts, status text, amount int);
INSERT INTO accounts VALUES (1, 4000);
INSERT INTO jobs VALUES ('j1', 1, 'processing', 1000), ('j2', 1, 'processing', 500);
CREATE FUNCTION refund(p_job text, p_amount int) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  j jobs;
BEGIN
  SELECT * INTO j FROM jobs WHERE id = p_job;
  IF j.status <> 'processing' OR p_amount > j.amount THEN
    RETURN false;
  END IF;
  UPDATE accounts SET balance = balance + p_amount WHERE id = j.account;
  UPDATE jobs SET status = 'failed' WHERE id = p_job;
  RETURN true;
END $$;
"""
JOB = st.sampled_from(["j1", "j2"])


@pytest.fixture(scope="module", autouse=True)
def _server() -> Iterator[None]:
    yield
    runtime.close()


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    path = tmp_path / "shop.sql"
    path.write_text(SHOP)
    return path


def found_by(cases_: st.SearchStrategy[Case], out: Path) -> tuple[Violated, Case]:
    """What a failing test of somebody's would end with, and the case that Hypothesis ran last."""
    last: list[Case] = []

    @hypothesis.seed(0)
    @QUIET
    @given(cases_)
    def test(case: Case) -> None:
        last.append(case)
        check(case, name="shop_race", out=out)

    with pytest.raises(Violated) as caught:
        test()
    return caught.value, last[-1]


def race_in(shop: Path) -> tuple[Violated, Case]:
    refunding = call("SELECT refund({job}, {amount})", job=JOB, amount=st.integers(1, 1000))
    drawn = cases(system("shop", sql=[shop]), refunding, workers=(2, 4), calls_each=(1, 2))
    return found_by(drawn, shop.parent)


@pytest.fixture(scope="module")
def raced(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Violated, Case]:
    """A shop, and what was found in it."""
    shop = tmp_path_factory.mktemp("raced") / "shop.sql"
    shop.write_text(SHOP)
    return shop, *race_in(shop)


def test_a_race_is_shrunk_to_two_plain_calls_and_one_switch(raced: tuple[Path, Violated, Case]) -> None:
    _, violated, case = raced
    plain = r"\[refund\(job='j1', amount=1\)\]"
    assert re.fullmatch(rf"Case\(w1={plain}, w2={plain}, numbers=Numbers\(\{{\d+: 1\}}\)\)", repr(case))
    assert {v.check for v in violated.counterexample.violations} == {"serial_equivalence"}
    assert "again   harness replay" in str(violated)


def test_the_same_seed_finds_the_same(raced: tuple[Path, Violated, Case]) -> None:
    shop, violated, case = raced
    again, same = race_in(shop)
    assert same == case
    assert again.counterexample.execution.schedule == violated.counterexample.execution.schedule


def test_what_was_kept_is_replayed_and_green_once_the_sql_is_right(raced: tuple[Path, Violated, Case]) -> None:
    shop, violated, _ = raced
    red = harness("replay", violated.counterexample.replay)
    assert (red.returncode, red.stderr) == (1, "")
    assert "reproduced 1 of 1" in red.stdout
    shop.write_text(SHOP.replace("WHERE id = p_job;\n  IF", "WHERE id = p_job FOR UPDATE;\n  IF"))
    green = harness("replay", violated.counterexample.replay)
    shop.write_text(SHOP)
    assert (green.returncode, green.stderr) == (0, ""), green.stdout
    assert "adapted" in green.stdout


def test_isolation_and_several_calls_in_one_transaction(shop: Path, tmp_path: Path) -> None:
    """The level is drawn, worker by worker, and shrinks to the plainest."""
    made = system("shop", sql=[shop])
    levels = st.sampled_from(["read committed", "serializable"])
    refunding = call("SELECT refund({job}, 5)", job=st.just("j1"))
    violated, case = found_by(cases(made, refunding, workers=(2, 2), isolation=levels), tmp_path)
    assert {w.isolation for w in case.workers} == {"read committed"}
    written = load_scenario(tmp_path / "shop_race.yaml")
    assert [s.name for s in written.workers[0].statements] == ["begin", "select", "commit"]
    assert violated.counterexample.scenario == "shop_race"


def test_a_set_up_that_is_drawn(shop: Path, tmp_path: Path) -> None:
    """What breaks needs an opening balance above 901: drawn, and shrunk to the least."""
    shop.write_text(SHOP.replace("WHERE id = p_job;\n  IF", "WHERE id = p_job FOR UPDATE;\n  IF"))
    made = system("shop", sql=[shop], invariants={"rich": "SELECT FROM accounts WHERE balance > 902"})
    opening = st.integers(0, 1000).map(lambda n: [f"UPDATE accounts SET balance = {n}"])
    refunding = call("SELECT refund({job}, 1)", job=st.just("j1"))

    @QUIET
    @given(cases(made, refunding, workers=(2, 2), setup=opening))
    def test(case: Case) -> None:
        check(case, name="opening", out=tmp_path)

    with pytest.raises(Violated) as caught:
        test()
    assert "UPDATE accounts SET balance = 902" in (tmp_path / "opening.yaml").read_text()
    assert {v.check for v in caught.value.counterexample.violations} == {"rich"}


def test_the_file_says_what_was_drawn_for_the_refund_system(tmp_path: Path) -> None:
    """Macros, roles, set-up, the model: read back, it is the same scenario."""
    made = refunds({"j1": "alice", "j2": "bob"})
    calls = (charge("j1", "alice", 7), refund("j1", "bob", 9), complete("j2", "bob"))
    drawn = cases(made, st.sampled_from(calls), calls_each=(1, 3), role=st.sampled_from([ROLE, "anon"]))

    @settings(max_examples=30, deadline=None, database=None)
    @given(drawn)
    def test(case: Case) -> None:
        path = tmp_path / "case.yaml"
        path.write_text(made.text(path, case.entries(), case.setup, "case"))
        written, mine = load_scenario(path), case.scenario
        assert _meaning(written) == _meaning(mine)

    test()


def _meaning(scenario: Scenario) -> Json:
    return (
        scenario.workers, [s.text for s in scenario.setup], scenario.install, scenario.invariants, scenario.state,
        scenario.users, scenario.jobs, scenario.model, scenario.restore,
    )  # fmt: skip


def test_sql_that_the_server_refuses(tmp_path: Path) -> None:
    path = tmp_path / "bad.sql"
    path.write_text("CREATE TABLE t (id int PRIMARY KEY, id int)")
    made = system("bad", sql=[path])

    @QUIET
    @given(cases(made, call("SELECT {x}", x=st.just(1))))
    def test(case: Case) -> None:
        check(case)

    with pytest.raises(UserSqlError, match="specified more than once"):
        test()


def test_a_violation_that_does_not_come_back_is_no_violation(shop: Path, tmp_path: Path) -> None:
    """The function counts its calls where nobody puts anything back: nothing is claimed."""
    shop.write_text(
        "CREATE TABLE t (n int); INSERT INTO t VALUES (0); CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$"
        "BEGIN PERFORM set_config('my.calls', (1 + coalesce(current_setting("
        "'my.calls', true), '0')::int)::text, false);"
        "UPDATE t SET n = n + current_setting('my.calls')::int % 2; END $$"
    )
    made = system("odd", sql=[shop], invariants={"none": "SELECT n FROM t WHERE n > 0"})

    @QUIET
    @given(cases(made, call("SELECT f()"), workers=(2, 2)))
    def test(case: Case) -> None:
        check(case, name="odd", out=tmp_path)

    with pytest.raises(NondeterminismError):
        test()
