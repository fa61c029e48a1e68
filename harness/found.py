"""What is done with a violation that was found: replayed at once, then made smaller."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import cache

from harness.checks import judge
from harness.checks.ending import DEADLOCK
from harness.driver.plan import Watch
from harness.errors import DriverError, NondeterminismError
from harness.model import (
    UNTOLD,
    Action,
    Choice,
    Counterexample,
    Decision,
    Execution,
    Moment,
    Order,
    Schedule,
    Story,
    Violation,
)
from harness.shrink import shrink
from harness.stage import Stage
from harness.strategies.replay import Replay
from harness.strategies.serial import Serial
from harness.telling import told


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An execution that was replayed with the same result, and what it violates, each with the turn since which it
    did. ``without``: the parts of the scenario that it does not need. ``story``: what explains it."""

    execution: Execution
    violations: tuple[Violation, ...]
    without: frozenset[str] = frozenset()
    story: Story = UNTOLD

    def example(self, scenario: str, replay: str, found_in: Schedule | None = None) -> Counterexample:
        """For the report. ``scenario``: its name. ``replay``: path of the saved schedule."""
        return Counterexample(
            scenario=scenario, execution=self.execution, violations=self.violations, replay=replay,
            without=tuple(sorted(self.without)), found_in=found_in, story=self.story,
        )  # fmt: skip


def confirmed(stage: Stage, execution: Execution, order: Order | None, violations: Sequence[Violation]) -> Found:
    """Replay ``execution`` exactly, and tell its story. Raises `NondeterminismError` when the same choices lead to
    another verdict."""
    return _explained(stage, _repeated(stage, execution, order, violations))


def _repeated(stage: Stage, execution: Execution, order: Order | None, violations: Sequence[Violation]) -> Found:
    """Replay ``execution`` exactly; of its story only the moments. Raises `NondeterminismError`.

    Of a deadlock the replay, watched closely, knows more: it stands for what it repeats. It is also where all sessions
    are looked at, turn by turn.
    """
    checks = {v.check for v in violations}
    watch = watch_for(execution.schedule, checks)
    moments: list[Moment] = []
    strategy = Replay(execution.schedule, exact=True)
    again, since = stage.replay(strategy, seed=execution.schedule.seed, watch=watch, moments=moments)
    found = [v for r in judge(stage.context(again, order)) for v in r.violations]
    seen = {v.check for v in found}
    if seen != checks:
        raise NondeterminismError(
            f"{stage.scenario.name}: schedule {execution.number + 1} violated {', '.join(sorted(checks))}; "
            f"its replay violated {', '.join(sorted(seen)) or 'nothing'}"
        )
    if watch is not Watch.PLAIN:
        execution, violations = replace(again, number=execution.number), found
    violations = tuple(replace(v, turn=since.get(v.check, v.turn)) for v in violations)
    return Found(execution=execution, violations=violations, story=Story(moments=tuple(moments)))


def _explained(stage: Stage, found: Found) -> Found:
    """With the story around the moments that it has."""
    from harness.causes import reasons_of  # most runs find nothing to be explained

    story = told(stage.scenario, found.execution, found.story.moments, stage.bodies)
    story = replace(story, reasons=reasons_of(found.execution, found.violations, stage.isolation))
    return replace(found, story=story)


def kept(
    stage: Stage,
    execution: Execution,
    order: Order | None,
    violations: Sequence[Violation],
    target: Collection[str],
    save: Callable[[Found], str],
) -> tuple[Found, str]:
    """What is known in the end of a violation, and where ``save`` has put it: saved before anything else is tried with
    it, then confirmed, unless ``target`` is empty made smaller (see `shrunk`), and saved in its place. Raises
    `NondeterminismError`."""
    save(Found(execution=execution, violations=tuple(violations)))
    found = _repeated(stage, execution, order, violations)
    if target:
        found = shrunk(stage, found, target)
    found = _explained(stage, found)
    return found, save(found)


def shrunk(stage: Stage, found: Found, target: Collection[str]) -> Found:
    """The smallest execution that still violates every check of ``target``, replayed, of its story only the moments;
    else ``found`` itself.

    What a race needs is not left out: where all workers one after the other do right, whatever is left of them must do
    so too. Else a job that nobody refunds any more, or the check that was to keep its worker from paying twice, would
    count as not needed, and what is shown would be another fault of the same name.
    """

    def attempt(without: frozenset[str], choices: Sequence[Choice]) -> Execution | None:
        stage.leave_out(without)
        try:
            execution, _ = stage.replay(Replay(_schedule(choices, seed), exact=False), seed=seed)
            seen = {v.check for r in judge(stage.context(execution, None)) for v in r.violations}
        except DriverError:  # these choices lead nowhere: a fault for a worker that is gone, say
            return None
        if not seen >= set(target) or (without and serially_right(frozenset()) and not serially_right(without)):
            return None
        return execution

    @cache
    def serially_right(without: frozenset[str]) -> bool:
        """Whether what is left violates no ``target`` in the file's order and in the reverse."""
        stage.leave_out(without)
        names = [w.name for w in stage.scenario.workers]
        for order in (names, names[::-1]):
            try:
                execution, _ = stage.replay(Serial(order), seed=seed)
            except DriverError:  # it does not even come to its end
                return False
            if {v.check for r in judge(stage.context(execution, None)) for v in r.violations} & set(target):
                return False
        return True

    seed = found.execution.schedule.seed
    try:
        best = shrink(found.execution, stage.scenario.workers, attempt)
        if best.execution is found.execution:
            return found
        stage.leave_out(best.without)
        again, _ = stage.replay(Replay(best.execution.schedule, exact=True), seed=seed)
        violations = [v for r in judge(stage.context(again, None)) for v in r.violations]
        if not {v.check for v in violations} >= set(target):
            raise NondeterminismError(
                f"{stage.scenario.name}: made smaller, schedule {found.execution.number + 1} violated "
                f"{', '.join(sorted(target))} once, and not when it was replayed"
            )
        again = replace(again, number=found.execution.number)
        return replace(_repeated(stage, again, None, violations), without=best.without)
    finally:
        stage.leave_out(frozenset())


def watch_for(schedule: Schedule, checks: Collection[str]) -> Watch:
    """How closely to watch a replay that is to violate ``checks``."""
    if DEADLOCK not in checks:
        return Watch.PLAIN
    return Watch.TOLD if all(d.choice.action is Action.RUN for d in schedule.decisions) else Watch.HELD


def _schedule(choices: Sequence[Choice], seed: int) -> Schedule:
    return Schedule(seed=seed, decisions=tuple(Decision(choice=c, enabled=()) for c in choices))
