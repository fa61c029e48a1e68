"""Beside a counterexample lies the nearest order that is right: it is one, it is near, and the same every time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.campaign import Options
from harness.cli.commands.replay import summary
from harness.cli.entry import run_command
from harness.model import Execution, Nearest, ScenarioResult
from harness.replay import read_saved, replay, scenario_of
from harness.run import SilentReporter, run_scenarios
from harness.scenario import load_scenario
from harness.stage import Stage
from harness.targets.embedded import EmbeddedTarget

ROOT = Path(__file__).parents[2]
SCENARIOS = ROOT / "scenarios"
HEAD = """\
version: 1
name: {name}
install: [shop.sql]
invariants: [paid_once.sql]
"""
SHOP = """\
CREATE TABLE jobs (id int PRIMARY KEY, status text NOT NULL);
CREATE TABLE refunds (job int NOT NULL, amount int NOT NULL);
CREATE TABLE fine (n int);
INSERT INTO jobs VALUES (1, 'processing');
CREATE FUNCTION look_and_pay() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF (SELECT status FROM jobs) = 'processing' THEN
    INSERT INTO refunds VALUES (1, 10);
    UPDATE jobs SET status = 'failed';
  END IF;
END $$;
"""
PAID_ONCE = "SELECT job, count(*) FROM refunds GROUP BY job HAVING count(*) > 1\n"


def ran(target: EmbeddedTarget, folder: Path, *files: Path, **options: object) -> list[ScenarioResult]:
    asked = replace(Options(folder=folder), **options)  # type: ignore[arg-type]
    scenarios = [load_scenario(file) for file in files]
    return list(run_scenarios(scenarios, target, asked, SilentReporter(), jobs=1).scenarios)


def choices(execution: Execution) -> list[str]:
    return [str(d.choice) for d in execution.schedule.decisions]


def nearest_of(result: ScenarioResult) -> Nearest:
    nearest = result.counterexamples[0].story.nearest
    assert nearest is not None
    return nearest


def written(folder: Path, name: str, body: str) -> Path:
    (folder / "shop.sql").write_text(SHOP)
    (folder / "paid_once.sql").write_text(PAID_ONCE)
    path = folder / f"{name}.yaml"
    path.write_text(HEAD.format(name=name) + body)
    return path


def test_the_double_refund_is_right_when_the_retry_looks_one_step_later(target: EmbeddedTarget, tmp_path: Path) -> None:
    [legacy] = ran(target, tmp_path, SCENARIOS / "legacy_double_refund.yaml")
    [wrong] = legacy.counterexamples
    right = nearest_of(legacy)
    assert choices(wrong.execution)[:3] == ["original.select", "retry.select", "original.refund"]
    assert choices(right.execution) == ["original.select", "original.refund", "original.mark", "retry.select"]
    assert right.agrees == 1
    assert right.execution.number == wrong.execution.number
    assert right.execution.history.closing["user_balances"][0]["balance"] == 5000


def test_it_is_saved_and_replayed_and_no_regression(
    target: EmbeddedTarget, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    body = """\
workers:
  one: {statements: ["SELECT look_and_pay()"]}
  two: {statements: ["SELECT look_and_pay()"]}
orders: [auto]
"""
    [found] = ran(target, tmp_path, written(tmp_path, "inside", body))
    right, wrong = nearest_of(found), found.counterexamples[0].execution
    path = tmp_path / "inside-1.passing.schedule"
    assert right.replay == str(path)
    assert path.with_suffix(".history.jsonl").is_file()
    assert choices(right.execution)[: right.agrees] == choices(wrong)[: right.agrees]
    assert choices(right.execution)[right.agrees] != choices(wrong)[right.agrees]
    assert right.agrees >= 2, "both have begun"
    saved = read_saved(path)
    again = replay(saved, scenario_of(saved, path), target, times=1)
    assert (again.violations, again.reproduced, again.adapted) == ((), 0, False)
    assert choices(again.execution) == choices(right.execution)
    assert summary(again, saved, saved.server) == "violates nothing, as saved"
    assert run_command(["replay", str(path), "--as-scenario", str(tmp_path / "x.yaml")]) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert "violates nothing" in said.err
    assert not (tmp_path / "x.yaml").exists()


def test_the_same_again_and_the_campaign_counts_none_of_it(target: EmbeddedTarget, tmp_path: Path) -> None:
    file = SCENARIOS / "mixed_fleet.yaml"
    [one], [two] = (ran(target, tmp_path, file) for _ in range(2))
    assert choices(nearest_of(one).execution) == choices(nearest_of(two).execution)
    assert (one.schedules, one.checks) == (two.schedules, two.checks)
    [three] = ran(target, tmp_path, file, explain=False)
    assert three.counterexamples[0].story.nearest is None
    assert nearest_of(one).execution.number == one.counterexamples[0].execution.number < one.schedules


def test_what_is_broken_serially_has_none_and_costs_two_executions(
    target: EmbeddedTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = """\
workers:
  one: {statements: ["INSERT INTO refunds VALUES (1, 10)"]}
  two: {statements: ["INSERT INTO refunds VALUES (1, 10)"]}
orders: [auto]
"""
    executed: list[int] = []
    execute = Stage.execute

    def counted(stage: Stage, strategy: object, number: int, *, seed: int) -> Execution:
        executed.append(number)
        return execute(stage, strategy, number, seed=seed)  # type: ignore[arg-type]

    monkeypatch.setattr(Stage, "execute", counted)
    [found] = ran(target, tmp_path, written(tmp_path, "serially", body))
    assert found.counterexamples[0].story.nearest is None
    assert len(executed) == found.schedules + 2
    assert not list(tmp_path.glob("*.passing.*"))


def test_of_three_workers_it_is_reduced_like_the_counterexample(target: EmbeddedTarget, tmp_path: Path) -> None:
    call = (
        "INSERT INTO refunds SELECT id, 10 FROM jobs WHERE status = 'processing'",
        "UPDATE jobs SET status = 'failed'",
    )
    statements = ", ".join(f'"{s}"' for s in ("BEGIN", *call, "COMMIT"))
    body = "workers:\n" + "".join(f"  w{i}: {{statements: [{statements}]}}\n" for i in range(3)) + "orders: [all]\n"
    [found] = ran(target, tmp_path, written(tmp_path, "three", body))
    right = nearest_of(found)
    assert len(right.execution.history.closing["refunds"]) == 1
    assert found.counterexamples[0].without == ("w2",)
    assert not any(c.startswith("w2.") for c in choices(right.execution)), "it is reduced like the counterexample"


def test_of_a_fault_the_nearest_is_the_same_without_it(target: EmbeddedTarget, tmp_path: Path) -> None:
    body = """\
workers:
  payer: {statements: ["INSERT INTO refunds SELECT id, 10 FROM jobs"]}
orders: [auto]
faults: [lost_answer]
"""
    [found] = ran(target, tmp_path, written(tmp_path, "struck", body))
    wrong, right = found.counterexamples[0].execution, nearest_of(found)
    struck = next(turn for turn, choice in enumerate(choices(wrong)) if choice.endswith("!killed"))
    assert right.agrees == struck
    assert wrong.schedule.decisions[struck].choice.step == right.execution.schedule.decisions[struck].choice.step
    assert all(choice.startswith("payer.") for choice in choices(right.execution)), "nobody has to try again"
    saved = read_saved(Path(right.replay))
    assert (saved.retry, saved.checks) == ("payer", ())
    assert replay(saved, scenario_of(saved, Path(right.replay)), target, times=1).violations == ()


def test_of_what_only_an_order_declares_there_is_none(target: EmbeddedTarget, tmp_path: Path) -> None:
    body = """\
workers:
  one: {statements: ["SELECT 1 AS n, count(*) FROM jobs"]}
  two: {statements: ["INSERT INTO fine VALUES (1)"]}
orders: [[one.select, two.insert]]
expect: {one: {n: 2}}
"""
    [found] = ran(target, tmp_path, written(tmp_path, "declared", body))
    [example] = found.counterexamples
    assert {v.check for v in example.violations} == {"answer"}
    assert example.story.nearest is None


def test_a_passing_schedule_that_goes_wrong_after_an_edit_is_red(target: EmbeddedTarget, tmp_path: Path) -> None:
    body = """\
workers:
  one: {statements: ["INSERT INTO refunds SELECT 1, 10 WHERE NOT EXISTS (SELECT FROM refunds)"]}
  two: {statements: ["INSERT INTO refunds SELECT 1, 10 WHERE NOT EXISTS (SELECT FROM refunds)"]}
orders: [auto]
"""
    file = written(tmp_path, "edited", body)
    [found] = ran(target, tmp_path, file)
    path = Path(nearest_of(found).replay)
    file.write_text(file.read_text().replace(" WHERE NOT EXISTS (SELECT FROM refunds)", ""))
    saved = read_saved(path)
    again = replay(saved, scenario_of(saved, path), target, times=1)
    assert (again.reproduced, again.adapted) == (1, True)
    assert {v.check for v in again.violations} >= {"paid_once"}
    assert summary(again, saved, saved.server).startswith("violated nothing when it was saved (adapted")
