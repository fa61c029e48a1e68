"""What `harness replay` prints: the timeline once more, and whether the violation came back."""

from __future__ import annotations

from collections.abc import Sequence

from harness.model import History, Violation
from harness.report.console import plain_console
from harness.report.grid import timeline_text, wrap
from harness.report.text import one_line
from harness.report.timeline import timeline


def print_replay(name: str, history: History, violations: Sequence[Violation], outcome: str) -> None:
    """Name and ``outcome``, each violated check in words, the timeline."""
    console = plain_console()
    width = console.width
    console.print(f"{one_line(name, 60)}: {outcome}", soft_wrap=True)
    for violation in violations:
        for line in wrap(f"✗ {one_line(violation.check, 60)}: {one_line(violation.message)}", width - 2, 3):
            console.print(f"  {line}", soft_wrap=True)
    console.print("")
    console.print(timeline_text(timeline(history, violations[:1]), width), soft_wrap=True)
