"""What a scenario is at one isolation level."""

from __future__ import annotations

from dataclasses import replace

from harness.model import Order, Scenario, Search


def at_own_level(scenario: Scenario, level: str) -> Scenario:
    """``scenario`` at the level that it has anyway: itself, but that what it documents of this level by name holds in
    place of its ``expect``."""
    documented = scenario.levels.get(level)
    return scenario if documented is None else replace(scenario, expect_violation=documented)


def at_level(scenario: Scenario, level: str) -> Scenario:
    """``scenario`` at another level, under a name of its own.

    Exact orders are left out, and with them the declared answers: who waits and who is refused differs from level to
    level. A scenario that searches nothing besides is explored with `auto`.
    """
    kept = tuple(i for i in scenario.interleavings if not isinstance(i, Order))
    if not any(type(i) is Search for i in kept):
        kept = (*kept, Search(strategy="auto"))
    documented = scenario.levels.get(level)
    return replace(
        scenario,
        name=f"{scenario.name}-{level}",
        interleavings=kept,
        expect={},
        expect_violation=scenario.expect_violation if documented is None else documented,
        faults=(),
        levels={},
    )


def orders_left_out(scenario: Scenario) -> int:
    """How many exact orders `at_level` leaves out."""
    return sum(isinstance(i, Order) for i in scenario.interleavings)
