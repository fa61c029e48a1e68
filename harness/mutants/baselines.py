"""What others do: release the workers together, again and again, and look."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from harness.checks import judge
from harness.stage import Stage
from harness.strategies.free_running import LIMIT

THREADS_LIMIT = 100
"""Rounds of the homemade test where nothing else is said: what people give theirs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """``schedules``: number, from 1, of the run in which ``check`` was seen to be violated, and ``seconds`` until then;
    None: never. ``seen``: all checks that were violated. ``cut_short``: time ran out."""

    executed: int
    schedules: int | None
    seconds: float | None
    seen: tuple[str, ...]
    cut_short: bool


def release(
    stage: Stage, check: str, *, seed: int, limit: int | None, by_threads: bool, over: Callable[[], bool]
) -> Released:
    """Release the workers of ``stage`` (which has no gates) until ``check`` is violated, at most ``limit`` times (None:
    `THREADS_LIMIT` for threads, `LIMIT` for processes), or ``over`` says that time has run out."""
    begin = time.monotonic()
    seen: dict[str, None] = {}
    once = stage.released_by_threads if by_threads else stage.release
    limit = limit or (THREADS_LIMIT if by_threads else LIMIT)
    for number in range(limit):
        if over():
            return Released(executed=number, schedules=None, seconds=None, seen=tuple(seen), cut_short=True)
        execution = once(number, seed=seed)
        results = judge(stage.context(execution, None))
        seen.update(dict.fromkeys(r.check for r in results if r.violations))
        if check in seen:
            return Released(
                executed=number + 1, schedules=number + 1, seconds=time.monotonic() - begin, seen=tuple(seen),
                cut_short=False,
            )  # fmt: skip
    return Released(executed=limit, schedules=None, seconds=None, seen=tuple(seen), cut_short=False)
