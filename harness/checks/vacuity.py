"""Non-vacuity: a green run that never overlapped anything, or never changed anything, has shown nothing."""

from __future__ import annotations

from collections.abc import Callable

from harness.checks.protocol import Context
from harness.model import Statement

Touches = Callable[[Statement], frozenset[str] | None]
"""Tables that a statement may touch; None: any."""


def overlapped(context: Context, touches: Touches) -> bool:
    """Whether two workers that touch a common table were under way at once: between the first invocation and the last
    completion of each."""
    spans = []
    end_of_history = len(context.execution.history.events)
    for worker in context.scenario.workers:
        mine = [op for op in context.operations if op.worker == worker.name]
        if mine:
            end = max(end_of_history if op.ended is None else op.ended for op in mine)
            spans.append((mine[0].began, end, [touches(op.statement) for op in mine]))
    for i, (began, ended, tables) in enumerate(spans):
        for other_began, other_ended, other_tables in spans[i + 1 :]:
            if began < other_ended and other_began < ended and _common(tables, other_tables):
                return True
    return False


def changed(context: Context) -> bool:
    """Whether the execution left another ledger than it found."""
    return context.execution.history.opening != context.execution.history.closing


def _common(mine: list[frozenset[str] | None], theirs: list[frozenset[str] | None]) -> bool:
    if None in mine or None in theirs:
        return True
    return bool(frozenset().union(*(t for t in mine if t)) & frozenset().union(*(t for t in theirs if t)))
