"""The scenario of one row of the matrix: the worker that is struck, its retry, and then everybody else."""

from __future__ import annotations

from dataclasses import replace

from harness.errors import UsageError
from harness.model import Scenario, Search

INSIDE = Search(strategy="auto")
"""What stands for an execution of the matrix where a stage is chosen: workers are held inside functions."""


def retry_name(scenario: Scenario, worker: str) -> str:
    """The name of the retry: that of the worker and ``_retry``, with a number where that is taken."""
    taken = {w.name for w in scenario.workers}
    name = f"{worker}_retry"
    number = 2
    while name in taken:
        name, number = f"{worker}_retry_{number}", number + 1
    return name


def retried(scenario: Scenario, worker: str) -> Scenario:
    """``scenario`` with ``worker`` first and its retry second: a fresh worker with the same statements, that begins
    when the first has ended. Raises `UsageError` when there is no such worker."""
    struck = next((w for w in scenario.workers if w.name == worker), None)
    if struck is None:
        raise UsageError(f"{scenario.file} has no worker {worker!r} any more: it was struck by the saved fault")
    others = tuple(w for w in scenario.workers if w is not struck)
    retry = replace(struck, name=retry_name(scenario, worker), after=(*struck.after, worker))
    return replace(scenario, workers=(struck, retry, *others), interleavings=(INSIDE,))
