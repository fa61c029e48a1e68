"""Which orders of points were seen: for every two workers' steps, the one before the other, and after it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from harness.model import Choice

Step = tuple[str, str]
"""(worker, step name)."""


@dataclass(slots=True)
class Coverage:
    """Counts over the executions of one campaign. ``pairs``: ordered pairs of steps of different workers, the first
    taken before the second, with the number of executions in which that was so."""

    steps: dict[Step, int] = field(default_factory=dict)
    pairs: dict[tuple[Step, Step], int] = field(default_factory=dict)
    overlapped: set[Step] = field(default_factory=set)
    longest: dict[str, int] = field(default_factory=dict)
    """Per worker, the most steps that it took in one execution."""
    order: dict[str, list[str]] = field(default_factory=dict)
    """Per worker, all its steps, each behind the one that came before it where it was first seen."""

    def add(self, taken: Sequence[Choice]) -> None:
        """Count one execution, in which these choices were taken. A step that was taken several times (in a loop)
        counts where it was taken first."""
        first: dict[Step, int] = {}
        for turn, choice in enumerate(taken):
            first.setdefault((choice.worker, choice.step), turn)
        self._put_in_order(first)
        for step in first:
            self.steps[step] = self.steps.get(step, 0) + 1
        order = sorted(first, key=first.__getitem__)
        for i, a in enumerate(order):
            for b in order[i + 1 :]:
                if a[0] != b[0]:
                    self.pairs[a, b] = self.pairs.get((a, b), 0) + 1
        self.overlapped |= _amid(taken)
        for worker in {c.worker for c in taken}:
            count = sum(c.worker == worker for c in taken)
            self.longest[worker] = max(count, self.longest.get(worker, 0))

    def _put_in_order(self, taken: Iterable[Step]) -> None:
        before: dict[str, str] = {}
        for worker, step in taken:
            known = self.order.setdefault(worker, [])
            if (worker, step) not in self.steps:
                known.insert(known.index(before[worker]) + 1 if worker in before else 0, step)
            before[worker] = step

    @property
    def ordered(self) -> tuple[Step, ...]:
        """All steps, worker by worker as they were first met, each worker's in the order of its code: a step that only
        some executions reach stands where they reached it."""
        return tuple((worker, step) for worker, steps in self.order.items() for step in steps)

    @property
    def possible(self) -> int:
        """Ordered pairs that could be seen if nothing ever waited."""
        return sum(1 for a in self.steps for b in self.steps if a[0] != b[0])

    @property
    def points(self) -> int:
        """The most steps that the workers took, added up."""
        return sum(self.longest.values())

    @property
    def never_overlapped(self) -> tuple[Step, ...]:
        """Steps that were taken, but never while another worker was under way."""
        return tuple(sorted(self.steps.keys() - self.overlapped))


def _amid(taken: Sequence[Choice]) -> set[Step]:
    """Steps taken between the first and the last step of another worker."""
    spans: dict[str, tuple[int, int]] = {}
    for turn, choice in enumerate(taken):
        spans[choice.worker] = (spans.get(choice.worker, (turn, turn))[0], turn)
    return {
        (c.worker, c.step)
        for turn, c in enumerate(taken)
        if any(begin < turn < end for w, (begin, end) in spans.items() if w != c.worker)
    }
