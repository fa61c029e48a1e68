"""`mutants.json`: a mutation run for other programs. Version 1 may gain keys; none is renamed or removed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.files import write_json
from harness.mutation import Mutant, MutantResult, MutationRun, SettingResult, Spread, StrategyScore, Trial

VERSION = 1
FILE = "mutants.json"


def mutants_json(run: MutationRun) -> dict[str, Any]:
    """The run as plain JSON values; seconds are rounded to milliseconds, shares lie between 0 and 1."""
    return {
        "version": VERSION,
        "score": None if run.score is None else round(run.score, 4),
        "server_version": run.server_version,
        "seed": run.seed,
        "seeds": run.seeds,
        "elapsed_s": round(run.elapsed_s, 3),
        "exit_code": run.exit_code,
        "strategies": [_strategy(s) for s in run.strategies],
        "settings": [_setting(s) for s in run.settings],
        "mutants": [_mutant(m) for m in run.mutants],
    }


def write_mutants(run: MutationRun, path: Path) -> None:
    """Write it to ``path``: a reader sees the whole file or the one before it, never a part."""
    write_json(path, mutants_json(run))


def _strategy(score: StrategyScore) -> dict[str, Any]:
    return {
        "name": score.strategy,
        "decides": score.decides,
        "trials": score.trials,
        "killed": score.killed,
        "score": None if score.score is None else round(score.score, 4),
        "schedules": _spread(score.schedules),
        "after_serial": _spread(score.after_serial),
        "seconds": _spread(score.seconds),
    }


def _spread(spread: Spread | None) -> dict[str, float] | None:
    if spread is None:
        return None
    return {"median": round(spread.median, 3), "p90": round(spread.p90, 3), "max": round(spread.max, 3)}


def _setting(setting: SettingResult) -> dict[str, Any]:
    return {
        "name": setting.name,
        "file": setting.file,
        "sound": setting.sound,
        "verdict": setting.verdict.value,
        "exhausted": setting.exhausted,
        "schedules": setting.schedules,
        "elapsed_s": round(setting.elapsed_s, 3),
        "meaning": setting.meaning,
        "reached": setting.reached,
    }


def _mutant(result: MutantResult) -> dict[str, Any]:
    mutant: Mutant = result.mutant
    return {
        "name": mutant.name,
        "about": mutant.about,
        "setting": mutant.setting.stem,
        "trips": mutant.trips,
        "file": mutant.file,
        "plain": mutant.plain,
        "race": list(mutant.race),
        "trials": [_trial(t) for t in result.trials],
    }


def _trial(trial: Trial) -> dict[str, Any]:
    return {
        "strategy": trial.strategy,
        "seed": trial.seed,
        "killed": trial.killed,
        "schedules": trial.schedules,
        "after_serial": trial.after_serial,
        "seconds": None if trial.seconds is None else round(trial.seconds, 3),
        "executed": trial.executed,
        "verdict": trial.verdict.value,
        "seen": list(trial.seen),
        "why": trial.why,
        "replay": trial.replay,
        "reached": trial.reached,
    }
