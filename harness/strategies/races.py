"""Races of an executed sequence of turns: pairs that depend on each other with nothing in between that orders them,
and what would have to run first for the pair to come the other way round."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.strategies.effects import Effects
from harness.strategies.tree import worker_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Race:
    """Turn ``at`` (an index) races with a later turn of ``rival``. To reverse it, the turns that do not happen after
    ``at`` must come before it, then ``rival``'s.

    ``between``: numbers of the effects of those turns. ``first``: workers whose next turn may begin that sequence for
    certain. ``rival_first``: so may ``rival``'s, if that does without ``at`` what it did behind it.
    """

    at: int
    rival: str
    between: frozenset[int]
    first: tuple[str, ...]
    rival_first: bool


def races(workers: Sequence[str], turns: Sequence[int], effects: Effects, *, since: int = 0) -> Iterator[Race]:
    """The reversible races whose later turn has an index of ``since`` or more. ``workers``: who was chosen at each
    turn; ``turns``: numbers of their effects. The later turn by index, then the nearer one of the earlier turns first.
    """
    names = [worker_of(turn) for turn in workers]
    before: list[int] = []  # per turn a bit mask of the turns that happen before it
    for j, effect in enumerate(turns):
        mask = 0
        found = []
        for i in range(j - 1, -1, -1):
            if mask >> i & 1 or not effects.dependent(turns[i], effect):
                continue
            mask |= before[i] | 1 << i
            # A worker that moved in turn i goes on from there: that is its own order, not a race.
            if j >= since and names[j] != names[i] and names[j] not in effects.workers(turns[i]):
                found.append(i)
        before.append(mask)
        for i in found:
            yield _reversed(i, j, workers, turns, before)


def _reversed(i: int, j: int, workers: Sequence[str], turns: Sequence[int], before: Sequence[int]) -> Race:
    taken, first = 0, []
    between = set()
    for k in range(i + 1, j):
        if before[k] >> i & 1:
            continue
        if not before[k] & taken:
            first.append(workers[k])
        taken |= 1 << k
        between.add(turns[k])
    return Race(
        at=i,
        rival=workers[j],
        between=frozenset(between),
        first=tuple(first),
        rival_first=not before[j] & taken,
    )
