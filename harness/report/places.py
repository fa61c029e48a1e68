"""Where in the SQL that was installed a violation came about: file and line of the step that broke it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.model import Counterexample, Event, EventKind, Violation, source_line

_INSIDE = (EventKind.STEP, EventKind.INVOKE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """``line``: of ``file``, from 1. ``step``: as timelines name it, ``refund:41``."""

    file: str
    line: int
    step: str


def place_of(example: Counterexample, violation: Violation) -> Place | None:
    """The step in which ``violation`` showed; else the one that acted on what was no longer so; else the last one
    inside a function until then. None where none of them stands in a function whose file is known."""
    sources = [source for source in example.story.sources if source.first_line > 0]
    for event in _telling(example, violation):
        if (found := source_line(sources, event.step)) is not None:
            file, line = found
            return Place(file=file, line=line, step=event.step)
    return None


def _telling(example: Counterexample, violation: Violation) -> Iterator[Event]:
    steps = [event for event in example.execution.history.events if event.kind in _INSIDE]
    yield from (event for event in steps if event.turn == violation.turn)
    for reason in example.story.reasons[:1]:
        yield from (event for event in steps if event.turn == reason.acted_turn and event.worker == reason.worker)
    yield from (e for e in reversed(steps) if violation.turn is None or e.turn <= violation.turn)
