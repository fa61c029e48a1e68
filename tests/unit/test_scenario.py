"""Good scenario files: what the loader makes of them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ScenarioError
from harness.model import Action, Call, Choice, Order, OrderStep, Scenario, Search, StatementKind, Worker
from harness.resources import shipped
from harness.scenario import load_scenario
from harness.scenario.names import LEDGER_INVARIANTS

MINIMAL = "version: 1\nname: small\nworkers: {a: {statements: [SELECT 1]}}\n"
CALLS = {name: (shipped("sql") / "calls" / f"{name}.sql").read_text() for name in ("refund", "charge", "complete")}


def load(tmp_path: Path, text: str) -> Scenario:
    path = tmp_path / "small.yaml"
    path.write_text(text, encoding="utf-8")
    return load_scenario(path)


def worker(tmp_path: Path, **spec: Any) -> Worker:
    """A worker by its mapping; JSON is YAML."""
    return load(tmp_path, f"version: 1\nname: small\nworkers: {{w: {json.dumps(spec)}}}\n").workers[0]


def names(tmp_path: Path, *statements: Any) -> list[str]:
    return [s.name for s in worker(tmp_path, statements=statements).statements]


def expanded(call: str, values: Mapping[str, str]) -> str:
    """The shipped SQL of a call, by hand."""
    sql = "".join(line for line in CALLS[call].splitlines(keepends=True) if not line.startswith("--")).strip(" ;\n")
    return re.sub(r":'(\w+)'", lambda m: values[m[1]], sql)


def test_defaults(tmp_path: Path) -> None:
    s = load(tmp_path, MINIMAL)
    assert (s.name, s.about, s.file) == ("small", "", str(tmp_path / "small.yaml"))
    migrations = sorted((shipped("sql") / "migrations").glob("*.sql"))
    assert [i.name for i in s.install] == [f"migrations/{p.name}" for p in migrations]
    assert [i.text for i in s.install] == [p.read_text() for p in migrations]
    assert tuple(i.name for i in s.invariants) == LEDGER_INVARIANTS
    assert all(i.about for i in s.invariants)
    assert {i.name for i in s.state} == {"story_jobs", "user_balances", "balance_transactions"}
    assert s.interleavings == (Search(strategy="auto", inside=True),)
    assert (s.setup, s.users, s.jobs, s.expect, s.expect_violation, s.fresh_database) == ((), (), (), {}, (), False)
    [only] = s.workers
    assert (only.name, only.role, only.on_sigterm, only.keep_going) == ("a", None, "exit", False)


@pytest.mark.parametrize(
    "text", ["\ufeff" + MINIMAL, MINIMAL.replace("\n", "\r\n"), MINIMAL + "about: &x a\n# &x\n..."]
)
def test_other_ways_to_write_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "small.yaml").write_bytes(text.encode())
    assert load_scenario(tmp_path / "small.yaml").workers[0].statements[0].sql == "SELECT 1"


def test_an_anchor_may_be_used_again(tmp_path: Path) -> None:
    assert load(tmp_path, MINIMAL + "about: &a one\nusers: [&a bob, carol]\njobs: [j1]\n").users == ("bob", "carol")


def test_users_and_jobs_are_declared_or_mentioned(tmp_path: Path) -> None:
    s = load(
        tmp_path,
        "version: 1\nname: x\nusers: [zoe]\njobs: [j9]\nsetup:\n  - user: {name: bob, balance: 5}\n"
        "  - job: {job: j2, user: carol}\n  - charge: {job: j1, user: alice, amount: 1}\nworkers:\n"
        "  a: {transaction: [{complete: {job: j3, user: dave}}]}\n"
        "  b: {statements: [{legacy_refund: {job: j4, user: erin, amount: 1}}, \"SELECT :'zoe', :'run', :'users'\"]}\n",
    )
    assert s.users == ("zoe", "bob", "carol", "alice", "dave", "erin")
    assert s.jobs == ("j9", "j2", "j1", "j3", "j4")


@pytest.mark.parametrize(
    ("macro", "spec", "call", "values"),
    [
        ("refund", {"job": "j1", "user": "alice", "amount": 1000, "error": "it's \\ over"},
         Call(kind="refund", job="j1", user="alice", amount=1000),
         {"job": ":'j1'", "user": ":'alice'", "amount": "1000", "error": " E'it''s \\\\ over'"}),
        ("refund", {"job": "user", "user": "job", "amount": 7, "error": "see :'job'"},
         Call(kind="refund", job="user", user="job", amount=7),
         {"job": ":'user'", "user": ":'job'", "amount": "7", "error": "'see :''job'''"}),
        ("charge", {"job": "j1", "user": "alice", "amount": 5}, Call(kind="charge", job="j1", user="alice", amount=5),
         {"job": ":'j1'", "user": ":'alice'", "amount": "5"}),
        ("complete", {"job": "j1", "user": "alice", "story": "s"}, Call(kind="complete", job="j1", user="alice"),
         {"job": ":'j1'", "user": ":'alice'", "story": "'s'"}),
    ],
)  # fmt: skip
def test_macros_become_the_shipped_sql(
    tmp_path: Path, macro: str, spec: dict[str, Any], call: Call, values: dict[str, str]
) -> None:
    [statement] = worker(tmp_path, statements=[{macro: spec, "continue_if": {"ok": True}}]).statements
    assert statement.sql == expanded(macro, values)
    assert (statement.name, statement.call, statement.kind) == (macro, call, StatementKind.QUERY)
    assert statement.continue_if == {"ok": True}


def test_the_legacy_refund_is_three_statements(tmp_path: Path) -> None:
    old = {"legacy_refund": {"job": "j1", "user": "alice", "amount": 1000, "error": "late"}}
    select, refund, mark = worker(tmp_path, statements=[old]).statements
    assert [s.name for s in (select, refund, mark)] == ["select", "refund", "mark"]
    assert select.sql == "SELECT status FROM story_jobs WHERE job_id = :'j1'"
    assert select.continue_if == {"status": "processing"}
    assert ":'alice', 1000, 'late'" in refund.sql
    assert mark.sql.startswith("UPDATE story_jobs SET status = 'failed', error = 'late'")


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        (["BEGIN", "SELECT 1", "COMMIT"], ["begin", "select", "commit"]),
        (["START TRANSACTION", "ABORT", "END"], ["begin", "rollback", "commit"]),
        (["SELECT 1", "select 2", "-- c\nSELECT 3"], ["select", "select_2", "select_3"]),
        (["(SELECT 1)", "WITH x AS (SELECT 1) TABLE x", "CREATE TABLE t ()"], ["select", "with", "create"]),
        ([{"sql": "SELECT 1", "name": "look"}, {"sql": "SELECT 1", "name": "look"}], ["look", "look_2"]),
        ([{"sql": "SELECT 1", "name": n} for n in ("x_2", "x", "x", "x")], ["x_2", "x", "x_3", "x_4"]),
        ([{"apply": "rollback"}, {"apply": "rollback.sql"}], ["apply", "apply_2"]),
    ],
)
def test_names_of_steps(tmp_path: Path, statements: list[Any], expected: list[str]) -> None:
    assert names(tmp_path, *statements) == expected


@pytest.mark.parametrize(
    ("isolation", "begin"),
    [(None, "BEGIN"), ("serializable", "BEGIN ISOLATION LEVEL SERIALIZABLE"),
     ("repeatable read", "BEGIN ISOLATION LEVEL REPEATABLE READ")],
)  # fmt: skip
def test_a_transaction_is_spelt_out(tmp_path: Path, isolation: str | None, begin: str) -> None:
    made = worker(tmp_path, transaction=["SELECT 1"], isolation=isolation, role="clerk", on_sigterm="finish")
    assert [(s.name, s.sql, s.kind) for s in made.statements] == [
        ("begin", begin, "begin"), ("select", "SELECT 1", "query"), ("commit", "COMMIT", "commit"),
    ]  # fmt: skip
    assert (made.role, made.on_sigterm) == ("clerk", "finish")


def test_orders_and_expectations(tmp_path: Path) -> None:
    s = load(
        tmp_path,
        """\
version: 1
name: x
workers:
  a: {transaction: [SELECT 1]}
  b: {statements: [SELECT 1, SELECT 2], on_sigterm: finish}
orders:
  - [a.begin, a.select, b.select: blocked, a.commit: killed, b.term, b.select_2]
  - {name: killed, order: [a.begin, a.kill], expect: {b: [{x: 1}, {sqlstate: "40001"}]}}
  - all
  - random_walk
  - {strategy: random_walk, schedules: 7}
  - {strategy: pct, points: statements}
expect: {a: {x: [1, null, {y: true}]}, violation: [deadlock, one_refund_per_job]}
""",
    )
    first, second, *searches = s.interleavings
    assert isinstance(first, Order)
    assert [(str(step.choice), step.blocked) for step in first.steps] == [
        ("a.begin", False), ("a.select", False), ("b.select", True), ("a.commit!killed", False), ("b.term", False),
        ("b.select_2", False),
    ]  # fmt: skip
    steps = (
        OrderStep(choice=Choice(worker="a", step="begin")),
        OrderStep(choice=Choice(worker="a", action=Action.KILL)),
    )
    assert second == Order(steps=steps, name="killed", expect={"b": ({"x": 1}, {"sqlstate": "40001"})})
    assert searches == [
        Search(strategy="exhaustive", inside=False), Search(strategy="random_walk"),
        Search(strategy="random_walk", schedules=7), Search(strategy="pct", inside=False),
    ]  # fmt: skip
    assert s.expect == {"a": {"x": [1, None, {"y": True}]}}
    assert s.expect_violation == ("deadlock", "one_refund_per_job")
    assert load(tmp_path, MINIMAL + "expect: {violation: liveness}\n").expect_violation == ("liveness",)


@pytest.mark.parametrize(
    ("extra", "fresh", "restore"),
    [
        ("", False, True),
        ("install: [migrations, variants/as_described.sql]\n", False, True),
        ("install: [own.sql]\n", False, True),
        ("  b: {statements: [CREATE TABLE t ()]}\n", True, False),
        ("  b: {statements: [{apply: rollback}]}\n", True, False),
    ],
)
def test_when_an_execution_needs_a_database_of_its_own(tmp_path: Path, extra: str, fresh: bool, restore: bool) -> None:
    (tmp_path / "own.sql").write_text("SELECT 1")
    block = "version: 1\nname: small\nworkers:\n  a: {statements: [SELECT 1]}\n"
    s = load(tmp_path, block + extra)
    assert (s.fresh_database, s.restore) == (fresh, restore)
    if "own" in extra:
        assert (s.invariants, s.state) == ((), ())


def test_own_files_are_read_in_order_and_beside_the_scenario(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "20.sql").write_text("\ufeffSELECT 20", encoding="utf-8")
    (tmp_path / "more" / "10.sql").write_text("SELECT 10 -- no semicolon")
    (tmp_path / "more" / "notes.txt").write_text("no SQL")
    (tmp_path / "mine.sql").write_text("-- A row means: it is odd.\nSELECT 1 WHERE false AND :'users' <> :'alice';\n")
    s = load(
        tmp_path,
        "version: 1\nname: x\ninstall: [more/, mine.sql]\nusers: [alice]\ninvariants: [mine.sql, duplicate_refunds]\n"
        "workers: {a: {statements: [{apply: more}]}}\n".replace("mine.sql]\nusers", "more/10.sql]\nusers"),
    )
    assert [(i.name, i.text) for i in s.install] == [
        ("more/10.sql", "SELECT 10 -- no semicolon"), ("more/20.sql", "SELECT 20"),
        ("more/10.sql", "SELECT 10 -- no semicolon"),
    ]  # fmt: skip
    assert [i.name for i in s.invariants] == ["mine", "duplicate_refunds"]
    assert (s.invariants[0].about, s.invariants[0].text[:8]) == ("it is odd", "SELECT 1")
    assert s.workers[0].statements[0].sql == "SELECT 10 -- no semicolon\n;\nSELECT 20"


def test_set_up(tmp_path: Path) -> None:
    s = load(
        tmp_path,
        MINIMAL + "setup:\n  - charge: {user: alice, job: j1, opening: 5, amount: 3}\n"
        "  - job: {user: alice, job: j2, status: failed}\n  - |\n    SELECT 1 -- one\n    ; SELECT :'j1'; -- two\n",
    )
    assert [i.name for i in s.setup] == ["setup[0]", "setup[1]", "setup[2]"]
    assert s.setup[2].text == "SELECT 1;\nSELECT :'j1'"
    assert "VALUES (:'alice', 5);\nINSERT INTO public.balance_transactions" in s.setup[0].text
    assert "'failed'" in s.setup[1].text


def test_the_hash_is_of_all_that_is_used(tmp_path: Path) -> None:
    files = {name: tmp_path / f"{name}.sql" for name in ("installed", "applied", "invariant", "unused")}
    for path in files.values():
        path.write_text("SELECT 1")
    text = (
        "version: 1\nname: x\ninstall: [installed.sql]\ninvariants: [invariant.sql]\n"
        "workers: {a: {statements: [{apply: applied.sql}]}}\n"
    )
    before = load(tmp_path, text).text_hash
    assert re.fullmatch("[0-9a-f]{64}", before)
    for name, path in files.items():
        path.write_text("SELECT 2")
        assert (load(tmp_path, text).text_hash != before) is (name != "unused"), name
        path.write_text("SELECT 1")
    assert load(tmp_path, text).text_hash == before
    assert load(tmp_path, text + "# a remark\n").text_hash != before


@pytest.mark.parametrize(
    "statement",
    [
        "SELEKT 1",
        "SELECT 'ґ😀', 1 SELEKT 2",
        "{sql: SELECT 'ґ' WHERE true SELEKT 2}",
        "'SELECT ''a'', ''ґ'' FROM x SELEKT 2'",
        '"SELECT \\"a\\", \'\\u0491\\x41\\U0001F600\\t\\n\' FROM x SELEKT 2"',
        '"SELECT \\\n          1\\\n          , 2 SELEKT 3"',
        "|\n        SELECT 1,\n               2\n\n          SELEKT 3",
        "|\n\n\n        SELECT 1\n        SELEKT 3",
        "|2-\n          SELECT 1\n          SELEKT 3",
        "&anchor |+ # a remark\n        SELECT 1\n        SELEKT 3\n",
        ">\n        SELECT 1,\n        2\n\n          - 3\n        SELEKT 3",
        "SELECT 1,\n        2,   \n\n\n        SELEKT 3",
        "'SELECT ''1'',\n        2,   \n\n\n        SELEKT 3'",
        '!!str "SELECT 1,\n        2,   \n\n\n        SELEKT 3"',
        "SELECT 1; SELEKT 2",
    ],
)
@pytest.mark.parametrize("place", ["workers:\n  a:\n    statements:\n      - {}\n", "setup:\n  - sql: {}\n"])
def test_an_error_in_sql_is_found_however_it_is_written(tmp_path: Path, statement: str, place: str) -> None:
    if statement.startswith("{"):
        place = place.replace("sql: ", "")
    head = "version: 1\nname: small\n" if "workers" in place else MINIMAL
    with pytest.raises(ScenarioError, match="bad SQL: syntax error at or near") as caught:
        load(tmp_path, head + place.replace("{}", statement))
    line = (tmp_path / "small.yaml").read_text().split("\n")[caught.value.line - 1]
    near = re.search('near "(.*)"$', caught.value.message)
    assert near is not None
    assert line[caught.value.column - 1 :].startswith(near[1])
    assert "SELEKT" in line[: caught.value.column + 6]
