"""Faults in mid-race, searched: all orders of the steps with at most one fault, at any point of one worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from harness.matrix.drawn import Drawing
from harness.matrix.evidence import struck_by
from harness.matrix.strikable import strikable_in_race
from harness.matrix.strike import executed
from harness.model import FAULTS, Action, Choice, Worker
from harness.strategies.exhaustive import Exhaustive

EXECUTIONS = 5000
"""Per scenario, where nobody says otherwise."""


def search(drawing: Drawing, worker: Worker, limit: int, done: Callable[[], None]) -> bool:
    """Executes one of each class of equivalent orders, those with few switches first: at most ``limit`` of them, or up
    to the first violation; False when the time was up before that. The stage must have ``worker`` and its retry.
    ``done`` is called after each. Raises `HarnessError`."""

    def faults(step: Choice) -> Iterator[Action]:
        if step.worker == worker.name:
            actions = (FAULTS[name] for name in drawing.faults)
            yield from (action for action in actions if strikable_in_race(worker, action, step.step))

    strategy = Exhaustive(faults=faults)
    count = 0
    while count < limit and strategy.start():
        if drawing.options.out_of_time:
            return False
        execution, violations = executed(drawing.stage, strategy, drawing.options)
        count += 1
        drawing.note(worker, execution, violations, struck_by(execution))
        done()
        if violations:
            return True
    if (strategy.exhausted or not strategy.start()) and drawing.stage.owned:
        drawing.exhausted.add(worker.name)
    return True
