"""A mutation run on the terminal: a line per mutant while it goes on, then a table of strategies and what survived."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TextIO

from rich.text import Text

from harness.model import Verdict
from harness.mutation import PLAIN, Mutant, MutantResult, MutationRun, SettingResult, Spread, StrategyScore, Trial
from harness.report.console import QuietPipeConsole
from harness.report.counted import Counted
from harness.report.text import one_line
from harness.report.words import plural, replay_command, seconds, server_words

_HEADS = {
    "auto": "auto",
    "exhaustive": "exhaust",
    "preemption_bounded": "bounded",
    "pct": "pct",
    "random_walk": "random",
    "draw": "draw",
    "free_running": "free",
    "barrier_threads": "threads",
    PLAIN: "plain",
}
"""Headings of narrow columns; a strategy without one gets its own first letters."""
_NAME, _CELL = (22, 40), 9
"""Least and greatest width of the column of names; width of the others."""


class MutationConsole:
    """Callbacks of a mutation run; all output goes to `file` (standard output by default), a line at a time.

    `quiet`: only survivors and the last lines. `verbose`: also what each mutant is and why it survived where it may.
    """

    def __init__(self, file: TextIO | None = None, *, quiet: bool = False, verbose: bool = False) -> None:
        self._quiet, self._verbose = quiet, verbose
        self._console = QuietPipeConsole(file=file or sys.stdout, highlight=False, markup=False, emoji=False)
        self._strategies: Sequence[str] = ()
        self._headed = False
        self._width = _NAME[0]
        self._deciding: frozenset[str] = frozenset()
        self._counted = Counted(self._console, "mutant", "survivor")

    def run_started(
        self, target_description: str, server_version: str, mutants: Sequence[Mutant], strategies: Sequence[str],
        deciding: Sequence[str],
    ) -> None:  # fmt: skip
        """Once, before the first setting."""
        self._strategies, self._deciding = strategies, frozenset(deciding)
        self._width = min(max([_NAME[0], *(len(m.name) for m in mutants)]), _NAME[1])
        if self._quiet:
            return
        self._counted.begin(len(mutants))
        settings = len({m.setting for m in mutants})
        where = f" ({one_line(target_description, 80)})" if target_description else ""
        what = f"{plural(len(mutants), 'mutant')} in {plural(settings, 'setting')}"
        self._say(f"{server_words(server_version)}{where} · {what}", "dim")

    def setting_done(self, result: SettingResult) -> None:
        """After each setting without a mutant."""
        self._counted.show()
        if result.sound:
            if self._verbose:
                how = "all there are" if result.exhausted else "sampled"
                said = f"{plural(result.schedules, 'schedule')}, {how}, {seconds(result.elapsed_s)}"
                self._say(f"✓ {result.name:<{self._width}}  alone: {said}", "dim")
        elif result.reached:
            self._say(f"✗ {result.name}: the setting itself is broken: {_unsound(result)}", "bold red")
        else:
            self._say(f"? {result.name}: {one_line(result.meaning, 200)}", "yellow")

    def mutant_done(self, result: MutantResult) -> None:
        """After each mutant."""
        mutant = result.mutant
        if not self._quiet and not self._headed:
            self._heading()
        red = [t for t in result.trials if self._survived(mutant, t)]
        self._counted.count(red=bool(red))
        reached = all(t.reached for t in result.trials)
        if self._quiet and not red:
            return
        text = Text(no_wrap=True, overflow="ignore")
        text.append("✗ " if red else "✓ " if reached else "? ", "bold red" if red else "green" if reached else "yellow")
        text.append(f"{one_line(mutant.name, self._width):<{self._width}}")
        for name in self._strategies:
            trials = result.of(name)
            bad = any(t in red for t in trials)
            text.append(f"{_cell(trials):>{_CELL}}", "bold red" if bad else "" if name in self._deciding else "dim")
        text.append(f"  {one_line(mutant.trips, 60)}")
        if red:
            text.append("  SURVIVED", "bold red")
        self._emit(text)
        if self._verbose:
            self._say(f"    {one_line(mutant.about, 400)}", "dim")
        for t in result.trials:
            if t in red:
                self._say(f"    {_named(t)}: {one_line(t.why, 400)}", "red")
            elif self._verbose and t.why:
                self._say(f"    {_named(t)}: {one_line(t.why, 400)}", "dim")

    def run_done(self, run: MutationRun, folder: object) -> None:
        """Once, at the end; `folder`: where the files of the run lie."""
        self.close()
        if not self._quiet:
            self._say("")
            self._table(run)
            self._say("")
        self._explain(run)
        again = next((t.replay for m in run.mutants for t in m.trials if t.killed and t.replay), "")
        if again and not self._quiet:
            self._say(f"again   {replay_command(again)}   (any kill; all are in mutants.json)")
        self._say(f"report  {one_line(str(folder))}")
        code = run.exit_code
        style = "green" if code == 0 else "yellow" if code == 3 else "bold red"
        self._say(f"{'✓' if code == 0 else '?' if code == 3 else '✗'} {headline(run)}", style)

    def close(self) -> None:
        """Take the live line away, also when a run ends by an exception. Idempotent."""
        self._counted.close()

    # ------------------------------------------------------------------------------------------------ internals

    def _survived(self, mutant: Mutant, trial: Trial) -> bool:
        """Whether it makes the run fail."""
        if trial.strategy == PLAIN:
            return trial.survived and not mutant.plain
        return trial.survived and trial.strategy in self._deciding

    def _heading(self) -> None:
        cells = "".join(f"{_HEADS.get(s, s[: _CELL - 1]):>{_CELL}}" for s in self._strategies)
        self._say(f"  {'schedules to detection':<{self._width}}{cells}  must trip", "dim")
        self._headed = True

    def _table(self, run: MutationRun) -> None:
        self._say(f"{'':<20}{'':>10}{'':>8}   {'schedules to detection':<24}{'seconds':>9}", "dim")
        self._say(f"{'strategy':<20}{'killed':>10}{'score':>8}   {'median':<8}{'p90':<8}{'max':<8}{'median':>9}", "dim")
        for score in run.strategies:
            self._say(_row(score), "bold" if score.decides else "")
            if score.after_serial is not None:
                self._say(f"{'  after serial orders':<38}   {_spread(score.after_serial)}", "dim")

    def _explain(self, run: MutationRun) -> None:
        blind = [m.mutant for m in run.mutants for t in m.of(PLAIN) if t.survived and m.mutant.plain]
        for mutant in dict.fromkeys(blind) if not self._quiet else ():
            self._say(f"plain   {mutant.name}: {one_line(mutant.plain, 400)}")
        for m in run.mutants if not self._quiet else ():
            if m.mutant.plain and any(t.killed for t in m.of(PLAIN)):
                self._say(f"plain   {m.mutant.name}: its header says that plain cannot see it, and plain has", "yellow")
        for s in run.broken_settings:
            self._say(f"✗ setting {s.name} is broken without any mutant: {_unsound(s)}", "bold red")
        for t in (*run.survivors, *run.unexplained):
            self._say(f"✗ {t.mutant} SURVIVED {_named(t)}: {one_line(t.why, 400)}", "bold red")

    def _say(self, line: str, style: str = "") -> None:
        self._emit(Text(line, style=style, no_wrap=True, overflow="ignore"))

    def _emit(self, text: Text) -> None:
        text.plain = self._console.readable(text.plain)
        self._counted.hide()
        self._console.print(text, soft_wrap=True)
        self._counted.show()


def headline(run: MutationRun) -> str:
    """One sentence on the whole run."""
    parts = [f"the harness or its environment failed {plural(run.failed, 'time')}"] if run.failed else []
    deciding = [s for s in run.strategies if s.decides]
    if run.broken_settings:
        parts.append(
            f"{plural(len(run.broken_settings), 'setting')} broken without any mutant: the score means nothing"
        )
    if deciding:
        killed, trials = sum(s.killed for s in deciding), sum(s.trials for s in deciding)
        by = ", ".join(s.strategy for s in deciding)
        parts.append(f"{killed:,} of {plural(trials, 'mutant' if run.seeds == 1 else 'trial')} killed by {by}")
    elif not run.broken_settings:
        parts.append("nothing decides here: only searches do")
    if run.unexplained:
        parts.append(f"{plural(len(run.unexplained), 'mutant')} not seen without invariants and not explained")
    if run.missed:
        parts.append(f"{plural(run.missed, 'trial')} not reached within the budget")
    seeds = f"seed {run.seed}" if run.seeds == 1 else f"seeds {run.seed} to {run.seed + run.seeds - 1}"
    sentence = "; ".join(parts)
    return f"{sentence[0].upper()}{sentence[1:]}. {seeds}, {seconds(run.elapsed_s)}"


def _unsound(result: SettingResult) -> str:
    said = one_line(result.meaning, 300)
    return said if result.exhausted or result.verdict is not Verdict.PASS else f"not exhausted: {said}"


def _named(trial: Trial) -> str:
    return trial.strategy if trial.seed == 0 else f"{trial.strategy}, seed {trial.seed}"


def _cell(trials: Sequence[Trial]) -> str:
    """Schedules to detection, the worst of several seeds; `·` where it was not found, `?` where time ran out."""
    if any(t.survived for t in trials):
        return "·"
    if not all(t.reached for t in trials):
        return "?"
    return f"{max(t.schedules or 0 for t in trials):,}"


def _row(score: StrategyScore) -> str:
    share = "" if score.score is None else f"{100 * score.score:.0f} %"
    killed = f"{score.killed:,} of {score.trials:,}"
    spread = _spread(score.schedules) if score.schedules is not None else f"{'':<24}"
    took = "" if score.seconds is None else f"{score.seconds.median:.2f}"
    return f"{score.strategy:<20}{killed:>10}{share:>8}   {spread}{took:>9}"


def _spread(spread: Spread) -> str:
    return "".join(f"{value:<8,g}" for value in (spread.median, spread.p90, spread.max))
