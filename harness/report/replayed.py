"""What `harness replay` prints: the timeline once more, why it came to it, and whether the violation came back."""

from __future__ import annotations

from harness.model import Counterexample
from harness.report.console import plain_console
from harness.report.grid import timeline_text, wrap
from harness.report.reasons import why_lines
from harness.report.text import one_line
from harness.report.timeline import timeline


def print_replay(example: Counterexample, outcome: str) -> None:
    """Name and ``outcome``, each violated check in words, the timeline, a sentence per reason."""
    console = plain_console()
    width = console.width
    console.print(f"{one_line(example.scenario, 60)}: {outcome}", soft_wrap=True)
    for violation in example.violations:
        for line in wrap(f"✗ {one_line(violation.check, 60)}: {one_line(violation.message)}", width - 2, 3):
            console.print(f"  {line}", soft_wrap=True)
    console.print("")
    console.print(timeline_text(timeline(example.execution.history, example.violations[:1]), width), soft_wrap=True)
    for line in ["", *why] if (why := why_lines(example, width)) else []:
        console.print(line, soft_wrap=True)
