"""Regression files: what is left out of a scenario, what stays, and what is never overwritten."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.model import Action, Choice, Decision, Follow, Scenario, Schedule
from harness.regression import Written, write_pytest, write_regression, write_scenario
from harness.report.folder import MARKER
from harness.scenario import load_scenario, names_our_schema
from harness.schedule import SavedSchedule

FIRST = "# yaml-language-server: $schema=../refund-harness.schema.json\n"
TEXT = (
    FIRST
    + """\
# T0  one reads
# T1  two pays
version: 1
name: counting
about: |
  Two clients count,
  and one of them 'quotes'.
install: [sql/counter.sql]  # the system
setup:
  - "UPDATE counter SET n = 0"
workers:
  one:
    role: clerk
    transaction: [SELECT n FROM counter, "UPDATE counter SET n = 1", UPDATE counter SET n = 2, SELECT 1]
    isolation: repeatable read
  two:
    statements: &both
      - sql: UPDATE counter SET n = n + 1  # counts
        continue_if: {n: 1}
      - UPDATE counter SET n = n + 2
      - apply: sql/later.sql
  three: {statements: *both}
# what is tried
orders:
  - [one.begin, one.select]
  - auto
expect:
  violation: two_or_more
  one: {n: 1}
  three: {n: 3}
invariants: [two_or_more.sql]
"""
)
CHOICES = (
    Choice(worker="one", step="begin"),
    Choice(worker="one", step="count:3~"),
    Choice(worker="two", action=Action.KILL),
    Choice(worker="one", step="commit", action=Action.BLACK_HOLE),
    Choice(worker="one", action=Action.HEAL),
    Choice(worker="one", step="commit", action=Action.LOSE),
)
Project = Callable[..., tuple[SavedSchedule, Scenario]]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """``project(text, *without)``: a scenario on disk here, and a counterexample of its last interleaving."""
    monkeypatch.chdir(tmp_path)
    for name, text in {
        "sql/counter.sql": "CREATE TABLE counter (n int);",
        "sql/later.sql": "ALTER TABLE counter ADD m int;",
        "two_or_more.sql": "SELECT n FROM counter WHERE n < 2;",
    }.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(text)

    def made(
        text: str = TEXT, *without: str, checks: tuple[str, ...] = ("two_or_more",), order: int = -1
    ) -> tuple[SavedSchedule, Scenario]:
        Path("counting.yaml").write_text(text)
        scenario = load_scenario(Path("counting.yaml"))
        saved = SavedSchedule(
            scenario=scenario.name,
            file=scenario.file,
            hash=scenario.text_hash,
            server="18.6",
            order=order % len(scenario.interleavings),
            checks=checks,
            schedule=Schedule(seed=0, decisions=tuple(Decision(choice=c, enabled=(c,)) for c in CHOICES)),
            without=without,
        )
        return saved, scenario

    return made


def written(made: tuple[SavedSchedule, Scenario], out: str = "kept/counting_race.yaml") -> tuple[str, Scenario]:
    write_scenario(*made, Path("reports/run/counting-1.schedule"), Path(out))
    return Path(out).read_text(), load_scenario(Path(out))


def test_it_is_the_scenario_with_the_choices_as_its_only_order(project: Project) -> None:
    made = project()
    text, found = written(made)
    before = made[1]
    assert found.interleavings == (Follow(choices=CHOICES),)
    assert (found.name, found.about, found.setup) == ("counting_race", before.about, before.setup)
    assert found.workers == before.workers
    assert [s.text for s in found.install] == [s.text for s in before.install]
    assert found.invariants == before.invariants
    assert (found.expect_violation, dict(found.expect)) == ((), dict(before.expect))
    assert names_our_schema(Path("kept/counting_race.yaml"))
    lines = text.splitlines()
    assert lines[1].startswith("# The counterexample counting-1.schedule (two_or_more)")
    assert lines[2:5] == ["# T0  one reads", "# T1  two pays", "version: 1"]
    assert "install: [../sql/counter.sql] # the system" in " ".join(text.split())
    assert "- apply: ../sql/later.sql" in text
    assert "# counts" in text
    assert "what is tried" not in text


def test_what_is_not_needed_goes_and_every_step_keeps_its_name(project: Project) -> None:
    made = project(TEXT, "three", "one.update", "one.select_2", "two.update")
    text, found = written(made)
    one, two = found.workers
    assert [s.name for s in one.statements] == ["begin", "select", "update_2", "commit"]
    assert one.statements == tuple(s for s in made[1].workers[0].statements if s.name not in ("update", "select_2"))
    assert two.statements == made[1].workers[1].statements[1:]
    assert "three" not in text
    assert set(found.expect) == {"one"}


def test_an_alias_is_not_reduced_along_with_its_worker(project: Project) -> None:
    made = project(TEXT, "two.update")
    _, found = written(made)
    assert [s.name for s in found.workers[1].statements] == ["update_2", "apply"]
    assert found.workers[2] == made[1].workers[2]


def test_a_transaction_may_be_left_with_nothing_in_it(project: Project) -> None:
    made = project(TEXT, "one.select", "one.update", "one.update_2", "one.select_2")
    _, found = written(made)
    assert [s.sql for s in found.workers[0].statements] == ["BEGIN ISOLATION LEVEL REPEATABLE READ", "COMMIT"]


LEGACY = FIRST + """\
version: 1
name: legacy
workers:
  zed:
    statements:
      - refund: {job: j0, user: zed, amount: 10}
  old:
    statements:
      - legacy_refund: {job: j1, user: alice, amount: 10, error: "it's late"}
      - legacy_refund: {job: j2, user: alice, amount: 10}
  one: {statements: [BEGIN, {refund: {job: j1, user: alice, amount: 10}}, {refund: {job: j1, user: alice, amount: 10}},
                     COMMIT]}
  two: {statements: [SELECT 1]}
"""  # fmt: skip


@pytest.mark.parametrize(
    "without",
    [
        ("zed",),
        ("old.mark",),
        ("zed", "old.select", "old.refund", "old.mark", "one.refund", "one.refund:commit"),
        ("old.select_2", "old.refund_2", "one.refund_2"),
        ("zed", "old"),
    ],
)
def test_macros_are_spelt_out_where_a_part_of_them_goes(project: Project, without: tuple[str, ...]) -> None:
    _, scenario = made = project(LEGACY, *without)
    text, found = written(made)
    kept = [
        (w.name, s.name, s.sql)
        for w in scenario.workers
        for s in w.statements
        if w.name not in without and f"{w.name}.{s.name}" not in without
    ]
    assert [(w.name, s.name, s.sql) for w in found.workers for s in w.statements] == kept
    assert (found.users, found.jobs) == (scenario.users, scenario.jobs)
    # Declared are those whom nobody mentions any more, and those who stand before others only by declaration.
    assert ("users:" in text) is ("zed" in without or "old.mark" in without or "old.select_2" in without)


def test_a_counterexample_between_statements_stays_between_statements(project: Project) -> None:
    text, found = written(project(order=0))
    assert found.interleavings == (Follow(choices=CHOICES, inside=False),)
    assert "points: statements" in text


def test_a_regression_of_a_regression_says_so_once(project: Project) -> None:
    made = project()
    first, _ = written(made, "first.yaml")
    again, _ = written(project(first), "again.yaml")
    assert again.replace("again", "first") == first


def test_files_from_the_folder_of_a_run_are_copied(project: Project) -> None:
    saved, _ = project()
    run = Path("reports/20260101T000000Z-abcd")
    (run / "counting_sql").mkdir(parents=True)
    (run / MARKER).write_text("complete\n")
    (run / "counting_sql" / "two_or_more.sql").write_text(Path("two_or_more.sql").read_text())
    text = TEXT.replace("two_or_more.sql", "counting_sql/two_or_more.sql").replace("sql/counter", "../../sql/counter")
    (run / "counting.yaml").write_text(text.replace("sql/later", "../../sql/later"))
    scenario = load_scenario(run / "counting.yaml")
    out = Path("kept/race.yaml")
    found = write_scenario(saved, scenario, run / "counting-1.schedule", out)
    assert found == Written(path=out, copied=(Path("kept/race_sql/two_or_more.sql"),))
    assert "race_sql/two_or_more.sql" in out.read_text()
    assert "../sql/counter.sql" in out.read_text()
    assert load_scenario(out).invariants == scenario.invariants


def test_a_file_that_is_in_the_way_of_a_copy_stays(project: Project) -> None:
    saved, _ = project()
    Path(MARKER).write_text("complete\n")  # everything here belongs to a run
    scenario = load_scenario(Path("counting.yaml"))
    Path("kept/race_sql").mkdir(parents=True)
    Path("kept/race_sql/later.sql").write_text("-- mine\n")
    with pytest.raises(UsageError, match=r"later\.sql is in the way"):
        write_scenario(saved, scenario, Path("counting-1.schedule"), Path("kept/race.yaml"))
    assert Path("kept/race_sql/later.sql").read_text() == "-- mine\n"
    assert [p.name for p in Path("kept").iterdir()] == ["race_sql"]


@pytest.mark.parametrize(
    ("out", "content", "message"),
    [
        ("notes.yaml", "services: {}\n", "this file is no scenario, and stays as it is"),
        ("notes.txt", "", "a scenario file ends in .yaml"),
        ("counting.yaml", TEXT, "is the scenario in which"),
    ],
)
def test_what_is_something_else_stays(project: Project, out: str, content: str, message: str) -> None:
    made = project()
    Path(out).write_text(content)
    with pytest.raises(UsageError, match=message):
        written(made, out)
    assert Path(out).read_text() == content


def test_what_cannot_be_said_is_refused_and_leaves_nothing(project: Project) -> None:
    with pytest.raises(UsageError, match="only what its exact order declares"):
        written(project(TEXT, checks=("answer", "blocking"), order=0))
    with pytest.raises(UsageError, match="one without its begin or commit is no transaction"):
        written(project(TEXT, "one.commit"))
    with pytest.raises(UsageError, match="has changed too much: unknown worker 'one'"):
        written(project(TEXT, "one"))
    assert list(Path("kept").iterdir()) == []


def test_the_module_runs_the_scenario_beside_it_which_pytest_leaves_alone(project: Project) -> None:
    made = project(TEXT, "three")
    schedule = Path('reports/run/a"""b\\.schedule')
    lines = list(write_regression(*made, schedule, as_scenario=Path("s.yaml"), as_pytest=Path("t/test_it.py")))
    assert lines == ["wrote s.yaml", "wrote t/test_it.py", "wrote t/test_it.yaml"]
    beside = Path("t/test_it.yaml")
    assert not names_our_schema(beside)
    assert beside.read_text().splitlines()[0].startswith("# Run by test_it.py: ")
    assert load_scenario(beside).workers == load_scenario(Path("s.yaml")).workers
    tree = ast.parse(Path("t/test_it.py").read_text())
    assert [n.name for n in tree.body if isinstance(n, ast.FunctionDef)] == ["test_a_b"]
    before = Path("t/test_it.py").read_text()
    write_pytest(*made, schedule, Path("t/test_it.py"))  # its own files it writes again
    assert Path("t/test_it.py").read_text() == before


def test_a_module_of_somebody_else_stays(project: Project) -> None:
    made, schedule = project(), Path("x.schedule")
    Path("test_it.py").write_text("def test_it(): ...\n")
    with pytest.raises(UsageError, match="was not written here"):
        write_pytest(*made, schedule, Path("test_it.py"))
    Path("test_me.yaml").write_text("mine: true\n")
    with pytest.raises(UsageError, match=r"test_me\.yaml beside it is no scenario"):
        write_pytest(*made, schedule, Path("test_me.py"))
    with pytest.raises(UsageError, match=r"ends in \.py"):
        write_pytest(*made, schedule, Path("test_me"))
    with pytest.raises(UsageError, match="give another"):
        list(write_regression(*made, schedule, as_scenario=Path("test_x.yaml"), as_pytest=Path("test_x.py")))
    assert not Path("test_me.py").exists()
    assert Path("test_it.py").read_text() == "def test_it(): ...\n"
