"""No false alarm, and no miss: two workers, every pair of calls that a caller can make, every interleaving of each.

The shipped functions are right; so whatever two workers ask for, each execution must agree with the invariants and
with the plain Python ledger, and the search must come to its end.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations_with_replacement

import pytest
from refund_inputs import calls, charges, completions, refundings, system

from harness.campaign import Options, Silent, run_campaign
from harness.draw import Called, Case, Drawn, Numbers
from harness.draw.refunds import ROLE
from harness.driver.pool import WorkerPool
from harness.model import Order, Search, Verdict
from harness.stage import Stage
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget

PARTS = 12
"""Tests that the pairs are dealt out to, so that several processes share them."""
LIMIT = 20_000

Pair = tuple[Drawn, Drawn]


def pairs() -> Iterator[Pair]:
    """Both trusted: every pair, the order aside. One or both without the right to call: that is found out before the
    arguments count, so one call of each kind is enough."""
    for one, other in combinations_with_replacement(calls(), 2):
        yield _worker(one), _worker(other)
    denied = [_worker(next(kind()), "anon") for kind in (refundings, completions, charges)]
    for stranger in denied:
        yield from ((_worker(one), stranger) for one in calls())
    yield from combinations_with_replacement(denied, 2)


def _worker(call: Called, role: str = ROLE) -> Drawn:
    return Drawn(calls=(call,), role=role)


class Played:
    """One stage for all: a campaign plays its scenario there. (As `harness.stage.Stages` has one for each.)"""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.owned = stage, True

    def of(self, interleaving: Order | Search) -> Stage:
        assert isinstance(interleaving, Search)
        assert interleaving.inside
        return self.stage


@pytest.fixture(scope="module")
def stage(target: EmbeddedTarget, databases: Databases) -> Iterator[Stage]:
    with WorkerPool() as pool:
        made = Stage(system().scenario, target, databases, pool, inside=True, everywhere=True)
        yield made
        made.close()


@pytest.mark.parametrize("part", range(PARTS))
def test_every_interleaving_of_every_pair_is_right(stage: Stage, part: int) -> None:
    judged = 0
    for one, other in list(pairs())[part::PARTS]:
        case = Case(system=system(), workers=(one, other), numbers=Numbers())
        stage.play(case.scenario)
        options = Options(schedules=LIMIT)
        result = run_campaign(case.scenario, Played(stage), options, Silent(), "18")
        assert result.observed in (Verdict.PASS, Verdict.INCONCLUSIVE), f"{case}: {result.meaning}"
        assert result.exhausted, f"{case}: {result.meaning}"
        [model] = [c for c in result.checks if c.check == "ledger_model"]
        assert model.examined == 2 * result.schedules
        judged += result.schedules
    assert judged > 0


def test_how_many_shapes_there_are() -> None:
    """Should a call get a new shape, it is to be among the pairs."""
    assert len(calls()) == 12 + 6 + 4
    assert len(list(pairs())) == 22 * 23 // 2 + 3 * 22 + 6
