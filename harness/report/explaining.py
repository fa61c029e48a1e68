"""What `harness explain` prints: what was violated, the timeline, and why it came to it."""

from __future__ import annotations

from harness.model import Counterexample, Verdict
from harness.report.console import plain_console
from harness.report.explained import how_lines
from harness.report.grid import wrap
from harness.report.text import one_line
from harness.report.words import SYMBOLS

_MESSAGE_LINES = 10


def print_explanation(example: Counterexample, head: str) -> None:
    """``head`` in a line, each violated check in words, the timeline, the reasons, the replay command."""
    console = plain_console()
    width = console.width
    lines = [one_line(head)]
    for violation in example.violations:
        told = f"{SYMBOLS[Verdict.VIOLATION]} {one_line(violation.check, 60)}"
        told += f": {one_line(violation.message)}" if violation.message else ""
        lines += wrap(told, width, _MESSAGE_LINES)
    for line in [*lines, *how_lines(example, width)]:
        console.print(line, soft_wrap=True)
