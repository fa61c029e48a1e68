"""What came of a scenario and of a run: everything that is reported."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from harness.model.histories import Execution
from harness.model.judgement import CheckResult, Counterexample, Covered
from harness.model.scenarios import Case
from harness.model.values import Json, Verdict


class FaultOutcome(StrEnum):
    """``HELD``: the fault struck and nothing was violated. ``NOTHING``: it found nothing to strike there, so nothing
    was shown."""

    HELD = "held"
    VIOLATED = "violated"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultCell:
    """One fault at one point of one worker: before the worker's step number ``position`` (from 0), which is ``step``
    ("": right behind its last answer).
    ``fired``: events show that it struck. ``checks``: those violated, with how many violations each. ``left``: what
    the ledger says after the retry (column → values). ``replay``: path of the saved schedule, where it is red."""

    worker: str
    position: int
    step: str
    fault: str
    outcome: FaultOutcome
    fired: bool
    checks: Mapping[str, int] = field(default_factory=dict)
    message: str = ""
    left: Mapping[str, tuple[Json, ...]] = field(default_factory=dict)
    replay: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnFaults:
    """Executions in which everybody runs in a drawn order, and a fault strikes one worker on its way, each fault at
    each of its points in turn. ``searched``: in place of that, of every worker all orders with at most one fault at any
    point, few switches first; ``exhausted``: to their end, one of each class of equivalent ones. ``struck``: (worker,
    step, fault) → executions whose events show that it struck before that step. ``checks``: violated by the first one
    that was red, made smaller, with how many violations each; ``replay``: path of its schedule."""

    executed: int
    struck: Mapping[tuple[str, str, str], int]
    checks: Mapping[str, int] = field(default_factory=dict)
    replay: str = ""
    searched: bool = False
    exhausted: bool = False

    @property
    def fired(self) -> Mapping[str, int]:
        """By fault, how many executions it struck; only where it did."""
        found = Counter[str]()
        for (_, _, fault), n in self.struck.items():
            found[fault] += n
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultMatrix:
    """Every fault of ``faults`` at every point of every worker, worker by worker, point by point. ``complete``: False
    when the time was up before the last cell. ``labels``: of steps inside functions, in words. ``drawn``: beyond the
    matrix, faults in mid-race."""

    faults: tuple[str, ...]
    cells: tuple[FaultCell, ...]
    complete: bool = True
    labels: Mapping[str, str] = field(default_factory=dict)
    drawn: DrawnFaults | None = None

    @property
    def times(self) -> Mapping[tuple[str, str, str], int]:
        """(worker, step, fault) → how many times it struck there, in the matrix and in mid-race; only where it did."""
        found = Counter((c.worker, c.step, c.fault) for c in self.cells if c.fired)
        found.update(self.drawn.struck if self.drawn is not None else {})
        return {place: n for place, n in found.items() if n}


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelResult:
    """A scenario at one isolation level. ``own``: the level that it has anyway, so that this is its ordinary campaign.
    ``expect``: checks whose violation is documented there. ``violated``: names of checks. ``lost``: of ``schedules``
    those in which a serialization failure (40001) ended a worker. ``set_by``: workers that set a level of their own,
    which then counts. ``left_out``: exact orders, which hold for the scenario's own level only."""

    level: str
    own: bool
    verdict: Verdict
    observed: Verdict
    expect: tuple[str, ...]
    strategy: str
    schedules: int
    exhausted: bool
    lost: int
    meaning: str
    violated: tuple[str, ...] = ()
    message: str = ""
    replay: str = ""
    set_by: tuple[str, ...] = ()
    left_out: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """What came of a `Case`. ``sql``: the call, with variables in place of ids. ``answered``: the answer as a mapping;
    None: there was none. ``changed``: the committed ledger is not what it was before the request. ``checks``: those
    violated, with how many violations each. ``replay``: path of the saved schedule, where it is red."""

    case: Case
    sql: str
    answered: Mapping[str, Json] | None
    changed: bool
    checks: Mapping[str, int] = field(default_factory=dict)
    message: str = ""
    replay: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioResult:
    """The outcome of one scenario's campaign. ``observed`` is what was seen, ``verdict`` is after ``expect``."""

    name: str
    file: str
    about: str
    verdict: Verdict
    observed: Verdict
    expect: tuple[str, ...]
    strategy: str
    schedules: int
    exhausted: bool
    meaning: str
    elapsed_s: float
    schedules_to_first_violation: int | None = None
    seconds_to_first_violation: float | None = None
    counterexamples: tuple[Counterexample, ...] = ()
    checks: tuple[CheckResult, ...] = ()
    """Per check, the sum over all executions; of its violations and notes the first few."""
    covered: Covered | None = None
    """None: nothing was interleaved inside functions."""
    serially: bool = False
    """The violation needs no concurrency: a serial order shows it."""
    passing: Execution | None = None
    """A representative execution without violation, for the report."""
    faults: FaultMatrix | None = None
    """None: no faults were asked for."""
    levels: tuple[LevelResult, ...] = ()
    """From the weakest to the strongest; none where no isolation levels were asked for."""
    cases: tuple[CaseResult, ...] = ()
    """Single calls that were carried out, in the file's order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """A whole run: what `results.json` is written from."""

    verdict: Verdict
    seed: int
    server_version: str
    elapsed_s: float
    scenarios: tuple[ScenarioResult, ...]
    trouble: str = ""
    """What went wrong beside the scenarios, or cut the run short; the verdict is "error" then."""
    warnings: tuple[str, ...] = ()
    """What is not as the person wanted it, one line each; the verdict does not depend on it."""
