"""(Schedule, predicate) → a smaller schedule with the same violation.

A counterexample is read by a person, who follows a switch from one worker to another with effort and a straight run
of one worker without. So the order of sizes is: workers, statements, faults, switches, steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from harness.model import Action, Choice, Execution, Schedule, StatementKind, Worker
from harness.schedule import size

MAX_ATTEMPTS = 400

Attempt = Callable[[frozenset[str], Sequence[Choice]], Execution | None]
"""Execute these choices (as near as can be) without these parts (a worker, or "worker.statement"): the execution when
it still violates the same check, else None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shrunk:
    """``execution`` needs nothing of ``without``; ``attempts`` executions were tried."""

    execution: Execution
    without: frozenset[str]
    attempts: int


def shrink(execution: Execution, workers: Sequence[Worker], attempt: Attempt) -> Shrunk:
    """The smallest execution that was reached; at worst the given one. At most `MAX_ATTEMPTS` attempts."""
    return _Shrinker(execution, workers, attempt).run()


class _Shrinker:
    def __init__(self, execution: Execution, workers: Sequence[Worker], attempt: Attempt) -> None:
        self.best, self.workers, self.attempt = execution, workers, attempt
        self.without: frozenset[str] = frozenset()
        self.attempts = 0

    def run(self) -> Shrunk:
        for worker in self.workers:
            self._drop({worker.name})
        for worker in self.workers:
            for unit in _units(worker) if worker.name not in self.without else ():
                self._drop({f"{worker.name}.{name}" for name in unit})
        self._fewer_faults()
        while self._fewer_switches():
            pass
        self._one_interruption()
        return Shrunk(execution=self.best, without=self.without, attempts=self.attempts)

    def _drop(self, parts: set[str]) -> None:
        without = self.without | parts
        left = [w for w in self.workers if w.name not in without and not _empty(w, without)]
        if not left:
            return
        names = {w.name for w in left}
        if self._try(without, [c for c in self._choices() if c.worker in names]):
            self.without = without

    def _fewer_faults(self) -> None:
        """Without each fault in turn: a statement that it would have struck is run."""
        for fault in [c for c in self._choices() if c.action is not Action.RUN]:
            instead = [Choice(worker=fault.worker, step=fault.step)] if fault.step else []
            choices = self._choices()
            if fault in choices:
                at = choices.index(fault)
                self._try(self.without, [*choices[:at], *instead, *choices[at + 1 :]])

    def _fewer_switches(self) -> bool:
        before = _size(self.best.schedule)
        for choices in _merged(self._choices()):
            if self._try(self.without, choices) and _size(self.best.schedule) < before:
                return True
        return False

    def _one_interruption(self) -> None:
        """One worker interrupted once, all others in between: the plainest race there is, and no chain of joined runs
        need lead to it."""
        choices = self._choices()
        order = list(dict.fromkeys(c.worker for c in choices))
        if _size(self.best.schedule)[1] <= len(order):
            return
        for worker in order:
            mine = [c for c in choices if c.worker == worker]
            others = sorted((c for c in choices if c.worker != worker), key=lambda c: order.index(c.worker))
            for split in range(1, len(mine)):
                if self._try(self.without, [*mine[:split], *others, *mine[split:]]):
                    return

    def _try(self, without: frozenset[str], choices: Sequence[Choice]) -> bool:
        """Whether the choices still violate, and are not a longer way to say the same."""
        if self.attempts >= MAX_ATTEMPTS:
            return False
        self.attempts += 1
        found = self.attempt(without, choices)
        if found is None or (without == self.without and _size(found.schedule) >= _size(self.best.schedule)):
            return False
        self.best = found
        return True

    def _choices(self) -> list[Choice]:
        return [d.choice for d in self.best.schedule.decisions]


def _size(schedule: Schedule) -> tuple[int, int, int]:
    """(faults, switches, steps)."""
    return sum(d.choice.action is not Action.RUN for d in schedule.decisions), *size(schedule)


def _empty(worker: Worker, without: frozenset[str]) -> bool:
    """Whether nothing is left of what the worker does: then it is not there, and no fault can strike it."""
    return not worker.program and all(f"{worker.name}.{s.name}" in without for s in worker.statements)


def _units(worker: Worker) -> Iterator[list[str]]:
    """Statements that can go together: one with its implicit commit, or a transaction's frame when it stands alone."""
    statements = worker.statements
    if not statements or statements[-1].attempt > 1:
        return  # a program does what it does, and what it tries again is what it has tried
    for i, s in enumerate(statements):
        if s.opens:
            yield [s.name, statements[i + 1].name]
        elif s.kind not in (StatementKind.BEGIN, StatementKind.COMMIT, StatementKind.ROLLBACK):
            yield [s.name]


def _merged(choices: Sequence[Choice]) -> Iterator[list[Choice]]:
    """Every way to join a run of one worker's steps with its next run: by moving the one back or the other forth."""
    runs = [list(run) for _, run in groupby(choices, key=lambda c: c.worker)]
    for i, run in enumerate(runs):
        later = next((j for j in range(i + 1, len(runs)) if runs[j][0].worker == run[0].worker), None)
        if later is None:
            continue
        between = runs[i + 1 : later]
        for middle in ([run + runs[later], *between], [*between, run + runs[later]]):
            yield [c for part in (*runs[:i], *middle, *runs[later + 1 :]) for c in part]
