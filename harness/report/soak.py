"""A soak on the terminal: a line that lives while it goes on, then tables, and every finding with its history."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from rich.text import Text

from harness.model import Verdict
from harness.report.console import QuietPipeConsole
from harness.report.grid import fit
from harness.report.live import LiveArea, somebody_watches
from harness.report.text import compact_json, one_line
from harness.report.words import SYMBOLS, plural, replay_command, seconds, server_words
from harness.soaked import Finding, Operation, Sample, SoakResult

NOT_REPEATABLE = "Not repeatable: the seed fixes what is drawn, not what meets what."
SHOWN = 3
"""Findings told in full, beside those handed over; of the others there is a line, and `soak.json` has all."""
_EVERY = 10
"""Where nothing can be overwritten, a line for so many samples."""


class SoakConsole:
    """Callbacks of a soak; all output goes to ``file`` (standard output by default). `close` it also when the soak was
    cut short. ``quiet``: only what is not a pass; ``verbose``: all errors and findings in full."""

    def __init__(self, file: TextIO | None = None, *, quiet: bool = False, verbose: bool = False) -> None:
        self._quiet, self._verbose = quiet, verbose
        self._console = QuietPipeConsole(file=file or sys.stdout, highlight=False, markup=False, emoji=False)
        self._live: LiveArea | None = None
        self._samples = 0

    def started(self, description: str, server_version: str, workers: int, more: Sequence[str]) -> None:
        """Once, before the first worker."""
        if self._quiet:
            return
        where = f" ({one_line(description, 80)})" if description else ""
        above = f" · {one_line(', '.join(more), 120)} installed" if more else ""
        self._say(f"{server_words(server_version)}{where} · {plural(workers, 'worker')}{above} · Ctrl-C ends it")
        if somebody_watches(self._console.file):
            self._live = LiveArea(self._console)

    def sampled(self, sample: Sample) -> None:
        """After every stretch of time."""
        self._samples += 1
        if self._live is not None:
            line = fit(sample_line(sample), max(self._console.width - 1, 1))
            self._live.show([Text(self._console.readable(line))])
        elif not self._quiet and self._samples % _EVERY == 0:
            self._say(sample_line(sample))

    def alarmed(self) -> None:
        """A violation has ended the load."""
        self._say("✗ a violation: the load ends here", "bold red")

    def handing_over(self, finding: Finding) -> None:
        """The directed search begins on the calls of a finding."""
        if not self._quiet:
            self._say(f"→ the calls of {_subject(finding)} go to the directed search", "dim")

    def close(self) -> None:
        """Take the line off. Idempotent."""
        if self._live is not None:
            self._live.erase()
            self._live = None

    def done(self, result: SoakResult, folder: Path) -> None:
        """Once, at the end. ``folder``: where the reports are."""
        self.close()
        if self._quiet and result.verdict is Verdict.PASS:
            return
        for line in table(result):
            self._say(line)
        for text, count in result.errors if self._verbose else result.errors[:SHOWN]:
            self._say(f"error       {count:,} times: {one_line(text, 200)}")
        for number, finding in enumerate(result.findings, 1):
            self._finding(finding, full=self._verbose or number <= SHOWN or finding.handed_over is not None)
        style = {Verdict.PASS: "green", Verdict.VIOLATION: "bold red"}.get(result.verdict, "yellow")
        self._say(f"{SYMBOLS[result.verdict]} {headline(result)}", style)
        self._say(f"{NOT_REPEATABLE} Report: {folder}", "dim")

    def _finding(self, finding: Finding, *, full: bool) -> None:
        self._say(f"✗ {_subject(finding)}: {', '.join(finding.checks)}", "bold red")
        if not full:
            return
        for broken in finding.broken:
            self._say(f"    {broken.check}: {compact_json(dict(broken.row), 200)}")
        for operation in finding.history:
            self._say(f"    {operation_line(operation)}")
        self._say(f"    {hand_over_line(finding)}")

    def _say(self, line: str, style: str = "") -> None:
        if self._live is not None:
            self._live.erase()
        self._console.say(line, style)


def sample_line(sample: Sample) -> str:
    """The living line."""
    latency = "no answer"
    if sample.p50_ms is not None and sample.p95_ms is not None and sample.p99_ms is not None:
        latency = f"p50 {sample.p50_ms:.1f} p95 {sample.p95_ms:.1f} p99 {sample.p99_ms:.1f} ms"
    return (  # what matters most comes first, and all but the last fits into 80 columns
        f"{sample.at_s:.0f} s {sample.rate:,.0f}/s {latency} lock waits {sample.lock_waits}"
        f" deadlocks {sample.deadlocks} faults {sample.faults} operations {sample.operations:,}"
    )


def table(result: SoakResult) -> list[str]:
    """Latencies by call, then what was done to whom."""
    lines = [f"{'call':<12}{'answered':>12}{'p50 ms':>10}{'p95 ms':>10}{'p99 ms':>10}{'max ms':>10}"]
    for one in result.latencies:
        figures = "".join(f"{value:>10.2f}" for value in (one.p50_ms, one.p95_ms, one.p99_ms, one.max_ms))
        lines.append(f"{one.kind:<12}{one.count:>12,}{figures}")
    faults = ", ".join(f"{count:,} {fault.value}" for fault, count in result.faults) or "none"
    outcomes = f"{result.ok:,} ok, {result.fail:,} fail, {result.info:,} unknown"
    return [
        *lines,
        f"operations  {result.operations:,} and {result.draining:,} to drain the queue: {outcomes}",
        f"jobs        {result.jobs:,} of {plural(result.users, 'user')}",
        f"faults      {faults}; deadlocks {result.deadlocks:,}",
        f"refunds     {result.acknowledged:,} acknowledged; ledger checked {plural(result.checked, 'time')}",
    ]


def headline(result: SoakResult) -> str:
    """One sentence on the whole soak."""
    load = f"{plural(result.operations, 'operation')} by {plural(result.workers, 'worker')} in"
    took = f"{load} {seconds(result.elapsed_s)}"
    if result.trouble:
        found = f"; {plural(len(result.findings), 'finding')} by then" if result.findings else ""
        return f"{one_line(result.trouble, 400)} (after {took}{found})"
    if result.findings:
        found = plural(len(result.findings), "finding")
        again = sum(1 for f in result.findings if f.handed_over is not None and f.handed_over.replay)
        tried = sum(1 for f in result.findings if f.handed_over is not None)
        return f"{found} in {took}; {again} of {tried} handed over reproduced as a schedule"
    if result.verdict is Verdict.INCONCLUSIVE:
        return f"No worker was told of a refund in {took}: nothing was shown"
    once = f"{plural(result.acknowledged, 'acknowledged refund')} in the ledger exactly once"
    return f"Nothing violated in {took}; {once}"


def operation_line(operation: Operation) -> str:
    """One call of a history: when, who, what, and what became of it."""
    answer = operation.answer if isinstance(operation.answer, str) else compact_json(operation.answer, 120)
    state = f" {operation.sqlstate}" if operation.sqlstate else ""
    fault = f"  ({operation.fault.value})" if operation.fault else ""
    return (
        f"{operation.begin_s:10.4f}–{operation.end_s:.4f} s  worker {operation.worker:<3} {operation.kind.value:<9}"
        f"{operation.job.job}  {operation.outcome}{state}  {one_line(answer, 120)}{fault}"
    )


def hand_over_line(finding: Finding) -> str:
    """What the directed search made of it."""
    told = finding.handed_over
    if told is None:
        return "not handed over" if finding.history else "not handed over: no call is known to belong to it"
    effort = f"{plural(told.schedules, 'schedule')}, {told.scenario}"
    if told.replay:
        other = "" if told.same else f" (as {told.check})"
        return f"reproduced as a schedule{other}: {replay_command(told.replay)}"
    if told.verdict is Verdict.ERROR:
        return f"the directed search failed ({effort}): {one_line(told.meaning, 200)}"
    return f"not reproduced by these calls ({effort})"


def _subject(finding: Finding) -> str:
    """`job j9`, `user …`, or the ledger."""
    first = finding.broken[0]
    one_job = len({o.job.job for o in finding.history}) < 2
    if first.job and (one_job or not first.user):
        return f"job {one_line(first.job, 60)}"
    return f"user {one_line(first.user, 60)}" if first.user else "the ledger"
