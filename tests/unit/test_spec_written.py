"""Counterexamples as specs: what can be said there, and what cannot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.model import Action, Choice, Decision, Scenario, Schedule, Script, Worker
from harness.schedule import SavedSchedule
from harness.spec.braces import BraceError, without_braces
from harness.spec.parse import parse_spec
from harness.spec.written import check_writable, client_steps, write_spec
from harness.statements import make_statement

FILE = Path("w-1.schedule")
SCENARIO = Scenario(
    name="w", about="Two of them.\n\n  At once.", file="w.yaml", text_hash="", restore=True, fresh_database=False,
    install=(
        Script(name="t.sql", text="SET search_path = public;\nCREATE TABLE t (a jsonb DEFAULT '{}'); -- }\n"),
        Script(name="f.sql", text="CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$ SELECT '}' $$"),
    ),
    setup=(Script(name="setup[0]", text="INSERT INTO t VALUES (to_jsonb(:'j1'::text))"),),
    workers=tuple(
        Worker(name=w, role="app", statements=(make_statement("SELECT * FROM t"), make_statement("UPDATE t SET a = a")))
        for w in ("one", "two")
    ),
    interleavings=(), expect={}, expect_violation=(),
    invariants=(
        Script(name="none", text="SELECT a, now() AS t FROM t WHERE :'users' <> ''"), Script(name="other", text=""),
    ),
    state=(Script(name="t", text="SELECT * FROM t"),), users=("alice",), jobs=("j1",),
)  # fmt: skip


def saved(*choices: str | Choice, blocked: tuple[int, ...] = ()) -> SavedSchedule:
    made = [c if isinstance(c, Choice) else Choice(worker=c.split(".")[0], step=c.split(".")[1]) for c in choices]
    decisions = tuple(Decision(choice=c, enabled=(), blocked=i in blocked) for i, c in enumerate(made))
    return SavedSchedule(
        scenario="w", file="w.yaml", hash="", server="18", order=0, checks=("none",),
        schedule=Schedule(seed=0, decisions=decisions),
    )  # fmt: skip


def steps(*choices: str, blocked: tuple[int, ...] = ()) -> list[str]:
    found = client_steps(saved(*choices, blocked=blocked), SCENARIO, FILE)
    return [f"{step.name}{' (open)' if step.opens else ''}" for step in found]


def test_statements_are_steps() -> None:
    assert steps("one.select", "two.select", "one.update") == ["one.select", "two.select", "one.update"]


def test_a_commit_of_its_own_is_a_step_where_somebody_comes_between() -> None:
    assert steps("one.select", "one.select:commit", "two.select") == ["one.select", "two.select"]
    assert steps("one.update", "two.select", "one.update:commit") == [
        "one.update (open)",
        "two.select",
        "one.update:commit",
    ]


def test_what_happens_inside_a_function_is_part_of_its_step_unless_somebody_comes_between() -> None:
    assert steps("one.select", "one.f:3", "one.f:4~", "one.select:commit", "two.select") == ["one.select", "two.select"]
    assert steps("one.select", "two.select", "one.select:commit", "two.f:3", blocked=(1,)) == [
        "one.select (open)", "two.select", "one.select:commit",
    ]  # fmt: skip
    with pytest.raises(UsageError) as told:
        steps("one.select", "one.f:3", "two.select", "one.f:4")
    assert str(told.value) == (
        "w-1.schedule: no spec can say one is held inside a function at f:4 while another one goes on"
    )


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (replace(saved(), retry="one"), "a fault and its retry (one)"),
        (replace(saved(), isolation="serializable"), "the isolation level serializable"),
        (replace(saved(), case="c"), "the single call c"),
        (saved("one.select", Choice(worker="one", action=Action.KILL)), "the fault one.kill"),
        (saved("one.gone"), "the step one.gone, which is no statement of one"),
        (saved("three.select"), "the step three.select, which is no statement of three"),
    ],
)
def test_what_a_spec_cannot_say(made: SavedSchedule, told: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as error:
        check_writable(made, SCENARIO, FILE, tmp_path / "w.spec")
    assert str(error.value) == f"w-1.schedule: no spec can say {told}"
    assert error.value.exit_code == 2


def test_a_file_that_was_not_written_here_stays(tmp_path: Path) -> None:
    (tmp_path / "own.spec").write_text("session s step a { }")
    for name in ("own.spec", "w.sql"):
        with pytest.raises(UsageError, match=f"--as-spec .*{name}: "):
            write_spec(saved("one.select"), SCENARIO, FILE, {}, tmp_path / name)
    assert (tmp_path / "own.spec").read_text() == "session s step a { }"


def test_the_file_is_a_spec(tmp_path: Path) -> None:
    out = tmp_path / "new" / "w.spec"
    rows = {"ledger.t": [{"a": "j1", "at": "2026-01-02T03:04:05"}], "check.none": [{"a": 1, "t": "time-1"}]}
    for _ in range(2):  # our own file may be written again
        write_spec(saved("two.update", "one.update", "two.update:commit", blocked=(1,)), SCENARIO, FILE, rows, out)
    text = out.read_text()
    assert text.startswith("# Written by `harness replay w-1.schedule --as-spec`: w, PostgreSQL 18.\n")
    assert "\n# Two of them.\n#\n#   At once.\n" in text
    spec = parse_spec(text, str(out))
    assert [b.sql.strip() for b in spec.setup] == [
        "SET search_path = public;\nCREATE TABLE t (a jsonb DEFAULT E'{\\x7D'); -- )",
        "RESET ROLE; RESET ALL;",
        "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS E' SELECT ''\\x7D'' ';",
        "INSERT INTO t VALUES (to_jsonb('j1~1'::text));",
    ]
    assert [s.name for s in spec.sessions] == ["one", "two", "ledger"]
    assert [s.setup and s.setup.sql for s in spec.sessions] == ['SET ROLE "app";', 'SET ROLE "app";', None]
    [order] = spec.permutations
    assert [t.step.name for t in order] == [
        "two.update", "one.update", "two.update:commit", "ledger.t", "check.none",
    ]  # fmt: skip
    assert spec.sessions[1].steps[0].sql.strip() == "BEGIN;\nUPDATE t SET a = a"
    reads = [step.sql.split("\n")[1] for step in spec.sessions[2].steps]
    assert reads == ['SELECT "a" FROM (', 'SELECT "a" FROM (']
    assert spec.unused == ()


def test_a_brace_where_nothing_else_can_stand_is_told() -> None:
    with pytest.raises(BraceError, match=r'^} in "a}b"$'):
        without_braces('SELECT 1 AS "a}b"')
    with pytest.raises(UsageError, match='no spec can say } in "}"'):
        check_writable(
            saved("one.select"),
            replace(SCENARIO, install=(Script(name="", text='SELECT 1 "}"'),)),
            FILE,
            Path("w.spec"),
        )
