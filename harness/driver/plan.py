"""One execution's input."""

from __future__ import annotations

from dataclasses import dataclass

from harness.driver.names import Names
from harness.driver.observer import Reading
from harness.model import Worker


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One execution's input: SQL with this execution's ids already in it. ``state``: how its ledger is read."""

    number: int
    names: Names
    workers: tuple[Worker, ...]
    setup: tuple[tuple[str, str], ...]
    state: Reading
