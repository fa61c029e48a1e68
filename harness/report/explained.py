"""A scenario's result in a test's failure: whatever runs the tests prints it once, as plain text."""

from __future__ import annotations

from collections.abc import Callable

from harness.model import Counterexample, ScenarioResult
from harness.report.grid import timeline_text
from harness.report.reasons import why_lines
from harness.report.timeline import timeline
from harness.report.words import replay_command

WIDTH = 100


def explained(result: ScenarioResult, again: Callable[[str], str] = replay_command) -> str:
    """Verdict, the violated checks in words, the timeline, the replay command where a schedule was saved. ``again``:
    that command for the schedule's path."""
    lines = [f"{result.name}: {result.verdict.value}. {result.meaning}"]
    lines += [counterexample_text(example, again) for example in result.counterexamples[:1]]
    return "\n".join(lines)


def counterexample_text(example: Counterexample, again: Callable[[str], str] = replay_command) -> str:
    """The violated checks in words, the timeline, why it came to it, the replay command where a schedule was saved."""
    lines = [f"  {v.check}: {v.message}" for v in example.violations]
    return "\n".join([*lines, *how_lines(example, WIDTH, again)])


def how_lines(example: Counterexample, width: int, again: Callable[[str], str] = replay_command) -> list[str]:
    """The timeline with the first violation marked, why it came to it, the replay command where there is one."""
    drawn = timeline(example.execution.history, example.violations[:1])
    lines = ["", timeline_text(drawn, width), "", *why_lines(example, width)]
    return [*lines, f"again   {again(example.replay)}"] if example.replay else lines
