"""A run on the terminal: a live line while it goes on, then what was found, on one screen."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import TextIO

from rich.control import Control
from rich.segment import ControlType
from rich.text import Text

from harness.model import RunResult, ScenarioResult, Verdict
from harness.report.console import QuietPipeConsole
from harness.report.grid import fit, timeline_text, wrap
from harness.report.summary import red_summary
from harness.report.text import one_line
from harness.report.words import SYMBOLS, coverage, documented, effort, headline, outcome, plural, seconds, server_words

__all__ = ["ConsoleReporter", "timeline_text"]

SCREEN = (80, 24)
REFRESH_S = 0.1
_LOG_WIDTH = 240
_STYLES = {
    Verdict.PASS: "green",
    Verdict.VIOLATION: "bold red",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.ERROR: "bold magenta",
}
_ASCII = str.maketrans("✓✗→←↔…·⋮┊─", "+X><=~-:|-")
"""Stand-ins of the same width, for a terminal that cannot show more than ASCII."""


class ConsoleReporter:
    """Callbacks that a campaign calls as it goes; all output goes to `file` (standard output by default).

    On a terminal one live line shows what is going on; elsewhere (and where `CI` is set) one plain line per scenario.
    `quiet`: only what is not a pass, and the last lines. `verbose`: also what each verdict means and what the checks
    examined. Never starts a thread, so that workers may be forked at any time.
    """

    def __init__(
        self,
        file: TextIO | None = None,
        *,
        quiet: bool = False,
        verbose: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._file = file or sys.stdout
        self._quiet, self._verbose, self._clock = quiet, verbose, clock
        tty = self._file.isatty()
        # Off a terminal the width must not depend on who looks.
        self._console = QuietPipeConsole(
            file=self._file, highlight=False, markup=False, emoji=False, width=None if tty else SCREEN[0]
        )
        self._unicode = self._console.encoding.lower().startswith("utf")
        plain = quiet or bool(os.environ.get("CI")) or os.environ.get("TERM", "dumb") in ("dumb", "unknown")
        self._animated, self._line_shown = tty and not plain, False
        self._total = self._finished = self._findings = self._done = 0
        self._scenario, self._started, self._drawn = "", 0.0, 0.0

    def run_started(self, target_description: str, server_version: str, n_scenarios: int) -> None:
        """Once, before the first scenario."""
        self._total = n_scenarios
        if not self._quiet:
            where = f" ({one_line(target_description, 80)})" if target_description else ""
            self._print(f"{server_words(server_version)}{where} · {plural(n_scenarios, 'scenario')}", "dim")

    def scenario_started(self, name: str) -> None:
        """Before each scenario."""
        self._scenario, self._done, self._started = one_line(name, 60), 0, self._clock()
        self._draw(force=True)

    def schedule_done(self, name: str, done: int, violations: int) -> None:
        """After each schedule: how many of this scenario are done, and how many of them violated something."""
        self._scenario, self._done = one_line(name, 60), done
        self._draw(found=violations)

    def scenario_done(self, result: ScenarioResult) -> None:
        """After each scenario."""
        self._finished += 1
        self._findings += result.verdict is Verdict.VIOLATION
        if self._quiet and result.verdict is Verdict.PASS:
            return
        self._scenario_line(result)
        if self._verbose:
            if result.meaning:
                self._print(one_line(result.meaning, 1200), "dim", indent="  ")
            if covered := coverage(result):
                self._print(covered, "dim", indent="  ")
            for note in (note for check in result.checks for note in check.notes[:1]):
                self._print(f"  note: {one_line(note.message, 400)}", "yellow")
            for check in result.checks:
                examined = f"{check.examined:,} examined"
                self._print(f"{SYMBOLS[check.verdict]} {one_line(check.check, 60)}: {examined}", "dim", indent="  ")
        self._draw(force=True)

    def run_done(self, result: RunResult, report_path: object) -> None:
        """Once, at the end; `report_path` is the page to open ("" or None when none was written)."""
        self.close()
        path = one_line(str(report_path or ""))
        if any(scenario.verdict is not Verdict.PASS for scenario in result.scenarios):
            height = None if self._verbose else (self._console.height if self._file.isatty() else SCREEN[1])
            self._print("")
            # The caller's prompt takes a line as well.
            for line in red_summary(result, path, self._console.width, None if height is None else height - 4):
                self._print_marked(line)
            self._print("")
        elif path:
            self._print_marked(f"report  {path}")
        last = f"{SYMBOLS[result.verdict]} {headline(result)} seed {result.seed}, {seconds(result.elapsed_s)}"
        self._print(last, _STYLES[result.verdict])

    def close(self) -> None:
        """Take the live line away, also when a run ends by an exception. May be called twice."""
        self._erase()
        self._animated = False

    def _scenario_line(self, result: ScenarioResult) -> None:
        # A log may have long lines; a terminal would break them.
        width = self._console.width if self._file.isatty() else _LOG_WIDTH
        text = Text(no_wrap=True, overflow="ignore")
        text.append(f"{SYMBOLS[result.verdict]} ", _STYLES[result.verdict])
        text.append(f"{one_line(result.name, 60):<26}  ")
        if result.verdict is Verdict.PASS and not documented(result):
            text.append(f"{effort(result)}, {seconds(result.elapsed_s)}", "dim")
        elif documented(result):
            text.append("violation seen, as documented")
            text.append(f"  {plural(result.schedules, 'schedule')}", "dim")
        else:  # the words matter more than the figures here, and the summary has both
            text.append(fit(outcome(result), max(width - text.cell_len, 20)))
        self._emit(text)

    def _draw(self, *, found: int = 0, force: bool = False) -> None:
        now = self._clock()
        if not self._animated or not (force or now - self._drawn >= REFRESH_S):
            return
        self._drawn = now
        passed = now - self._started
        rate = f"{self._done / passed:,.0f}/s" if passed > 0.2 and self._done else "…"
        findings = self._findings + bool(found)
        parts = [
            f"{min(self._finished + 1, self._total)}/{self._total}  {self._scenario}",
            plural(self._done, "schedule"),
            rate,
            plural(findings, "finding"),
        ]
        text = fit("  " + " · ".join(parts), max(self._console.width - 1, 20))
        self._erase()
        self._console.print(Text(self._shown(text), style="dim"), end="", soft_wrap=True)
        self._line_shown = True

    def _erase(self) -> None:
        if self._line_shown:
            self._console.control(Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2)))
            self._line_shown = False

    def _print_marked(self, line: str) -> None:
        """A line of the summary, its telling words coloured; never wrapped, so that a command can be copied."""
        text = Text(line, no_wrap=True, overflow="ignore")
        text.highlight_regex(r"← broken", "bold red")
        text.highlight_regex(r"\(BLOCKED[^)]*\)?", "yellow")
        text.highlight_regex(r"^(why|again|report)\b", "dim")
        text.highlight_regex(r"^[✗]", _STYLES[Verdict.VIOLATION])
        text.highlight_regex(r"harness replay .*$", "bold")
        text.highlight_regex(r"✗ [0-9A-Z]{5}\b|SIGKILL|SIGTERM", "red")
        self._emit(text)

    def _print(self, text: str, style: str = "", indent: str = "") -> None:
        for line in wrap(text, self._console.width - len(indent), 12):
            self._emit(Text(indent + line, style=style, no_wrap=True, overflow="ignore"))

    def _emit(self, text: Text) -> None:
        self._erase()
        if not self._unicode:
            text.plain = self._shown(text.plain)  # same length, so that the colours stay where they belong
        self._console.print(text, soft_wrap=True)

    def _shown(self, text: str) -> str:
        if self._unicode:
            return text
        encoding = self._console.encoding
        return text.translate(_ASCII).encode(encoding, "replace").decode(encoding)
