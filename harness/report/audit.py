"""An audit on the terminal: a line a check as it is done, with the first broken rows, and a sentence at the end."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TextIO

from rich.text import Text

from harness.audited import AuditResult, Checked, Level, Monitored, Part
from harness.model import Verdict
from harness.report.console import QuietPipeConsole
from harness.report.grid import fit
from harness.report.live import LiveArea, somebody_watches
from harness.report.text import compact_json, one_line
from harness.report.words import SYMBOLS, plural, seconds, server_words

SHOWN = 3
"""Rows of a check on the terminal without ``verbose``; the report has more."""
_ROW_LIMIT = 300


class AuditConsole:
    """Callbacks of an audit; all output goes to ``file`` (standard output by default). `close` it also when the audit
    was cut short. ``quiet``: only what is not as
    it should be; ``verbose``: all rows that are kept, and the monitoring queries' rows."""

    def __init__(self, file: TextIO | None = None, *, quiet: bool = False, verbose: bool = False) -> None:
        self._quiet, self._verbose = quiet, verbose
        self._console = QuietPipeConsole(file=file or sys.stdout, highlight=False, markup=False, emoji=False)
        watched = somebody_watches(self._console.file) and not quiet
        self._live = LiveArea(self._console) if watched else None
        self._looking = ""

    def started(self, description: str, server_version: str) -> None:
        """Once, before anything is read."""
        if not self._quiet:
            self._say(f"{server_words(server_version)} · {one_line(description, 120)} · read-only")

    def looking(self, at: str) -> None:
        """Before what may take long; shown where it can be taken off again, until something else is looked at."""
        self._looking = f"  looking at {at}"
        self._show()

    def close(self) -> None:
        """Take that off. Idempotent."""
        if self._live is not None:
            self._live.erase()
            self._live = None

    def checked(self, checked: Checked) -> None:
        """After each check."""
        if self._quiet and not checked.total and not checked.skipped:
            return
        style = "bold red" if checked.is_finding else "yellow" if checked.total or checked.skipped else ""
        self._say(f"{symbol(checked)} {checked.check:<25}{seen(checked)}", style)
        self._rows(checked.rows, checked.total)

    def done(self, result: AuditResult, page: Path) -> None:
        """Once, at the end. ``page``: the report."""
        self.close()
        if self._quiet and result.verdict is Verdict.PASS and not result.warnings:
            return
        if not self._quiet:
            for monitored in result.monitored:
                self._say(f"  {monitored_line(monitored)}")
                if self._verbose:
                    self._rows(monitored.rows, monitored.total)
            self._say(f"  {snapshot_line(result)}", "dim")
        style = {Verdict.PASS: "green", Verdict.VIOLATION: "bold red"}.get(result.verdict, "yellow")
        self._say(f"{SYMBOLS[result.verdict]} {headline(result)}", style)
        self._say(f"Report: {page}", "dim")

    def _rows(self, rows: tuple[object, ...], total: int) -> None:
        shown = rows if self._verbose else rows[:SHOWN]
        for row in shown:
            self._say(f"    {compact_json(row, _ROW_LIMIT)}")
        if total > len(shown) > 0:
            self._say(f"    and {total - len(shown):,} more", "dim")

    def _say(self, line: str, style: str = "") -> None:
        if self._live is not None:
            self._live.erase()
        self._console.say(line, style)
        self._show()

    def _show(self) -> None:
        if self._live is not None and self._looking:
            line = fit(self._looking, max(self._console.width - 1, 1))
            self._live.show([Text(self._console.readable(line), style="dim")])


def symbol(checked: Checked) -> str:
    """✓ as it should be · ✗ a finding · ! a warning · ? not looked at."""
    if checked.skipped:
        return "?"
    if not checked.total:
        return "✓"
    return "✗" if checked.level is Level.FINDING else "!"


def seen(checked: Checked) -> str:
    """What a check saw, in a line. A passed one says what it looked at, and what is there where a word says it."""
    if checked.skipped:
        return f"not looked at: {one_line(checked.skipped, 200)}"
    if not checked.total:
        return one_line(checked.detail, 200) or plural(checked.examined, checked.unit)
    warning = " (warning)" if checked.is_warning else ""
    return f"{counted(checked)}: {checked.title}{money(checked)}{warning}"


def counted(checked: Checked) -> str:
    """How many are not as they should be, of how many."""
    of = f"{checked.total:,} of {plural(checked.examined, checked.unit)}"
    if checked.part is Part.LEDGER:
        return of
    return f"not so for {of}" if checked.examined > 1 else "not so"


def money(checked: Checked) -> str:
    """``; 1,500 paid out beyond the charges``, or ""."""
    return "" if checked.credits is None else f"; {checked.credits:,} {checked.credits_mean}"


def monitored_line(monitored: Monitored) -> str:
    """A monitoring query and how much it gave."""
    if monitored.skipped:
        return f"{monitored.title}: not looked at: {one_line(monitored.skipped, 200)}"
    kept = "" if monitored.total == len(monitored.rows) else f", the first {len(monitored.rows):,} kept"
    return f"{monitored.title}: {plural(monitored.total, 'row')}{kept}"


def snapshot_line(result: AuditResult) -> str:
    """What was read, when, where."""
    tables = ", ".join(
        f"{one_line(t.name, 130)} {'not counted' if t.rows is None else plural(t.rows, 'row')}" for t in result.tables
    )
    where = ", a replica" if result.standby else ""
    return f"snapshot of {result.taken_at}{where}: {tables}"


def headline(result: AuditResult) -> str:
    """One sentence on the whole audit."""
    broken = result.findings
    parts = []
    if broken:
        number = sum(c.total for c in broken)
        parts.append(f"{plural(number, 'finding')} in {len(broken):,} of {plural(len(result.checks), 'check')}")
    if result.trouble:
        parts.append(one_line(result.trouble, 400))
    if not parts:
        parts.append("nothing wrong in " + plural(len(result.checks), "check"))
    if result.warnings:
        parts.append(plural(len(result.warnings), "warning"))
    sentence = "; ".join(parts)
    return f"{sentence[0].upper()}{sentence[1:]}; {seconds(result.elapsed_s)}"
