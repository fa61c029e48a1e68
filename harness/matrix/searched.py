"""Faults in mid-race, searched: all orders of the steps with at most one fault, at any point of one worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from harness.matrix.drawn import Drawing
from harness.matrix.strikable import strikable
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
        if step.worker == worker.name and step.action is Action.RUN:
            actions = (FAULTS[name] for name in drawing.faults)
            yield from (a for a in actions if strikable(worker, a, step.step) and not _lingers(worker, a, step.step))

    strategy = Exhaustive(faults=faults)
    count = 0
    while count < limit and strategy.start():
        if drawing.options.out_of_time:
            return False
        execution, violations = executed(drawing.stage, strategy, drawing.options)
        count += 1
        drawing.note(worker, execution, violations)
        done()
        if violations:
            return True
    ended = strategy.exhausted or not strategy.start()
    if ended and drawing.stage.owned and Action.BLACK_HOLE not in (FAULTS[name] for name in drawing.faults):
        drawing.exhausted.add(worker.name)
    return True


def _lingers(worker: Worker, action: Action, step: str) -> bool:
    """Whether the session may outlive its client and go on in a later turn, of whose effect nothing is known: out of a
    black hole, or of a wait in which nobody is told the answer any more. Such faults are drawn, not searched."""
    may_wait = any(s.may_wait for s in worker.statements if s.name == step)
    return action is Action.BLACK_HOLE or (action in (Action.LOSE, Action.LOST_ACK) and may_wait)
