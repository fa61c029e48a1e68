"""`harness init` on functions of strangers: what it proposes, run as it is, finds the race or nothing.

`docs/init.md` says how many of them; here each race is held to it, and every second of the others, which take longer:
with HARNESS_ALL_STRANGERS in the environment all of them are.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from proposed import found, proposed
from strangers_cases import FOLDER, Stranger, strangers

from harness.driver.pool import WorkerPool
from harness.model import Verdict
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget

ROOT = Path(__file__).parents[2]
NEWCOMERS = FOLDER.parent / "newcomers"
CASES = strangers()
LATER = strangers(NEWCOMERS)
EVERY = [*CASES, *LATER]
QUIET = [case for case in EVERY if case.violates is None]
HELD = EVERY if "HARNESS_ALL_STRANGERS" in os.environ else [c for c in EVERY if c not in QUIET[1::2]]
MISSED: frozenset[str] = frozenset()
"""Races that no proposal shows."""


@pytest.mark.parametrize("case", HELD, ids=lambda case: case.name)
def test_what_is_proposed_finds_the_race_or_nothing(
    case: Stranger, target: EmbeddedTarget, databases: Databases, pool: WorkerPool, tmp_path: Path
) -> None:
    _, scenarios = proposed([str(case.path)], target, databases, tmp_path)
    assert scenarios
    told = found(scenarios, target, databases, pool)
    races = case.violates is not None and case.name not in MISSED
    assert {verdict for verdict, _ in told.values()} <= {Verdict.PASS, Verdict.VIOLATION}
    assert any(verdict is Verdict.VIOLATION for verdict, _ in told.values()) == races, told


def test_the_page_says_how_many() -> None:
    page = (ROOT / "docs" / "init.md").read_text(encoding="utf-8")
    told = [tuple(map(int, pair)) for pair in re.findall(r"\*\*(\d+) of (\d+)\*\*", page)]
    right = [(sum(c.name not in MISSED for c in cases), len(cases)) for cases in (CASES, LATER)]
    assert told == right
