"""Latencies of any number of operations in a bounded space."""

from __future__ import annotations

import math

_STEP = math.log(1.02)
_LEAST_S = 1e-6


class Histogram:
    """Counts in buckets that are 2 % wide, so a percentile is exact to 1 %, whatever the number of values."""

    def __init__(self) -> None:
        self.count = 0
        self.max_s = 0.0
        self._buckets: dict[int, int] = {}

    def add(self, seconds: float) -> None:
        bucket = int(math.log(max(seconds, _LEAST_S) / _LEAST_S) / _STEP)
        self._buckets[bucket] = self._buckets.get(bucket, 0) + 1
        self.count += 1
        self.max_s = max(self.max_s, seconds)

    def buckets_ms(self) -> tuple[tuple[float, int], ...]:
        """(upper bound in milliseconds, count) of every bucket that is not empty, ascending."""
        return tuple((_LEAST_S * math.exp((b + 1) * _STEP) * 1000, n) for b, n in sorted(self._buckets.items()))

    def percentile_ms(self, percent: float) -> float | None:
        """The least value, in milliseconds, that ``percent`` of the values do not exceed; None of no values."""
        if not self.count:
            return None
        wanted, seen = self.count * percent / 100, 0
        for bucket in sorted(self._buckets):
            seen += self._buckets[bucket]
            if seen >= wanted:
                break
        return min(_LEAST_S * math.exp((bucket + 0.5) * _STEP), self.max_s) * 1000
