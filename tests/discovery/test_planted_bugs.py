"""Every check finds a bug planted for it, replays it, and is quiet about the same scenario without the bug."""

from __future__ import annotations

from pathlib import Path

import pytest
from plants import PLANTS, STALE_ANSWER, Plant, RunCampaign, words

from harness.model import Verdict
from harness.replay import read_saved, replay, scenario_of
from harness.resources import shipped
from harness.scenario.names import HISTORY_CHECKS
from harness.targets.embedded import EmbeddedTarget

LISTINGS = {"highest_balances"}
"""Monitoring queries that list: their rows are normal, so nothing can break them."""


def names(plant: Plant) -> str:
    return f"{plant.check}: {plant.race}"


@pytest.mark.parametrize("plant", PLANTS, ids=names)
def test_found_and_replayed(plant: Plant, campaign: RunCampaign, target: EmbeddedTarget) -> None:
    result = campaign(plant.broken, plant.planted)
    assert result.verdict is Verdict.VIOLATION, words(result)
    assert plant.check in {v.check for c in result.counterexamples for v in c.violations}, words(result)
    path = Path(result.counterexamples[0].replay)
    saved = read_saved(path)
    again = replay(saved, scenario_of(saved, path), target, times=1)
    assert (again.reproduced, again.adapted) == (1, False)
    assert plant.check in {v.check for v in again.violations}


@pytest.mark.parametrize("plant", [*PLANTS, STALE_ANSWER], ids=names)
def test_quiet_without_the_bug(plant: Plant, campaign: RunCampaign) -> None:
    result = campaign(plant.right)
    assert result.verdict is Verdict.PASS, words(result)
    assert not [n for c in result.checks for n in c.notes]


def test_an_answer_that_no_serial_run_gives_is_noted_and_not_red(campaign: RunCampaign) -> None:
    result = campaign(STALE_ANSWER.broken, STALE_ANSWER.planted)
    assert result.verdict is Verdict.PASS, words(result)
    assert {c.check for c in result.checks if c.notes} == {"serial_answers"}


def test_every_check_has_a_planted_bug() -> None:
    queries = {p.stem for folder in ("invariants", "monitoring") for p in (shipped("sql") / folder).glob("*.sql")}
    assert queries >= LISTINGS
    crashing = {"durability"}  # those need a server that crashes: tests/db/test_server_crash.py
    assert {p.check for p in PLANTS} == (queries - LISTINGS) | set(HISTORY_CHECKS) - crashing
