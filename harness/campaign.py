"""A campaign: one scenario's interleavings executed and judged until something is violated or a limit is reached."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from harness.checks.protocol import Context
from harness.db import answering
from harness.errors import HarnessError, UsageError
from harness.found import Found, kept
from harness.meaning import meaning
from harness.model import (
    LEVELS,
    Counterexample,
    Decision,
    Execution,
    Follow,
    Going,
    Order,
    Scenario,
    ScenarioResult,
    Schedule,
    Search,
    Verdict,
    Violation,
)
from harness.nearest import with_nearest
from harness.saving import save_counterexample, save_history, save_passing
from harness.sharding.foresight import Foresight, OverError
from harness.sharding.judged import Judged, judged
from harness.sharding.work import Play, Shards
from harness.stage import Stage, Stages
from harness.strategies.fixed import Fixed
from harness.strategies.foreseen import Foreseeing
from harness.strategies.free_running import LIMIT, FreeRunning
from harness.strategies.protocol import Strategy
from harness.strategies.registry import DEFAULT_LIMITS, NAMES, make
from harness.strategies.replay import Replay
from harness.tally import Searched, Tally

_LIMITS = {**DEFAULT_LIMITS, FreeRunning.name: LIMIT}
STRATEGIES = (*NAMES, FreeRunning.name)

ALONE = 200
"""So many executions a search does by itself before it asks shards: to start them takes about as long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to run campaigns. ``strategy`` and ``schedules`` replace what scenarios say of their searches (not of their
    exact orders and followed choices). ``deadline``: clock reading (`time.monotonic`) at which to stop, None: never.
    ``stop``: asks every campaign to end after the execution it is in. ``watch``: is shown every execution that counts
    (not those of replays and shrinking), once it was judged. ``faults``: names of faults to strike every scenario with
    (none: those that a scenario names itself). ``levels``: names of isolation levels, likewise. ``explain``: look for
    what explains a violation, which costs executions beside the campaign; nobody reads it of a mutant. ``shards``: who
    executes long searches ahead of the campaign; they change nothing but its speed."""

    seed: int = 0
    strategy: str | None = None
    schedules: int | None = None
    deadline: float | None = None
    require_exhausted: bool = False
    folder: Path | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    watch: Callable[[Context], None] | None = None
    faults: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()
    explain: bool = True
    shards: Shards | None = None

    @property
    def out_of_time(self) -> bool:
        return self.stop.is_set() or (self.deadline is not None and time.monotonic() > self.deadline)


class Progress(Protocol):
    """What a campaign tells while it runs."""

    def interleaving_started(self, name: str, look: Callable[[], Going]) -> None:
        """``look`` says how far it is: at any time on the thread that calls, elsewhere once the campaign is over."""

    def schedule_done(self, name: str, done: int, violations: int) -> None: ...


class Silent:
    """Tells nobody."""

    def interleaving_started(self, name: str, look: Callable[[], Going]) -> None:
        """Nothing to say."""

    def schedule_done(self, name: str, done: int, violations: int) -> None:
        """Nothing to say."""


def run_campaign(
    scenario: Scenario, stages: Stages, options: Options, progress: Progress, server: str
) -> ScenarioResult:
    """Execute every interleaving of ``scenario`` until the first violation (with ``expect: violation``: until every
    named check has been violated), the limits, or the deadline. A `UsageError` (the scenario's own SQL) is raised; any
    other `HarnessError`, and what the server or the machine refuses, becomes the verdict "error"."""
    begin = time.monotonic()
    tally = Tally()
    followed: list[bool] = []
    error = None
    try:
        with answering():
            _Campaign(scenario, stages, options, progress, server, tally, followed, begin).run()
    except UsageError:
        raise
    except HarnessError as e:
        error = str(e)
    return conclude(scenario, options, tally, server, time.monotonic() - begin, error, followed)


class _Campaign:
    def __init__(
        self,
        scenario: Scenario,
        stages: Stages,
        options: Options,
        progress: Progress,
        server: str,
        tally: Tally,
        followed: list[bool],
        begin: float,
    ) -> None:
        self.scenario, self.stages, self.options, self.progress = scenario, stages, options, progress
        self.server, self.tally, self.followed, self.begin = server, tally, followed, begin

    def run(self) -> None:
        for index, interleaving in enumerate(self.scenario.interleavings):
            if self._interleaving(index, interleaving):
                return

    def _interleaving(self, index: int, interleaving: Order | Search) -> bool:
        """Execute one interleaving; True when the campaign is over."""
        stage = self.stages.of(interleaving)
        limit = self._limit(interleaving)
        self.progress.interleaving_started(self.scenario.name, self._looking(index))
        if isinstance(interleaving, Follow):
            return self._follow(index, interleaving, stage)
        if isinstance(interleaving, Order):
            strategy: Strategy = Fixed(interleaving, checked=True)
        else:
            name = self.options.strategy or interleaving.strategy
            workers = [w.name for w in self.scenario.workers]
            if name == FreeRunning.name:
                return self._released(stage, limit)
            strategy = make(name, seed=self.options.seed, limit=limit, workers=workers)
            self.tally.opaque = stage.opaque
            self.tally.labels = {site.id: site.label for site in stage.sites}
        foresight = self._foresight(strategy, stage)
        with closing(foresight) if foresight is not None else nullcontext():
            done, over = self._executions(index, interleaving, strategy, stage, limit, foresight)
        if isinstance(interleaving, Search):
            exhausted = not over and (strategy.exhausted or (done == limit and not strategy.start()))
            self.tally.searches.append(
                Searched(
                    strategy=strategy.name,
                    executed=done,
                    # Who wakes first is a rule on a server of ours only: elsewhere an order may hide behind another.
                    exhausted=exhausted and strategy.exhausted and self.stages.owned,
                    inside=interleaving.inside,
                    facts=strategy.facts(),
                )
            )
        return over

    def _executions(
        self,
        index: int,
        interleaving: Order | Search,
        strategy: Strategy,
        stage: Stage,
        limit: int,
        foresight: Foresight | None,
    ) -> tuple[int, bool]:
        """How many there were, and whether the campaign is over."""
        for done in range(limit):
            ahead = foresight if done >= ALONE else None
            if ahead is not None:
                ahead.look(limit - done, passing=self.tally.passing is None)
            if not strategy.start():
                return done, False
            try:
                if self.options.out_of_time:
                    raise OverError
                over = self._execution(index, interleaving, strategy, stage, ahead)
            except OverError:
                self.tally.out_of_time = True
                return done, True
            self.tally.orders += isinstance(interleaving, Order)
            if over:
                return done + 1, True
        return limit, False

    def _foresight(self, strategy: Strategy, stage: Stage) -> Foresight | None:
        """None where executions can only be done here: nobody to ask, somebody who watches, workers that are
        somebody's Python functions."""
        here = any(worker.program for worker in self.scenario.workers)
        if self.options.shards is None or self.options.watch is not None or here:
            return None
        if not isinstance(strategy, Foreseeing):
            return None
        return Foresight(strategy, self.options.shards, self._play(stage), lambda: self.options.out_of_time)

    def _play(self, stage: Stage) -> Play:
        level = self.stages.isolation
        isolation = LEVELS[level] if level else None
        return Play.of(self.scenario, inside=stage.inside, isolation=isolation, seed=self.options.seed)

    def _limit(self, interleaving: Order | Search) -> int:
        """The most executions of it."""
        if isinstance(interleaving, Order | Follow):
            return 1
        return (
            self.options.schedules or interleaving.schedules or _LIMITS[self.options.strategy or interleaving.strategy]
        )

    def _looking(self, index: int) -> Callable[[], Going]:
        """Says how far the interleaving that begins now is, and how far it came, when others follow."""
        scenario, tally = self.scenario, self.tally
        interleaving, before, searched = scenario.interleavings[index], tally.executed, len(tally.searches)
        one = isinstance(interleaving, Order | Follow)
        inside = isinstance(interleaving, Search) and interleaving.inside
        limit = self._limit(interleaving)
        after = sum(self._limit(later) for later in scenario.interleavings[index + 1 :])
        [strategy] = _strategies([interleaving], self.options)

        def look() -> Going:
            ended = None if one else next(iter(tally.searches[searched:]), None)
            return Going(
                strategy=strategy,
                executed=min(tally.executed - before, limit) if ended is None else ended.executed,
                limit=limit,
                after=after,
                exhausted=ended is not None and ended.exhausted,
                covered=tally.covered_so_far if inside else None,
                violated=tuple(sorted(tally.seen)),
                documented=tuple(sorted(tally.seen & set(scenario.expect_violation))),
            )

        return look

    def _follow(self, index: int, interleaving: Follow, stage: Stage) -> bool:
        """Execute the choices of a counterexample once, as near as they can be taken."""
        if self.options.out_of_time:
            self.tally.out_of_time = True
            return True
        decisions = tuple(Decision(choice=c, enabled=()) for c in interleaving.choices)
        strategy = Replay(Schedule(seed=self.options.seed, decisions=decisions), exact=False)
        strategy.start()
        self.tally.opaque = stage.opaque
        return self._execution(index, interleaving, strategy, stage)

    def _released(self, stage: Stage, limit: int) -> bool:
        """The workers released together, ``limit`` times whatever is found: the rate of hits is the result."""
        strategy = FreeRunning()
        for _ in range(limit):
            if self.options.out_of_time:
                self.tally.out_of_time = True
                break
            strategy.start()
            execution = stage.release(self.tally.executed, seed=self.options.seed)
            violations = self._note(self._judged(execution, None, stage))
            if violations:
                strategy.hit()
                self._hit(execution, violations)
            self.progress.schedule_done(self.scenario.name, self.tally.executed, len(self.tally.counterexamples))
        facts = strategy.facts()
        self.tally.searches.append(
            Searched(strategy=strategy.name, executed=strategy.released, exhausted=False, facts=facts)
        )
        return self.tally.out_of_time or bool(strategy.hits)

    def _hit(self, execution: Execution, violations: list[Violation]) -> None:
        """Keep the first one as it was: there is nothing to replay."""
        if self.tally.first_violation is None:
            self.tally.first_violation = (self.tally.executed, time.monotonic() - self.begin)
            self.tally.counterexamples.append(
                Counterexample(
                    scenario=self.scenario.name, execution=execution, violations=tuple(violations), replay=""
                )
            )

    def _execution(
        self,
        index: int,
        interleaving: Order | Search,
        strategy: Strategy,
        stage: Stage,
        ahead: Foresight | None = None,
    ) -> bool:
        one, follow = ahead.take(strategy) if ahead is not None else (None, strategy)
        if one is None:
            execution = stage.execute(follow, self.tally.executed, seed=self.options.seed)
            one = self._judged(execution, interleaving if isinstance(interleaving, Order) else None, stage)
        one = one.numbered(self.tally.executed)
        violations = self._note(one)
        taken = tuple(d.choice for d in one.decisions)
        if isinstance(interleaving, Follow):
            self.followed.append(taken[: len(interleaving.choices)] != interleaving.choices)
        elif isinstance(interleaving, Search) and interleaving.inside:
            self.tally.coverage.add(taken)
        over = False
        if violations:
            if self.tally.first_violation is None:
                self.tally.serially = strategy.facts().get("serial", 0) > 0
            assert one.execution is not None
            over = self._violated(index, interleaving, one.execution, violations, stage)
        self.progress.schedule_done(self.scenario.name, self.tally.executed, len(self.tally.counterexamples))
        return over

    def _judged(self, execution: Execution, order: Order | None, stage: Stage) -> Judged:
        context = stage.context(execution, order)
        found = judged(context, stage)
        if self.options.watch is not None:
            self.options.watch(context)
        return found

    def _note(self, one: Judged) -> list[Violation]:
        """Count it; its violations."""
        violations = self.tally.add(one.results)
        self.tally.overlapped = self.tally.overlapped or one.overlapped
        self.tally.changed = self.tally.changed or one.changed
        if not violations and one.overlapped and self.tally.passing is None and one.execution is not None:
            self.tally.passing = one.execution
            if self.options.folder is not None:
                save_history(self.options.folder / f"{self.scenario.name}.history.jsonl", one.execution)
        return violations

    def _violated(
        self,
        index: int,
        interleaving: Order | Search,
        execution: Execution,
        violations: list[Violation],
        stage: Stage,
    ) -> bool:
        """Confirm by an exact replay, shrink what a search found, save, and decide whether that is the end."""
        order = interleaving if isinstance(interleaving, Order) else None
        tally, expected = self.tally, set(self.scenario.expect_violation)
        checks = {v.check for v in violations}
        if tally.first_violation is None:
            tally.first_violation = (tally.executed, time.monotonic() - self.begin)
        known = {v.check for c in tally.counterexamples for v in c.violations}
        if checks - known:
            count = len(tally.counterexamples) + 1

            def save(found: Found) -> str:
                return save_counterexample(
                    self.options.folder, self.scenario, self.server, index, found.execution, found.violations, count,
                    found.without, isolation=self.stages.isolation, moments=found.story.moments,
                )  # fmt: skip

            searched = not isinstance(interleaving, Order | Follow)
            target = expected & checks or {violations[0].check} if searched else set()
            found, replay = kept(stage, execution, order, violations, target, save)
            tally.counterexamples.append(found.example(self.scenario.name, replay, execution.schedule))
            if self.options.explain:
                self._tell(found, index, stage)
        return not expected or expected <= known | checks

    def _tell(self, found: Found, index: int, stage: Stage) -> None:
        """Look for what explains the last counterexample; it is kept already, whatever becomes of this."""
        examples = self.tally.counterexamples

        def save(execution: Execution) -> str:
            return save_passing(
                examples[-1].replay, self.scenario, self.server, index, execution, found.without,
                isolation=self.stages.isolation,
            )  # fmt: skip

        examples[-1] = with_nearest(examples[-1], stage, found, save)


def conclude(
    scenario: Scenario,
    options: Options,
    tally: Tally,
    server: str,
    elapsed_s: float,
    error: str | None,
    followed: Sequence[bool] = (),
) -> ScenarioResult:
    """The scenario's result: what was observed, what that means, and the verdict after ``expect``. ``followed``: per
    execution of followed choices, whether it was adapted."""
    expected = set(scenario.expect_violation)
    if error is not None:
        observed = Verdict.ERROR
    elif tally.seen:
        observed = Verdict.VIOLATION
    elif tally.executed and tally.overlapped and tally.changed:
        observed = Verdict.PASS
    else:
        observed = Verdict.INCONCLUSIVE
    verdict = observed
    if observed is Verdict.VIOLATION and expected and expected <= tally.seen:
        verdict = Verdict.PASS
    elif observed is Verdict.PASS and expected:
        verdict = Verdict.VIOLATION
    elif observed is Verdict.PASS and options.require_exhausted and not tally.exhausted:
        verdict = Verdict.INCONCLUSIVE
    first = tally.first_violation
    return ScenarioResult(
        name=scenario.name,
        file=scenario.file,
        about=scenario.about,
        verdict=verdict,
        observed=observed,
        expect=scenario.expect_violation,
        strategy=", ".join(dict.fromkeys(_strategies(scenario.interleavings, options))),
        schedules=tally.executed,
        exhausted=tally.exhausted,
        meaning=error or meaning(scenario, tally, observed, server, followed),
        elapsed_s=elapsed_s,
        schedules_to_first_violation=first[0] if first else None,
        seconds_to_first_violation=first[1] if first else None,
        counterexamples=tuple(tally.counterexamples),
        checks=tally.checks,
        covered=tally.covered,
        serially=tally.serially,
        passing=tally.passing,
    )


def _strategies(interleavings: Sequence[Order | Search], options: Options) -> Iterator[str]:
    for interleaving in interleavings:
        if isinstance(interleaving, Order):
            yield "fixed"
        else:
            yield (None if isinstance(interleaving, Follow) else options.strategy) or interleaving.strategy
