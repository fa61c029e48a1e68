"""Is there an order of what happened that a sequential system explains? Linearizability, for any such system.

M. Herlihy and J. Wing, "Linearizability: a correctness condition for concurrent objects", 1990, define it; J. Wing and
C. Gong, "Testing and verifying concurrent objects", 1993, search for the order; G. Lowe, "Testing for linearizability",
2017, remembers which sets of operations have been tried and in which state they had left the system, as Porcupine does
(A. Athalye, 2017). Without that memory n operations that all overlap cost n! steps, with it 2ⁿ times the number of
states.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

S = TypeVar("S", bound=Hashable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """When an operation was under way. ``began``, ``ended``: comparable instants, such as indexes of events; ``ended``
    None: nobody knows, so it precedes nothing. ``optional``: it may never have happened. One worker's operations are
    listed in the order in which it sent them."""

    worker: str
    began: int
    ended: int | None = None
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Search(Generic[S]):
    """What was found. ``order``: indexes of operations, in an order that explains everything; None: there is none.
    ``longest``: the longest order that explains a part. ``ends``: the different states after all that must have
    happened, in the order in which they were found, which depends on the arguments alone.
    ``complete``: False when it was given up before all was tried, and then ``order`` None says nothing."""

    order: tuple[int, ...] | None
    longest: tuple[int, ...]
    ends: tuple[S, ...]
    complete: bool = True


def linearize(
    operations: Sequence[Interval],
    start: S,
    step: Callable[[S, int], S | None],
    accept: Callable[[S], bool],
    *,
    limit: int,
) -> Search[S]:
    """Search for an order of ``operations`` from ``start`` to a state that ``accept`` takes.

    An operation that ended before another began comes before it, and a worker's operations keep their order.
    ``step(state, i)`` is the state after operation i, or None when i cannot have done there what it did. At most
    ``limit`` steps are tried.
    """
    required = sum(1 << i for i, op in enumerate(operations) if not op.optional)
    before, later = _precedence(operations)
    longest: tuple[int, ...] = ()
    ends: dict[S, None] = {}
    tried = {(0, start)}
    steps = 0
    stack: list[tuple[int, S, tuple[int, ...]]] = [(0, start, ())]
    while stack:
        done, state, order = stack.pop()
        if len(order) > len(longest):
            longest = order
        if done & required == required:
            ends[state] = None
            if accept(state):
                return Search(order=order, longest=order, ends=tuple(ends))
        found = []
        for i in range(len(operations)):
            if done >> i & 1 or before[i] & ~done or later[i] & done:
                continue
            if steps == limit:
                return Search(order=None, longest=longest, ends=tuple(ends), complete=False)
            steps += 1
            after = step(state, i)
            if after is not None and (done | 1 << i, after) not in tried:
                tried.add((done | 1 << i, after))
                found.append((done | 1 << i, after, (*order, i)))
        stack.extend(reversed(found))
    return Search(order=None, longest=longest, ends=tuple(ends))


def _precedence(operations: Sequence[Interval]) -> tuple[list[int], list[int]]:
    """Per operation, as bit masks: those that must have been placed before it, and those that it cannot follow."""
    before = [0] * len(operations)
    later = [0] * len(operations)
    for i, op in enumerate(operations):
        for j, other in enumerate(operations):
            if i == j:
                continue
            in_time = op.ended is not None and op.ended < other.began
            if in_time or (op.worker == other.worker and i < j):
                later[i] |= 1 << j
                if not op.optional:
                    before[j] |= 1 << i
    return before, later
