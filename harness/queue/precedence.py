"""Which deliveries cannot overlap: one had ended before the other began, and the queue saw to that."""

from __future__ import annotations

from collections.abc import Sequence

from harness.queue.settings import Delivery


def predecessors(found: Sequence[Delivery]) -> tuple[tuple[int, ...], ...]:
    """Per delivery (in the order in which they began) the indexes of those that have ended before it begins, whatever
    the clocks say: of the same job, or by the same worker, and theirs in turn. All others may overlap with it: how long
    anything takes is for the strategies to choose, so that times between jobs and workers of their own say nothing."""
    before: list[set[int]] = []
    for i, later in enumerate(found):
        mine: set[int] = set()
        for j, earlier in enumerate(found[:i]):
            related = earlier.job == later.job or earlier.worker == later.worker
            if related and earlier.ended is not None and earlier.ended <= later.began:
                mine |= {j, *before[j]}
        before.append(mine)
    return tuple(tuple(sorted(b)) for b in before)
