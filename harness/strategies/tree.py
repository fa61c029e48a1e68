"""The tree of executed prefixes, small enough to be kept whole.

A node is a state that a sequence of choices leads to. What one execution adds to the tree is a chain of nodes without
a fork, kept as one `Segment` with arrays in place of a node object each; forks are added to it as they come up.

A turn is known by who was chosen: a worker's name. A fault in place of a worker's step is a turn of its own beside that
step, and bears the choice's text, which begins with the worker's name and a dot.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator

from harness.model import Action, Choice
from harness.strategies.effects import Effects


def turn_of(choice: Choice) -> str:
    """What the turn of ``choice`` is known by."""
    return choice.worker if choice.action is Action.RUN else str(choice)


def worker_of(turn: str) -> str:
    """Whose turn it is."""
    return turn.partition(".")[0]


class Pending:
    """A branch that is to be executed. ``owed``: races that it is meant to reverse, as far as that hangs on what its
    first turn will turn out to do: (effects that must not depend on it, workers of which one must be tried if they do).
    """

    __slots__ = ("owed",)

    def __init__(self) -> None:
        self.owed: set[tuple[frozenset[int], tuple[str, ...]]] = set()


class Segment:
    """The nodes that one execution has added, at depths ``start``, ``start + 1``, …, and the turns between them.

    ``worker``, ``entry``: the turn that led from the parent's node at depth ``start - 1`` into this segment (worker,
    number of its effect); the first segment has no parent. ``enabled``: per node the number of its choices.
    ``taken``, ``effects``: the turn that led on from each node but the last. ``branches``: other turns from a node, by
    its depth, in the order in which they were begun, those that wait after them.
    """

    __slots__ = ("branches", "effects", "enabled", "entry", "parent", "start", "taken", "worker")

    def __init__(self, parent: Segment | None, start: int, worker: str) -> None:
        self.parent, self.start, self.worker = parent, start, worker
        self.entry = -1
        self.enabled = array("I")
        self.effects = array("I")
        self.taken: list[str] = []
        self.branches: dict[int, dict[str, Segment | Pending]] = {}

    @property
    def end(self) -> int:
        """Depth of the last node."""
        return self.start + len(self.taken)

    def child(self, depth: int, worker: str) -> Segment | Pending | None:
        """Where ``worker``'s turn leads to from the node at ``depth``: this segment's own next node, a branch."""
        if depth < self.end and self.taken[depth - self.start] == worker:
            return self
        return self.branches.get(depth, {}).get(worker)

    def effect_of(self, depth: int, worker: str) -> int:
        """The number of the effect of a turn that has been executed from the node at ``depth``."""
        child = self.child(depth, worker)
        assert isinstance(child, Segment)
        return self.effects[depth - self.start] if child is self else child.entry

    def set_effect(self, depth: int, worker: str, effect: int) -> None:
        child = self.child(depth, worker)
        assert isinstance(child, Segment)
        if child is self:
            self.effects[depth - self.start] = effect
        else:
            child.entry = effect

    def begun(self, depth: int) -> Iterator[tuple[str, int]]:
        """The turns executed from the node at ``depth`` (worker, effect), in the order in which they were begun."""
        if depth < self.end:
            yield self.taken[depth - self.start], self.effects[depth - self.start]
        for worker, branch in self.branches.get(depth, {}).items():
            if isinstance(branch, Segment):
                yield worker, branch.entry

    def add_branch(self, branch: Segment) -> Pending | None:
        """Put a new segment in its place, behind the branches that were begun before it; what waited there."""
        forks = self.branches.setdefault(branch.start - 1, {})
        waited = forks.pop(branch.worker, None)
        waiting = {w: b for w, b in forks.items() if isinstance(b, Pending)}
        for worker in waiting:
            del forks[worker]
        forks[branch.worker] = branch
        forks.update(waiting)
        return waited if isinstance(waited, Pending) else None

    def route(self, depth: int) -> list[str]:
        """The workers chosen on the way from the root to the node at ``depth``."""
        parts = [self.taken[: depth - self.start]]
        segment = self
        while segment.parent is not None:
            parts.append([segment.worker])
            parts.append(segment.parent.taken[: segment.start - 1 - segment.parent.start])
            segment = segment.parent
        return [worker for part in reversed(parts) for worker in part]


class Path:
    """A walk from the root. Per turn: ``workers``, ``turns`` (numbers of effects). Per node, one more than turns:
    ``sleeps`` (workers that need not be tried there, with the effects that they would have, because what begins with
    them is covered by a branch begun earlier) and ``switches`` (preemptive ones so far). ``owners``: per node that a
    turn was taken from, the segment that it is in."""

    __slots__ = ("owners", "sleeps", "switches", "turns", "workers")

    def __init__(self) -> None:
        self.workers: list[str] = []
        self.turns: list[int] = []
        self.owners: list[Segment] = []
        self.sleeps: list[dict[str, int]] = [{}]
        self.switches: list[int] = [0]

    def cost(self, depth: int, worker: str, enabled: tuple[Choice, ...]) -> int:
        """Preemptive switches up to and including ``worker``'s turn from the node at ``depth``. A fault counts as one:
        what needs none is found first."""
        name = worker_of(worker)
        current = worker_of(self.workers[depth - 1]) if depth else name
        preempted = current != name and any(c.worker == current for c in enabled)
        return self.switches[depth] + preempted + (name != worker)

    def take(self, owner: Segment, worker: str, effect: int, cost: int, effects: Effects) -> None:
        """Go on by ``worker``'s turn from the node that has been reached, which is in ``owner``."""
        depth = len(self.workers)
        asleep = dict(self.sleeps[depth])
        for sibling, its_effect in owner.begun(depth):
            if sibling == worker:
                break
            asleep[sibling] = its_effect
        asleep.pop(worker, None)
        self.workers.append(worker)
        self.turns.append(effect)
        self.owners.append(owner)
        self.switches.append(cost)
        self.sleeps.append({w: e for w, e in asleep.items() if not effects.dependent(e, effect)})


class Choices:
    """Sets of enabled choices by number: executions meet the same ones over and over."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[Choice, ...], int] = {}
        self._sets: list[tuple[Choice, ...]] = []

    def number(self, enabled: tuple[Choice, ...]) -> int:
        known = self._numbers.get(enabled)
        if known is None:
            known = self._numbers[enabled] = len(self._sets)
            self._sets.append(enabled)
        return known

    def __getitem__(self, number: int) -> tuple[Choice, ...]:
        return self._sets[number]
