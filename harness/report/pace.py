"""How fast a campaign goes, and how long it may take at most."""

from __future__ import annotations

from collections import deque

WINDOW_S = 5.0
"""A rate is that of the last seconds: schedules that wait for locks come in batches."""
_LEAST_S = 0.2


class Pace:
    """Readings of a counter that only grows, and of a clock (seconds)."""

    def __init__(self, now: float, done: int = 0) -> None:
        self._readings = deque([(now, done)])

    def read(self, now: float, done: int) -> None:
        """One reading. Those that are older than the window go, but for the last one of them."""
        self._readings.append((now, done))
        while len(self._readings) > 2 and now - self._readings[1][0] >= WINDOW_S:
            self._readings.popleft()

    @property
    def rate(self) -> float | None:
        """Per second; None while there is too little to go by."""
        (first, before), (last, done) = self._readings[0], self._readings[-1]
        return (done - before) / (last - first) if last - first >= _LEAST_S and done > before else None


def at_most(left: int, rate: float | None, budget_s: float | None) -> float | None:
    """Seconds until ``left`` more are done, if nothing ends it before, but no more than what is left of the budget;
    None where that is not known."""
    known = [left / rate] if rate else []
    known += [max(budget_s, 0.0)] if budget_s is not None else []
    return min(known, default=None)
