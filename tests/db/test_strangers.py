"""Functions as strangers write them: what ``harness check`` does judges each of them as its header says."""

from __future__ import annotations

from pathlib import Path

import pytest
from strangers_cases import Stranger, strangers

from harness.adhoc.check import check_on
from harness.adhoc.options import read_request
from harness.campaign import Options
from harness.model import ReasonKind, Verdict
from harness.run import SilentReporter, run_scenarios
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget

SCHEDULES = 60
"""Every broken one is found within a tenth of them; the correct ones are not searched to their end here."""

CASES = strangers()

TOLD = {
    "01_use_credits": (ReasonKind.STALE_READ, "profiles"),
    "05_wallet_ledger_trigger": (ReasonKind.OVERWRITTEN, "wallets"),
    "09_leaderboard": (ReasonKind.STALE_READ, '"HighScore"'),
    "11_subscription_renewals": (ReasonKind.STALE_READ, "subscriptions"),
    "14_escrow_two_paths": (ReasonKind.STALE_READ, "escrow.deals"),
}
"""Of which the first reason is told, and which. A deadlock says all itself; of the others nothing certain can be said:
what they looked for is compared with a parameter or the time, or read by a STABLE function."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_is_judged_as_it_deserves(
    case: Stranger, target: EmbeddedTarget, databases: Databases, tmp_path: Path
) -> None:
    request = read_request(
        sql=[str(case.path)], call=case.calls, setup=case.setups, workers=case.workers, invariant=case.invariants
    )
    ready = check_on(target, request, databases, file=None, folder=tmp_path)
    assert not any("broken before any call" in notice for notice in ready.notices)
    [result] = run_scenarios([ready.scenario], target, Options(schedules=SCHEDULES), SilentReporter(), jobs=1).scenarios
    found = {v.check for example in result.counterexamples for v in example.violations}
    if case.violates is None:
        assert (result.verdict, found) == (Verdict.PASS, set())
    else:
        assert result.verdict is Verdict.VIOLATION
        assert case.violates in found
        assert not result.serially
        reasons = [r for example in result.counterexamples for r in example.story.reasons]
        assert ((reasons[0].kind, reasons[0].table) if reasons else None) == TOLD.get(case.name)


def test_half_of_them_are_correct() -> None:
    assert len(CASES) == 20
    assert sum(case.violates is None for case in CASES) == 10
