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
    when the first has been struck and has ended. ``worker.statement``: it repeats that one and what follows it. Raises
    `UsageError` when there is no such worker or statement."""
    name, _, since = worker.partition(".")
    struck = next((w for w in scenario.workers if w.name == name), None)
    if struck is None:
        raise UsageError(f"{scenario.file} has no worker {name!r} any more: it was struck by the saved fault")
    steps = [s.name for s in struck.statements]
    if since and since not in steps:
        raise UsageError(f"{scenario.file}: {name} has no statement {since!r} any more: its retry began there")
    again = struck.statements[steps.index(since) if since else 0 :]
    others = tuple(w for w in scenario.workers if w is not struck)
    retry = replace(
        struck, name=retry_name(scenario, name), statements=again, after=(*struck.after, name), if_struck=True
    )
    return replace(scenario, workers=(struck, retry, *others), interleavings=(INSIDE,))
