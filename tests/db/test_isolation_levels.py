"""The isolation matrix on a real server: what is right at one level and wrong at another is told apart."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from level_plants import FILES

from harness.campaign import Options, Silent
from harness.cli.entry import run_command
from harness.driver.pool import WorkerPool
from harness.model import LevelResult, ScenarioResult, Verdict
from harness.replay import read_saved, replay, scenario_of
from harness.run import run_one
from harness.scenario import load_scenario
from harness.scenario.levels import parse_levels
from harness.stage import Stages
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget

ROOT = Path(__file__).parents[2]
ALL = parse_levels("all")
RED, GREEN = Verdict.VIOLATION, Verdict.PASS
RC, RR, SER = "read_committed", "repeatable_read", "serializable"
Run = Callable[..., ScenarioResult]


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """A folder with all planted scenarios."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def run(target: EmbeddedTarget, databases: Databases, pool: WorkerPool, tmp_path: Path) -> Run:
    """``run(path, more, **options)``: the result of a scenario file, with ``more`` text at its end."""

    def one(path: Path, more: str = "", **options: Any) -> ScenarioResult:
        if more:
            path.write_text(path.read_text() + more)
        scenario = load_scenario(path)
        stages = Stages(scenario, target, databases, pool)
        try:
            return run_one(scenario, stages, Options(folder=tmp_path, **options), Silent(), target.server_version)
        finally:
            stages.close()

    return one


def rows(result: ScenarioResult) -> dict[str, LevelResult]:
    return {row.level: row for row in result.levels}


def verdicts(result: ScenarioResult) -> list[Verdict]:
    return [row.verdict for row in result.levels]


@pytest.mark.parametrize(
    ("name", "expected", "check"),
    [
        ("write_skew", [RED, RED, GREEN], "somebody_on_call"),
        ("lost_update", [RED, GREEN, GREEN], "serial_equivalence"),
        ("old_snapshot", [GREEN, RED, GREEN], "serial_equivalence"),
    ],
)
def test_a_function_is_wrong_just_where_its_race_exists(
    name: str, expected: list[Verdict], check: str, planted: Path, run: Run
) -> None:
    result = run(planted / f"{name}.yaml", levels=ALL)
    assert (result.verdict, [r.level for r in result.levels], verdicts(result)) == (RED, list(ALL), expected)
    assert [r.own for r in result.levels] == [True, False, False]
    for row in result.levels:
        assert (check in row.violated) is (row.verdict is RED)
        assert row.exhausted is (row.verdict is GREEN)
        # Where nothing is wrong above READ COMMITTED, that is because the server refused, and the worker gave up.
        assert (row.lost > 0) is (row.verdict is GREEN and row.level != RC)


def test_the_same_seed_gives_the_same_rows(planted: Path, run: Run) -> None:
    first, second = (run(planted / "lost_update.yaml", levels=(RR,), seed=3).levels for _ in range(2))
    assert first == second


def test_a_saved_schedule_is_carried_out_again_at_its_level(planted: Path, run: Run, target: EmbeddedTarget) -> None:
    result = run(planted / "old_snapshot.yaml", levels=(RR,))
    saved = Path(rows(result)[RR].replay)
    assert saved.name == "old_snapshot-repeatable_read-1.schedule"
    [example] = result.counterexamples
    assert example.violations[0].message.startswith("at REPEATABLE READ: 2 rows in bookings")
    read = read_saved(saved)
    assert read.isolation == RR
    done = replay(read, scenario_of(read, saved), target, times=2)
    assert (done.reproduced, done.adapted) == (2, False)
    # At the scenario's own level the same choices lead elsewhere, and nothing is wrong.
    own = replace(read, isolation="", hash="changed")
    assert replay(own, scenario_of(own, saved), target, times=1).reproduced == 0


def test_a_worker_that_tries_again_loses_nothing(planted: Path, run: Run) -> None:
    path = planted / "lost_update.yaml"
    path.write_text(path.read_text().replace("[SELECT add_one()]}", "[SELECT add_one()], on_error: retry_transient}"))
    result = run(path, levels=(RR,))
    assert (rows(result)[RR].verdict, rows(result)[RR].lost, rows(result)[RR].exhausted) == (GREEN, 0, True)


@pytest.mark.parametrize(
    ("said", "expected", "whole"),
    [
        # A race at its own level that a stronger one prevents: documented by name, it must be just so.
        (f"isolation: {{{RC}: {{violation: serial_equivalence}}, {SER}: pass}}", [GREEN, GREEN], GREEN),
        (f"isolation: {{{RC}: {{violation: serial_equivalence}}, {RR}: {{violation: serial_equivalence}}}}",
         [GREEN, RED], RED),
        # Documented by `expect`, it need not show at other levels.
        (f"isolation: [{RR}]\nexpect: {{violation: serial_equivalence}}", [GREEN, GREEN], GREEN),
        (f"isolation: {{{RC}: pass}}", [RED], RED),
    ],
)  # fmt: skip
def test_what_is_documented_of_a_level(
    said: str, expected: list[Verdict], whole: Verdict, planted: Path, run: Run
) -> None:
    result = run(planted / "lost_update.yaml", f"{said}\n")
    assert (verdicts(result), result.verdict) == (expected, whole)


def test_a_worker_with_a_level_of_its_own_keeps_it(planted: Path, run: Run) -> None:
    """Both at REPEATABLE READ by themselves: no row shows the lost update, and the rows say whose level counts."""
    path = planted / "lost_update.yaml"
    path.write_text(path.read_text().replace("{statements", "{isolation: repeatable read, transaction"))
    result = run(path, levels=(RC, SER))
    assert [row.set_by for row in result.levels] == [("a", "b")] * 2
    assert [row.lost for row in result.levels] == [4, 4]
    assert verdicts(result) == [GREEN, GREEN]


def test_the_shipped_refund_is_right_at_every_level(run: Run) -> None:
    result = run(ROOT / "scenarios" / "two_terminals.yaml", levels=ALL)
    assert (result.verdict, verdicts(result)) == (GREEN, [GREEN] * 3)
    assert all(row.exhausted for row in result.levels)
    assert [row.lost > 0 for row in result.levels] == [False, True, True]
    assert [row.left_out for row in result.levels] == [0, 2, 2]
    assert result.schedules == rows(result)[RC].schedules


def test_on_the_command_line(planted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = planted / "out"
    options = ["--isolation", f"{RC},{RR}", "--out", str(out)]
    assert run_command(["run", str(planted / "old_snapshot.yaml"), *options]) == 1
    printed = capsys.readouterr().out
    assert "  READ COMMITTED (own)  ✓ pass       –" in printed
    assert "  REPEATABLE READ       ✗ violation  serial_equivalence" in printed
    [scenario] = json.loads((out / "latest" / "results.json").read_text())["scenarios"]
    assert [(r["level"], r["verdict"]) for r in scenario["isolation"]] == [(RC, "pass"), (RR, "violation")]
    saved = scenario["isolation"][1]["replay"]
    assert f"again harness replay {saved}" in printed
    assert run_command(["replay", saved, "--as-scenario", str(planted / "kept.yaml")]) == 2
    assert "key `isolation`" in capsys.readouterr().err
    assert run_command(["run", "two_terminals", "--isolation", "snapshot"]) == 2
    error = "harness: --isolation: unknown 'snapshot'; known: read_committed, repeatable_read, serializable, all\n"
    assert capsys.readouterr().err == error
