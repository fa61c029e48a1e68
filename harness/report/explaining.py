"""What `harness explain` prints: what was violated, the timeline, and why it came to it."""

from __future__ import annotations

from harness.model import Counterexample, Verdict
from harness.report.console import plain_console
from harness.report.grid import timeline_text, wrap
from harness.report.reasons import why_lines
from harness.report.text import one_line
from harness.report.timeline import timeline
from harness.report.words import SYMBOLS, replay_command

_MESSAGE_LINES = 10


def print_explanation(example: Counterexample, head: str) -> None:
    """``head`` in a line, each violated check in words, the timeline, the reasons, the replay command."""
    console = plain_console()
    width = console.width
    violations = example.violations
    lines = [one_line(head)]
    for violation in violations:
        told = f"{SYMBOLS[Verdict.VIOLATION]} {one_line(violation.check, 60)}"
        told += f": {one_line(violation.message)}" if violation.message else ""
        lines += wrap(told, width, _MESSAGE_LINES)
    lines += ["", timeline_text(timeline(example.execution.history, violations[:1]), width), ""]
    lines += why_lines(example, width)
    lines += [f"again   {command}"] if (command := replay_command(example.replay)) else []
    for line in lines:
        console.print(line, soft_wrap=True)
