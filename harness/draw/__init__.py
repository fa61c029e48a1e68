"""Hypothesis draws schedule and inputs together, and shrinks both.

    from hypothesis import given, strategies as st
    from harness.draw import call, cases, check, system

    REFUNDS = system("refunds", sql=["refund.sql"], invariants={"never_twice": "SELECT …"})
    refund = call("SELECT refund({job})", job=st.sampled_from(["j1", "j2"]))

    @given(cases(REFUNDS, refund, workers=(2, 3)))
    def test_refunds(case):
        check(case)

Each case is one execution: real worker processes, held inside the functions that they call. `harness.draw.machine` has
a rule-based machine for the refund ledger.
"""

from harness.draw.calls import Called, call
from harness.draw.case import Case, Drawn, Numbers, cases, numbers
from harness.draw.faults import Blow, blows
from harness.draw.running import Violated, check
from harness.draw.runtime import use_target
from harness.draw.system import System, system
from harness.matrix.evidence import struck_by

__all__ = [
    "Blow",
    "Called",
    "Case",
    "Drawn",
    "Numbers",
    "System",
    "Violated",
    "blows",
    "call",
    "cases",
    "check",
    "numbers",
    "struck_by",
    "system",
    "use_target",
]
