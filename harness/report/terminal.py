"""A run on the terminal: live lines while it goes on, then what was found, on one screen."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

from rich.text import Text

from harness.model import RunResult, ScenarioResult, Verdict
from harness.report.console import QuietPipeConsole
from harness.report.grid import fit, timeline_text, wrap
from harness.report.live import LiveArea, somebody_watches
from harness.report.summary import red_summary
from harness.report.text import one_line
from harness.report.watched import Look, Watched, overall, searched
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
_ASCII = str.maketrans("✓✗→←↔…·⋮┊─━╌", "+X><=~-:|-#.")
"""Stand-ins of the same width, for a terminal that cannot show more than ASCII."""


class ConsoleReporter:
    """Callbacks that a campaign calls as it goes; all output goes to `file` (standard output by default).

    On a terminal live lines show what is going on; elsewhere (and where `CI` is set) one plain line per scenario.
    `quiet`: only what is not a pass, and the last lines. `verbose`: also what each verdict means, how far each search
    went and what the checks examined. `budget`: seconds that the run may take, None for any number. Never starts a
    thread, so that workers may be forked at any time.
    """

    def __init__(
        self,
        file: TextIO | None = None,
        *,
        quiet: bool = False,
        verbose: bool = False,
        budget: float | None = None,
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
        self._animated, self._live = somebody_watches(self._file) and not quiet, LiveArea(self._console)
        self._budget = budget
        self._total = self._over = self._findings = 0
        self._began = self._drawn = 0.0
        self._watched: dict[str, Watched] = {}
        self._searched: dict[str, list[str]] = {}

    def run_started(self, target_description: str, server_version: str, n_scenarios: int) -> None:
        """Once, before the first scenario."""
        self._total, self._began = n_scenarios, self._clock()
        if not self._quiet:
            where = f" ({one_line(target_description, 80)})" if target_description else ""
            self._print(f"{server_words(server_version)}{where} · {plural(n_scenarios, 'scenario')}", "dim")

    def scenario_started(self, name: str) -> None:
        """Before each scenario; several may be under way."""
        self._watched[name] = Watched(one_line(name, 60), self._clock())
        self._draw()

    def interleaving_started(self, name: str, look: Look) -> None:
        """Before each exact order and search; `look` says how far it is, on this thread."""
        if (watched := self._watched.get(name)) is not None:
            watched.began(look)

    def schedule_done(self, name: str, done: int, violations: int) -> None:
        """After each schedule: how many of this scenario are done, and how many of them violated something."""
        watched = self._watched.get(name)
        if watched is None:
            return
        news = violations > watched.found
        watched.done, watched.found = done, violations
        now = self._clock() if self._animated else self._drawn
        if self._animated and (news or now - self._drawn >= REFRESH_S):
            watched.look()
            watched.tick(now)
            self._draw(now)

    def campaign_over(self, result: ScenarioResult) -> None:
        """After each scenario as well, at once."""
        watched = self._watched.pop(result.name, None)
        self._over += 1
        self._findings += result.verdict is Verdict.VIOLATION
        if self._verbose and watched is not None:
            self._searched[result.name] = [searched(look()) for look in watched.looks]
        self._draw()

    def scenario_done(self, result: ScenarioResult) -> None:
        """After each scenario."""
        if self._quiet and result.verdict is Verdict.PASS:
            return
        self._scenario_line(result)
        if self._verbose:
            if result.meaning:
                self._print(one_line(result.meaning, 1200), "dim", indent="  ")
            for said in self._searched.pop(result.name, ()):
                self._print(said, "dim", indent="  ")
            if covered := coverage(result):
                self._print(covered, "dim", indent="  ")
            for note in (note for check in result.checks for note in check.notes[:1]):
                self._print(f"  note: {one_line(note.message, 400)}", "yellow")
            for check in result.checks:
                examined = f"{check.examined:,} examined"
                self._print(f"{SYMBOLS[check.verdict]} {one_line(check.check, 60)}: {examined}", "dim", indent="  ")
        self._draw()

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
        self._live.erase()
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

    def _draw(self, now: float | None = None) -> None:
        """Show what is under way, where somebody watches."""
        if not self._animated:
            return
        self._drawn = self._clock() if now is None else now
        width = max(self._console.width - 1, 1)
        passed = self._drawn - self._began
        left = None if self._budget is None else self._budget - passed
        running = list(self._watched.values())
        room = max(min(self._console.height - 3, len(running)), 0)
        lines = [watched.line(width, left) for watched in running[:room]]
        lines += [overall(self._over, self._total, self._findings, passed, width)]
        self._live.show([self._readable(line) for line in lines])

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
        self._live.erase()
        self._console.print(self._readable(text), soft_wrap=True)

    def _readable(self, text: Text) -> Text:
        if not self._unicode:
            text.plain = self._shown(text.plain)  # same length, so that the colours stay where they belong
        return text

    def _shown(self, text: str) -> str:
        if self._unicode:
            return text
        encoding = self._console.encoding
        return text.translate(_ASCII).encode(encoding, "replace").decode(encoding)
