"""The vocabulary of mutation runs: frozen values that the mutants' room makes and reports show. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.model import Script, Verdict

FREE_RUNNING: Final = "free_running"
BARRIER_THREADS: Final = "barrier_threads"
PLAIN: Final = "plain"
"""Not a strategy: `auto` with nothing that knows the refund domain, no invariants and no meaning of calls."""
BASELINES: Final = (FREE_RUNNING, BARRIER_THREADS)
"""What others do. They have no schedule to replay, so what they find is seen, and never decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A broken variant of shipped functions. ``about``: what is wrong, in a sentence. ``setting``: the scenario file
    that says who calls what. ``trips``: the check that must find it. ``plain``: why a run without invariants cannot
    ("": it must). ``race``: the table of its race, a row a line, heading and rule first. ``script``: its SQL, to be
    installed last. ``file``: where it stands, as errors and reports name it."""

    name: str
    about: str
    setting: Path
    trips: str
    plain: str
    race: tuple[str, ...]
    script: Script
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One strategy (or `PLAIN`, or one of `BASELINES`) against one mutant, with one seed.

    ``killed``: the check that had to trip did, in an execution that was replayed with the same result; of baselines:
    in one that was seen. ``schedules``: number, from 1, of that execution; ``after_serial``: how many of those come
    after the serial orders with which `auto` begins (0: it is broken even serially; None: not `auto`). ``seconds``
    until it had been executed and judged, the start-up left out. ``executed``: executions that counted. ``verdict``:
    of the campaign, as observed. ``seen``: the checks that were violated. ``why``: why it survived, or what there is
    to say of a kill. ``replay``: path of the saved schedule, "" where there is none. ``reached``: False when time ran
    out before or during it, so that it says nothing."""

    mutant: str
    strategy: str
    seed: int
    killed: bool
    schedules: int | None
    after_serial: int | None
    seconds: float | None
    executed: int
    verdict: Verdict
    seen: tuple[str, ...]
    why: str
    replay: str
    reached: bool = True
    failed: bool = False
    """The harness or its environment failed: nothing is known of the mutant."""

    @property
    def survived(self) -> bool:
        """It had its chance, and was not killed."""
        return self.reached and not self.killed


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingResult:
    """A setting without any mutant. ``sound``: it was green and exhausted: what trips with a mutant in it trips for
    the mutant. ``may_exhaust``: False on a server where it is luck who wakes first and no search is ever exhausted;
    green is all that it can be there. ``meaning``: one sentence on what was seen. ``reached``: False when time ran
    out."""

    name: str
    file: str
    verdict: Verdict
    exhausted: bool
    schedules: int
    elapsed_s: float
    meaning: str
    reached: bool = True
    may_exhaust: bool = True

    @property
    def sound(self) -> bool:
        return self.verdict is Verdict.PASS and (self.exhausted or not self.may_exhaust)


@dataclass(frozen=True, slots=True, kw_only=True)
class MutantResult:
    """All trials of one mutant, by strategy in the order of the run, then by seed."""

    mutant: Mutant
    trials: tuple[Trial, ...]

    def of(self, strategy: str) -> tuple[Trial, ...]:
        return tuple(t for t in self.trials if t.strategy == strategy)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Of the trials that killed: ``median`` and ``p90`` (nearest rank) and ``max``."""

    median: float
    p90: float
    max: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyScore:
    """``killed`` of ``trials`` that were reached. ``decides``: its survivors make the run fail. ``schedules``,
    ``after_serial`` and ``seconds``: to the first detection, where there was one."""

    strategy: str
    decides: bool
    trials: int
    killed: int
    schedules: Spread | None
    after_serial: Spread | None
    seconds: Spread | None

    @property
    def score(self) -> float | None:
        """From 0 to 1; None when nothing was reached."""
        return self.killed / self.trials if self.trials else None


@dataclass(frozen=True, slots=True, kw_only=True)
class MutationRun:
    """A whole run. ``strategies``: one score each, in the order asked for. ``score``: of those that decide, from 0 to
    1; None when none was asked for, or none reached. ``seeds``: how many, counted up from ``seed``."""

    server_version: str
    seed: int
    seeds: int
    elapsed_s: float
    score: float | None
    strategies: tuple[StrategyScore, ...]
    settings: tuple[SettingResult, ...]
    mutants: tuple[MutantResult, ...]

    @property
    def deciding(self) -> tuple[str, ...]:
        return tuple(s.strategy for s in self.strategies if s.decides)

    @property
    def survivors(self) -> tuple[Trial, ...]:
        """Trials of deciding strategies that did not kill."""
        return tuple(t for m in self.mutants for t in m.trials if t.survived and t.strategy in self.deciding)

    @property
    def unexplained(self) -> tuple[Trial, ...]:
        """Trials without invariants that did not kill, of mutants that do not say why."""
        return tuple(t for m in self.mutants if not m.mutant.plain for t in m.of(PLAIN) if t.survived)

    @property
    def broken_settings(self) -> tuple[SettingResult, ...]:
        return tuple(s for s in self.settings if s.reached and not s.sound)

    @property
    def failed(self) -> int:
        """In how many settings and trials the harness or its environment failed."""
        trials = sum(t.failed for m in self.mutants for t in m.trials)
        return trials + sum(s.verdict is Verdict.ERROR for s in self.settings)

    @property
    def missed(self) -> int:
        """How many settings, and trials that would have decided, were not reached."""
        deciding = {*self.deciding, PLAIN}
        trials = sum(not t.reached for m in self.mutants for t in m.trials if t.strategy in deciding)
        return trials + sum(not s.reached for s in self.settings)

    @property
    def exit_code(self) -> int:
        """4: something failed; 1: a survivor, or a setting that proves nothing; 3: something was not reached; 0: all
        killed."""
        if self.failed:
            return 4
        if self.broken_settings or self.survivors or self.unexplained:
            return 1
        return 3 if self.missed else 0
