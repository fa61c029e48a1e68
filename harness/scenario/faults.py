"""Faults by name, in a scenario file or on the command line."""

from __future__ import annotations

from collections.abc import Iterable

from harness.errors import UsageError
from harness.model import CRASHES, FAULTS
from harness.scenario.schema import nearest

ALL = "all"


def every_fault(names: Iterable[str]) -> tuple[str, ...]:
    """The faults that known ``names`` name, each once, in the order in which they are reported. ``all`` leaves crashes
    of the server out: each takes a recovery, and a server of its own."""
    named = set(names)
    return tuple(name for name in (*FAULTS, *CRASHES) if name in named or (ALL in named and name in FAULTS))


def parse_faults(text: str) -> tuple[str, ...]:
    """``crash,lost_answer`` or ``all``. Raises `UsageError` for a name that is none."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    known = [*FAULTS, *CRASHES, ALL]
    for name in names:
        if name not in known:
            raise UsageError(f"--faults: unknown {name!r}{nearest(name, known)}")
    if not names:
        raise UsageError(f"--faults: name some of {', '.join(known)}")
    return every_fault(names)
