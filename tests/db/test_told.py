"""What is told of a counterexample that is kept: its sessions in every replay, and its functions where they stand."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from harness.adhoc.check import check_on
from harness.adhoc.options import read_request
from harness.campaign import Options, Silent
from harness.driver.pool import WorkerPool
from harness.model import (
    Counterexample,
    HeldLock,
    Moment,
    Scenario,
    Search,
    SessionState,
    source_line,
)
from harness.run import run_one
from harness.scenario import load_scenario
from harness.stage import Stages
from harness.strategies.replay import Replay
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget

Run = Callable[..., list[Counterexample]]
TABLES = """\
CREATE TABLE jobs (id text PRIMARY KEY, paid int NOT NULL DEFAULT 0, n int NOT NULL DEFAULT 0);
CREATE TABLE log (job text);
"""
LOGS = """\
CREATE FUNCTION logs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO log VALUES (new.id);
  RETURN new;
END $$;
CREATE TRIGGER logged AFTER UPDATE ON jobs FOR EACH ROW EXECUTE FUNCTION logs();
"""
PAYS = """\
CREATE OR REPLACE FUNCTION pays(p_job text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  done int;
BEGIN
  PERFORM pg_advisory_xact_lock_shared(hashtext(p_job));
  SELECT paid INTO done FROM jobs WHERE id = p_job;
  IF done = 0 THEN PERFORM books(p_job); END IF;
END $$;
"""
BOOKS = """\
-- Found by name, among others.

CREATE OR REPLACE FUNCTION books(p_job text) RETURNS void LANGUAGE sql AS $$
  UPDATE jobs SET paid = paid + 1 WHERE id = p_job $$;
"""
TWICE = "SELECT id FROM jobs WHERE paid > 1"
SCENARIO = """\
version: 1
name: pays
install: [tables.sql, migrations_of_ours, more/books.sql]
jobs: [j1]
setup: ["INSERT INTO jobs (id) VALUES (:'j1')"]
workers:
  a: {statements: ["SELECT pays(:'j1')"]}
  b: {statements: ["SELECT pays(:'j1')"]}
orders: [auto]
invariants: [twice.sql]
expect: {violation: twice}
"""


@pytest.fixture
def run(target: EmbeddedTarget, databases: Databases, pool: WorkerPool, tmp_path: Path) -> Run:
    """``run(scenario, **options)``: its counterexamples, each of which every replay tells in the same way."""

    def one(scenario: Scenario, **options: Any) -> list[Counterexample]:
        stages = Stages(scenario, target, databases, pool)
        try:
            asked = Options(folder=tmp_path, **options)
            result = run_one(scenario, stages, asked, Silent(), target.server_version)
            for example in result.counterexamples[:1] if not (options or scenario.cases) else ():
                stage = stages.of(scenario.interleavings[0])
                stage.leave_out(frozenset(example.without))
                schedule = example.execution.schedule
                for _ in range(3):
                    again: list[Moment] = []
                    stage.replay(Replay(schedule, exact=True), seed=schedule.seed, moments=again)
                    assert tuple(again) == example.story.moments
        finally:
            stages.close()
        return list(result.counterexamples)

    return one


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a scenario and its SQL: `books` is defined in two files, the second time alike."""
    monkeypatch.chdir(tmp_path)
    for name, text in {
        "tables.sql": TABLES,
        "migrations_of_ours/1.sql": BOOKS + LOGS,
        "migrations_of_ours/2.sql": f"\n{PAYS}",
        "more/books.sql": f"-- again\n{BOOKS}",
        "twice.sql": TWICE,
        "pays.yaml": SCENARIO,
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def well_placed(example: Counterexample) -> set[str]:
    """Files of the functions; every step inside one is found on its line."""
    steps = [e for e in example.execution.history.events if e.kind.value == "step"]
    assert steps
    for event in steps:
        place = source_line(example.story.sources, event.step)
        assert place is not None, event.step
        line = Path(place[0]).read_text().splitlines()[place[1] - 1]
        assert (event.sql or "").split()[0] in line
    return {s.file for s in example.story.sources}


def test_a_scenario_s_functions_are_found_in_its_files_and_the_last_definition_counts(run: Run, here: Path) -> None:
    [example] = run(load_scenario(Path("pays.yaml")))
    assert well_placed(example) == {"migrations_of_ours/1.sql", "migrations_of_ours/2.sql", "more/books.sql"}
    assert [(s.function, s.first_line) for s in example.story.sources] == [("pays", 2), ("books", 4), ("logs", 5)]
    assert "harness.gate" not in "".join(s.body for s in example.story.sources)
    (here / "more" / "books.sql").write_text(BOOKS.replace("paid + 1", "paid + 2"))
    [example] = run(load_scenario(Path("pays.yaml")))
    assert [s.first_line for s in example.story.sources if s.file == "more/books.sql"] == [3]


@pytest.mark.usefixtures("here")
def test_each_turn_has_its_moment_in_the_story_and_in_the_file(run: Run) -> None:
    [example] = run(load_scenario(Path("pays.yaml")))
    moments = example.story.moments
    assert [m.turn for m in moments] == list(range(len(example.execution.schedule.decisions)))
    shared = HeldLock(kind="advisory", on="#1", mode="ShareLock", granted=True)
    assert any(shared in s.locks for m in moments for s in m.sessions)
    assert [lock for m in moments for s in m.sessions for lock in s.locks if lock.on == "#2"] == []
    text = Path(example.replay).with_suffix(".history.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["turn"] for line in lines if line["kind"] == "moment"] == [m.turn for m in moments]
    turns = [line["turn"] for line in lines if "turn" in line and line["kind"] != "violation"]
    assert turns == sorted(turns)
    for line, after in pairwise(lines):
        assert line["kind"] != "moment" or after.get("turn") != line["turn"]
    last = next(line for line in reversed(lines) if line["kind"] == "moment")
    assert last["sessions"] == [{"worker": "a", "state": "ended"}, {"worker": "b", "state": "ended"}]


def test_a_check_of_any_function_names_the_files_as_they_were_given(
    run: Run, here: Path, target: EmbeddedTarget
) -> None:
    request = read_request(
        sql=["tables.sql", "migrations_of_ours", str(here / "more" / "books.sql")],
        call=["SELECT pays('j1')"],
        setup=["INSERT INTO jobs (id) VALUES ('j1')"],
        invariant=[f"twice={TWICE}"],
    )
    with Databases(target) as databases:
        scenario = check_on(target, request, databases, file=None, folder=here / "out").scenario
    [example] = run(scenario)
    assert well_placed(example) == {"migrations_of_ours/1.sql", "migrations_of_ours/2.sql", "more/books.sql"}
    held = {lock for m in example.story.moments for s in m.sessions for lock in s.locks}
    assert HeldLock(kind="row", on="jobs (id j1)", mode="", granted=True) in held


def test_who_waits_inside_a_function_waits_in_its_step(run: Run, here: Path) -> None:
    """Both write the row: in an order that makes the second wait in mid-function, and is followed as it is."""
    (here / "more" / "books.sql").write_text(BOOKS.replace(" $$;", ";\n  UPDATE jobs SET n = 1 WHERE id = p_job $$;"))
    steps = "a.select, b.select, 'a.pays:5', 'b.pays:5', 'a.pays:6', 'b.pays:6'"
    follow = f"{{follow: [{steps}, 'a.books:2', 'a.books:2~', 'b.books:2', 'b.books:2~']}}"
    (here / "pays.yaml").write_text(SCENARIO.replace("[auto]", f"[{follow}]"))
    [example] = run(load_scenario(Path("pays.yaml")))
    waits = next(s for m in example.story.moments for s in m.sessions if s.state is SessionState.WAITING)
    assert (waits.worker, waits.at, waits.waits_for) == ("b", "books:2~", ("a",))
    assert HeldLock(kind="row", on="jobs (id j1)", mode="ExclusiveLock", granted=False) in waits.locks
    assert well_placed(example)


def test_an_exact_order_between_statements_has_moments_and_no_function(run: Run, here: Path) -> None:
    (here / "pays.yaml").write_text(
        SCENARIO.replace("[auto]", "[[a.begin, a.select, b.begin, b.select: blocked, a.commit, b.commit]]")
        .replace("pays(:'j1')", "books(:'j1')")
        .replace("statements:", "transaction:")
    )
    [example] = run(load_scenario(Path("pays.yaml")))
    assert (len(example.story.moments), example.story.sources) == (6, ())
    blocked = example.story.moments[3].sessions[1]
    assert (blocked.state, blocked.at, blocked.waits_for) == (SessionState.WAITING, "select", ("a",))


def test_faults_and_single_calls_have_their_moments(run: Run, here: Path) -> None:
    workers = "workers: {a: {statements: [\"SELECT books(:'j1')\"]}}\n"
    text = SCENARIO.split("workers:")[0] + workers + "orders: [auto]\ninvariants: [twice.sql]\n"
    (here / "pays.yaml").write_text(f"{text}faults: [run_on]\n")
    examples = run(load_scenario(Path("pays.yaml")))
    struck = [s for m in examples[0].story.moments for s in m.sessions if s.worker == "a"]
    assert SessionState.GONE in {s.state for s in struck}
    assert well_placed(examples[0])
    case = "{name: once, call: SELECT 1 AS n, expect: {n: 2}}"
    (here / "pays.yaml").write_text(SCENARIO.split("workers:")[0] + f"cases: [{case}]\n")
    [example] = run(load_scenario(Path("pays.yaml")))
    assert [s.state for m in example.story.moments for s in m.sessions][-1] is SessionState.ENDED


@pytest.mark.usefixtures("here")
def test_workers_that_are_released_together_are_not_looked_at(run: Run) -> None:
    scenario = load_scenario(Path("pays.yaml"))
    always = replace(scenario.invariants[0], text="SELECT id FROM jobs WHERE paid > 0")
    scenario = replace(scenario, invariants=(always,), interleavings=(Search(strategy="free_running", schedules=1),))
    [example] = run(scenario, seed=1)
    assert example.story.moments == ()


@pytest.mark.usefixtures("here")
def test_searching_asks_nobody(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the replays that confirm, of what was found and of what it was made smaller to, look at anything."""
    looked: list[int] = []
    before = Stages.of

    def counted(self: Stages, interleaving: Any) -> Any:
        stage = before(self, interleaving)
        execute = stage.controller.execute

        def executed(*given: Any, **named: Any) -> Any:
            looked.append(named.get("on_turn") is not None)
            return execute(*given, **named)

        monkeypatch.setattr(stage.controller, "execute", executed)
        return stage

    scenario = load_scenario(Path("pays.yaml"))
    monkeypatch.setattr(Stages, "of", counted)
    run(scenario, seed=0)
    assert len(looked) > 10
    assert sum(looked) in (1, 2)
