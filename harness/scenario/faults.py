"""Faults by name, in a scenario file or on the command line."""

from __future__ import annotations

from collections.abc import Iterable

from harness.model import CRASHES, FAULTS
from harness.scenario.named import ALL, names_in


def every_fault(names: Iterable[str]) -> tuple[str, ...]:
    """The faults that known ``names`` name, each once, in the order in which they are reported. ``all`` leaves crashes
    of the server out: each takes a recovery, and a server of its own."""
    named = set(names)
    return tuple(name for name in (*FAULTS, *CRASHES) if name in named or (ALL in named and name in FAULTS))


def parse_faults(text: str) -> tuple[str, ...]:
    """``crash,lost_answer`` or ``all``. Raises `UsageError` for a name that is none."""
    return every_fault(names_in("--faults", text, [*FAULTS, *CRASHES]))
