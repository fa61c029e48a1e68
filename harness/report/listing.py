"""Plain tables for `harness list` and `harness doctor`."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from harness.model import Order, Scenario
from harness.report.console import plain_console
from harness.report.grid import wrap
from harness.report.words import plural


def print_scenarios(scenarios: Sequence[Scenario]) -> None:
    """Two lines a scenario: what it runs, and the first sentence of what it is about."""
    console = plain_console()
    for s in scenarios:
        orders = sum(isinstance(i, Order) for i in s.interleavings)
        parts = [plural(len(s.workers), "worker")] if s.workers else []
        parts += [plural(orders, "exact order")] if orders else []
        parts += [i.strategy for i in s.interleavings if not isinstance(i, Order)]
        parts += [plural(len(s.cases), "single call")] if s.cases else []
        bad = f"  (known bad: {', '.join(s.expect_violation)})" if s.expect_violation else ""
        console.print(f"{s.name:<28}  {', '.join(parts)}{bad}", soft_wrap=True)
        about = " ".join(s.about.split()).split(". ")[0].rstrip(".")
        for line in wrap(about, console.width - 4, 3) if about else []:
            console.print(f"    {line}", style="dim")


def print_findings(findings: Sequence[tuple[str, bool, bool, str, str]]) -> None:
    """One row a finding, (name, ok, needed, detail, remedy), and a last line that says whether all is well."""
    print_rows(findings)
    console = plain_console()
    missing = [name for name, ok, needed, *_ in findings if needed and not ok]
    if missing:
        console.print(f"Not ready: {', '.join(missing)}.", style="bold red", soft_wrap=True)
    else:
        console.print("Ready: harness run.", style="green")


def print_rows(findings: Sequence[tuple[str, bool, bool, str, str]]) -> None:
    """The rows alone."""
    console = plain_console()
    for name, ok, needed, detail, remedy in findings:
        style = "green" if ok else "bold red" if needed else "yellow"
        row = Text.assemble(("✓" if ok else "✗" if needed else "–", style), f" {name:<12} {detail}")
        console.print(row, soft_wrap=True)
        if not ok and remedy:
            console.print(f"  {'':<12} → {remedy}", soft_wrap=True)
