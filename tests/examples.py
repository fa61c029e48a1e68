"""How many cases a property is tried in."""

from __future__ import annotations

import os

TIMES = int(os.environ.get("HARNESS_EXAMPLES_TIMES", "1"))


def examples(count: int) -> int:
    """``count`` in a run of the tests, which always draws the same; `make anew` draws many more, and others."""
    return count * TIMES
