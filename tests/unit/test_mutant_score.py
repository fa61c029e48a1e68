"""Scores, exit codes and reports of mutation runs, from trials made by hand."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.model import Script, Verdict
from harness.mutants.score import deciding, scored, spread, whole_run
from harness.mutation import Mutant, MutantResult, MutationRun, SettingResult, Spread, Trial
from harness.report.mutants import MutationConsole, headline
from harness.report.mutants_json import mutants_json, write_mutants
from harness.report.mutants_png import mutants_picture

STRATEGIES = ("auto", "plain", "pct", "barrier_threads")
SETTING = SettingResult(
    name="two",
    file="settings/two.yaml",
    verdict=Verdict.PASS,
    exhausted=True,
    schedules=9,
    elapsed_s=0.5,
    meaning="All there are.",
)


def mutant(name: str, *, plain: str = "") -> Mutant:
    return Mutant(
        name=name, about=f"{name} is wrong.", setting=Path("settings/two.yaml"), trips="one_refund_per_job",
        plain=plain, race=("| time | w1 |",), script=Script(name=name, text="SELECT 1"), file=f"{name}.sql",
    )  # fmt: skip


def trial(name: str, strategy: str, schedules: int | None, *, seed: int = 0, reached: bool = True) -> Trial:
    """A kill at ``schedules``; None: a survival."""
    return Trial(
        mutant=name,
        strategy=strategy,
        seed=seed,
        killed=schedules is not None,
        schedules=schedules,
        after_serial=None if schedules is None or strategy != "auto" else max(0, schedules - 2),
        seconds=None if schedules is None else schedules / 10,
        executed=schedules or 50,
        verdict=Verdict.VIOLATION if schedules is not None else Verdict.PASS,
        seen=("one_refund_per_job",) if schedules is not None else (),
        why="" if schedules is not None else "one_refund_per_job held in 50 schedules, all there are",
        replay=f"{strategy}-{seed}/{name}-1.schedule"
        if schedules is not None and strategy != "barrier_threads"
        else "",
        reached=reached,
    )


def run_of(
    rows: dict[str, tuple[int | None, ...]],
    *,
    named: tuple[str, ...] = (),
    explained: tuple[str, ...] = (),
    settings: tuple[SettingResult, ...] = (SETTING,),
) -> MutationRun:
    """A run with a row of schedules to detection per mutant, in the order of `STRATEGIES`."""
    results = [
        MutantResult(
            mutant=mutant(name, plain="it is a serial outcome." if name in explained else ""),
            trials=tuple(trial(name, s, n) for s, n in zip(STRATEGIES, row, strict=True)),
        )
        for name, row in rows.items()
    ]
    return whole_run(
        STRATEGIES, named, settings, results, server_version="18.6", seed=0, seeds=1, elapsed_s=3.25
    )  # fmt: skip


def told(run: MutationRun, *, quiet: bool = False, verbose: bool = False) -> list[str]:
    out = io.StringIO()
    console = MutationConsole(out, quiet=quiet, verbose=verbose)
    console.run_started("embedded", "18.6", [m.mutant for m in run.mutants], STRATEGIES, run.deciding)
    for s in run.settings:
        console.setting_done(s)
    for m in run.mutants:
        console.mutant_done(m)
    console.run_done(run, "reports/latest")
    return out.getvalue().splitlines()


def test_spread_is_by_nearest_rank() -> None:
    assert spread([]) is None
    assert spread([7]) == Spread(median=7, p90=7, max=7)
    assert spread([10, 1, 2, 3, 4, 5, 6, 7, 8, 9]) == Spread(median=5.5, p90=9, max=10)


def test_who_decides() -> None:
    assert deciding(STRATEGIES, ()) == ("auto",)
    assert deciding(("pct", "plain", "barrier_threads"), ("pct", "plain", "barrier_threads")) == ("pct",)
    assert deciding(("plain", "free_running"), ("plain", "free_running")) == ()


def test_what_was_not_reached_counts_neither_way() -> None:
    trials = [trial("a", "auto", 3), trial("b", "auto", None), trial("c", "auto", None, reached=False)]
    score = scored("auto", trials, decides=True)
    assert (score.killed, score.trials, score.score) == (1, 2, 0.5)
    assert score.schedules == Spread(median=3, p90=3, max=3)
    assert score.after_serial == Spread(median=1, p90=1, max=1)
    assert scored("auto", trials[2:], decides=True).score is None


def test_all_killed_is_0() -> None:
    run = run_of({"a": (3, 3, 2, None), "b": (5, None, None, 1)}, explained=("b",))
    assert (run.score, run.exit_code, run.survivors, run.unexplained) == (1.0, 0, (), ())
    assert headline(run) == "2 of 2 mutants killed by auto. seed 0, 3.25 s"


@pytest.mark.parametrize(
    ("rows", "named", "survivors", "unexplained"),
    [
        ({"a": (None, 3, 3, 3)}, (), ["a auto"], []),
        ({"a": (3, 3, None, 3)}, (), [], []),
        ({"a": (3, 3, None, None)}, ("auto", "pct"), ["a pct"], []),
        ({"a": (3, None, 3, 3)}, (), [], ["a plain"]),
        ({"a": (None, None, 3, 3)}, (), ["a auto"], ["a plain"]),
    ],
)
def test_a_survivor_is_1(
    rows: dict[str, tuple[int | None, ...]], named: tuple[str, ...], survivors: list[str], unexplained: list[str]
) -> None:
    run = run_of(rows, named=named)
    assert [f"{t.mutant} {t.strategy}" for t in run.survivors] == survivors
    assert [f"{t.mutant} {t.strategy}" for t in run.unexplained] == unexplained
    assert run.exit_code == (1 if survivors or unexplained else 0)


def test_a_red_setting_is_1_even_when_all_are_killed() -> None:
    for broken in (replace(SETTING, verdict=Verdict.VIOLATION), replace(SETTING, exhausted=False)):
        run = run_of({"a": (3, 3, 3, 3)}, settings=(broken,))
        assert (run.exit_code, run.broken_settings) == (1, (broken,))
        assert "1 setting broken without any mutant: the score means nothing" in headline(run)
        assert any(line.startswith("✗ two: the setting itself is broken: ") for line in told(run))


def test_a_run_cut_short_is_3_and_says_so() -> None:
    run = run_of({"a": (3, 3, 3, 3)})
    late = MutantResult(mutant=mutant("z"), trials=(trial("z", "auto", None, reached=False),))
    cut = replace(run, mutants=(*run.mutants, late))
    assert (cut.exit_code, cut.missed, cut.survivors) == (3, 1, ())
    assert "1 trial not reached within the budget" in headline(cut)
    alone = replace(SETTING, exhausted=False, reached=False)
    assert run_of({"a": (3, 3, 3, 3)}, settings=(alone,)).exit_code == 3


def test_the_terminal_has_a_line_per_mutant_and_one_per_strategy() -> None:
    run = run_of({"a": (3, 3, 2, 41), "blind": (5, None, 7, None), "lives": (None, 2, 2, 1)}, explained=("blind",))
    lines = told(run)
    assert lines[0] == "PostgreSQL 18.6 (embedded) · 3 mutants in 1 setting"
    assert lines[1].split() == ["schedules", "to", "detection", "auto", "plain", "pct", "threads", "must", "trip"]
    assert lines[2].split() == ["✓", "a", "3", "3", "2", "41", "one_refund_per_job"]
    assert lines[3].split() == ["✓", "blind", "5", "·", "7", "·", "one_refund_per_job"]
    assert lines[4].split() == ["✗", "lives", "·", "2", "2", "1", "one_refund_per_job", "SURVIVED"]
    table = {line.split()[0]: line.split()[1:] for line in lines if line.startswith(STRATEGIES)}
    assert table["auto"] == ["2", "of", "3", "67", "%", "4", "5", "5", "0.40"]
    assert table["barrier_threads"] == ["2", "of", "3", "67", "%", "21", "41", "41", "2.10"]
    assert [line.split()[3:] for line in lines if "after serial" in line] == [["2", "3", "3"]]
    assert "plain   blind: it is a serial outcome." in lines
    assert any(line.startswith("again   harness replay auto-0/a-1.schedule") for line in lines)
    assert "✗ lives SURVIVED auto: one_refund_per_job held in 50 schedules, all there are" in lines
    assert lines[-1].startswith("✗ 2 of 3 mutants killed by auto.")


def test_quiet_keeps_survivors_and_the_last_lines() -> None:
    lines = told(run_of({"a": (3, 3, 2, 41), "lives": (None, 2, 2, 1)}), quiet=True)
    assert [" ".join(line.split()[:2]) for line in lines] == [
        "✗ lives", "auto: one_refund_per_job", "✗ lives", "report reports/latest", "✗ 1"
    ]  # fmt: skip
    assert told(run_of({"a": (3, 3, 2, 41)}), quiet=True)[-1].startswith("✓ 1 of 1 mutant killed by auto.")


def test_an_explanation_that_does_not_hold_is_said() -> None:
    lines = told(run_of({"a": (3, 3, 2, 1)}, explained=("a",)))
    assert "plain   a: its header says that plain cannot see it, and plain has" in lines


def test_json_has_everything(tmp_path: Path) -> None:
    run = run_of({"a": (3, None, 2, 41)}, explained=("a",))
    write_mutants(run, tmp_path / "mutants.json")
    found = json.loads((tmp_path / "mutants.json").read_text())
    assert found == mutants_json(run)
    assert (found["version"], found["score"], found["seed"], found["seeds"]) == (1, 1.0, 0, 1)
    assert {s["name"]: s["killed"] for s in found["strategies"]} == {
        "auto": 1, "plain": 0, "pct": 1, "barrier_threads": 1
    }  # fmt: skip
    assert found["settings"][0]["sound"] is True
    [entry] = found["mutants"]
    assert (entry["name"], entry["setting"], entry["trips"]) == ("a", "two", "one_refund_per_job")
    assert entry["plain"] == "it is a serial outcome."
    assert [t["schedules"] for t in entry["trials"]] == [3, None, 2, 41]
    assert entry["trials"][0]["after_serial"] == 1


def test_the_picture_has_a_dot_per_kill_and_marks_what_was_missed() -> None:
    picture = mutants_picture(run_of({"a": (3, 3, 2, 41), "b": (3, None, 7, None), "c": (1, 1, 1, 1)}))
    assert picture is not None
    curves, dots = picture.figure().axes
    found = [sorted(line.get_xdata()) for line in dots.lines if line.get_gid() == "found"]
    assert found == [[1, 3, 3], [1, 3], [1, 2, 7], [1, 41]]  # the baseline last
    assert [sorted(line.get_ydata()) for line in dots.lines if line.get_gid() == "missed"] == [[1], [3]]
    assert [line.get_xdata()[0] for line in dots.lines if line.get_gid() == "median"] == [3, 1, 2, 1]
    piled = next(line for line in dots.lines if line.get_gid() == "found").get_ydata()
    assert len(set(piled)) == 2  # the two at 3 do not hide each other
    ends = {line.get_label(): line.get_ydata()[-1] for line in curves.lines if not line.get_label().startswith("_")}
    assert ends["auto"] == 100
    assert ends["barrier_threads"] == pytest.approx(200 / 3)


def test_a_run_that_tried_nothing_has_no_picture() -> None:
    run = run_of({"a": (9, 9, 9, 9)})
    assert mutants_picture(replace(run, mutants=(), strategies=())) is None
