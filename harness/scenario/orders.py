"""Exact orders: parsed, and simulated far enough to refuse those that nobody could carry out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.model import MARKS, Action, Choice, OrderStep, StatementKind, Worker
from harness.scenario.schema import StepSpec, nearest
from harness.scenario.yamltext import Document, Path_

_FAILS = (Action.CANCEL, Action.STATEMENT_TIMEOUT, Action.LOCK_TIMEOUT)
"""What ends a wait with an error, and leaves the connection."""
_UNSEEN = (Action.RUN_ON, *_FAILS, Action.BACKEND, Action.RESET, Action.IDLE, Action.HEAL)
FAULTS = {"kill": Action.KILL, "term": Action.TERM, **{f"!{a.value}": a for a in _UNSEEN}}
"""Steps that are faults, as schedules write them too. A marked one cannot be mistaken for a statement."""


@dataclass(slots=True)
class _Client:
    """How far one worker is in the simulation."""

    worker: Worker
    next: int = 0
    in_transaction: bool = False
    blocked_at: int | None = None
    dead: bool = False
    silent: bool = False
    """It has given up, and its session, in a black hole, does not know that: what it holds it holds until that ends."""

    @property
    def finished(self) -> bool:
        return not self.silent and (self.dead or self.next >= len(self.worker.statements))


def check_order(
    document: Document, where: Path_, steps: Sequence[StepSpec], workers: Sequence[Worker]
) -> tuple[OrderStep, ...]:
    """The order as choices. Raises `ScenarioError` for unknown names, steps out of order, a step asked of a blocked
    worker that nothing has woken, and a cycle of waits."""
    clients = {w.name: _Client(w) for w in workers}
    result = []
    for i, spec in enumerate(steps):
        place = (*where, i)
        client, choice = _resolve(document, place, spec, clients)
        if client.dead:
            raise document.error(place, f"{choice}: {client.worker.name} is dead since an earlier step")
        if client.blocked_at is not None and not choice.action.strikes:
            raise document.error(
                place,
                f"{choice}: {client.worker.name} is still blocked since step {client.blocked_at + 1}, "
                "and nothing since then could have woken it (a commit, a rollback, a kill)",
            )
        wakes = _advance(client, choice)
        if spec.mark == "blocked":
            client.blocked_at = i
        elif wakes:
            for other in clients.values():
                if other is not client:
                    other.blocked_at = None
        waiting = [c for c in clients.values() if c.blocked_at is not None]
        if waiting and all(c.blocked_at is not None or c.finished for c in clients.values()):
            names = ", ".join(c.worker.name for c in waiting)
            raise document.error(place, f"a cycle of waits: {names} wait, and no worker is left to wake them")
        result.append(OrderStep(choice=choice, blocked=spec.mark == "blocked"))
    return tuple(result)


def _resolve(document: Document, place: Path_, spec: StepSpec, clients: dict[str, _Client]) -> tuple[_Client, Choice]:
    worker, dot, step = spec.step.partition(".")
    if not dot:
        raise document.error(place, f"{spec.step!r}: a step is written worker.step")
    if worker not in clients:
        raise document.error(place, f"unknown worker {worker!r}{nearest(worker, list(clients))}")
    client = clients[worker]
    if step in FAULTS:
        if spec.mark:
            raise document.error(place, f"{spec.step} is a fault: it cannot be {spec.mark}")
        return client, Choice(worker=worker, action=FAULTS[step])
    names = [s.name for s in client.worker.statements]
    if step not in names:
        raise document.error(place, f"{worker} has no step {step!r}{nearest(step, [*names, *FAULTS])}")
    if _tries_again(client, names.index(step)):
        client.next, client.in_transaction = names.index(step), False
        for other in clients.values():
            other.blocked_at = None  # what failed was rolled back
    if not client.dead and (client.next >= len(names) or names[client.next] != step):
        expected = f"{worker}.{names[client.next]}" if client.next < len(names) else f"nothing more of {worker}"
        raise document.error(place, f"{spec.step} is out of order: next comes {expected}")
    return client, Choice(worker=worker, step=step, action=MARKS.get(spec.mark or "", Action.RUN))


def _tries_again(client: _Client, position: int) -> bool:
    """Whether the step is the first of the attempt after the one that the client is in, which must then have failed."""
    statements = client.worker.statements
    begun = client.next and not client.dead and client.blocked_at is None
    if not begun or client.next == position or statements[position].attempt == statements[position - 1].attempt:
        return False
    return statements[position].attempt == statements[client.next - 1].attempt + 1


def _advance(client: _Client, choice: Choice) -> bool:
    """Move the simulation on; True when the choice may release locks."""
    if choice.action in _UNSEEN:
        return _struck(client, choice.action)
    if choice.action in (Action.KILL, Action.TERM):
        client.dead = choice.action is Action.KILL or client.worker.on_sigterm == "exit"
        client.blocked_at = None if client.dead else client.blocked_at
        return client.dead
    if choice.action.of_wire:
        client.next, client.in_transaction = len(client.worker.statements), False
        client.silent = choice.action is Action.BLACK_HOLE
        return not client.silent
    kind = client.worker.statements[client.next].kind
    client.next += 1
    if kind is StatementKind.BEGIN:
        client.in_transaction = True
        return False
    ends = kind in (StatementKind.COMMIT, StatementKind.ROLLBACK)
    if ends:
        client.in_transaction = False
    if choice.action is Action.LOSE:
        client.dead = True
        return True
    return ends or not client.in_transaction


def _struck(client: _Client, action: Action) -> bool:
    """The same for a fault that leaves the worker alive. Here a worker waits or is between two statements, where there
    is nothing to cancel, to time out or to run on."""
    if client.silent or action is Action.HEAL:
        ends = client.silent and action in (Action.HEAL, Action.BACKEND)
        client.silent = client.silent and not ends
        return ends
    waited = client.blocked_at is not None
    idle = client.in_transaction and not waited
    if action is Action.RUN_ON or (action in _FAILS and not waited) or (action is Action.IDLE and not idle):
        return False
    client.blocked_at = None
    if waited and action in _FAILS and client.worker.keep_going:
        return not client.in_transaction
    if waited:  # its statement fails, and that is its end
        client.next = len(client.worker.statements)
    client.in_transaction = False
    return True
