"""Executions of simulated systems: one by a strategy, or all there are."""

from __future__ import annotations

from simulated import Simulation, System

from harness.strategies.protocol import Strategy


def execute(strategy: Strategy, system: System) -> tuple[tuple[str, ...], Simulation]:
    """One execution, of a strategy that has been started: who was chosen, and what it came to."""
    simulation = Simulation(system)
    chosen: list[str] = []
    while True:
        choice = strategy.choose(simulation.enabled())
        if choice is None:
            assert not simulation.enabled(), "it ended while somebody could act"
            return tuple(chosen), simulation
        assert choice in simulation.enabled()
        chosen.append(choice.worker)
        strategy.observe(simulation.take(choice.worker))


def all_outcomes(system: System, limit: int = 100_000) -> tuple[set[str], int]:
    """What any order can come to, and how many orders there are: a plain search, depth first, nothing left out."""
    outcomes: set[str] = set()
    count = 0
    plan: list[int] = []
    while True:
        simulation = Simulation(system)
        widths = []
        while enabled := simulation.enabled():
            if len(widths) == len(plan):
                plan.append(0)
            widths.append(len(enabled))
            simulation.take(enabled[plan[len(widths) - 1]].worker)
        outcomes.add(simulation.outcome())
        count += 1
        assert count <= limit
        while plan and plan[-1] + 1 == widths[len(plan) - 1]:
            plan.pop()
        if not plan:
            return outcomes, count
        plan[-1] += 1
