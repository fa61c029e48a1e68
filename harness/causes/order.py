"""Executions in which nobody was under way beside somebody else: what they violate needs no race."""

from __future__ import annotations

from harness.causes.faults import STRUCK
from harness.model import Action, Execution, Reason, ReasonKind


def one_after_the_other(execution: Execution) -> Reason | None:
    """The reason, where the workers ran one after the other, each to its end, and no fault struck."""
    events = execution.history.events
    if any(e.kind in STRUCK for e in events) or any(
        d.choice.action is not Action.RUN for d in execution.schedule.decisions
    ):
        return None
    order: list[str] = []
    for event in events:
        if event.worker and event.worker != (order[-1] if order else ""):
            order.append(event.worker)
    if not order or len(order) != len(set(order)):
        return None
    return Reason(kind=ReasonKind.ALONE, worker=order[0] if len(order) == 1 else "")
