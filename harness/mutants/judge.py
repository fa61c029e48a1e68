"""Judges mutants one by one, against an original of which all is known."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from harness.campaign import Options, Silent, run_campaign
from harness.db import answering, one_line
from harness.driver.pool import WorkerPool
from harness.errors import HarnessError, UsageError
from harness.fates import Fate, Judged
from harness.model import Scenario, ScenarioResult, Script, Search, Verdict
from harness.mutants.outcomes import Outcomes, difference
from harness.mutants.own_databases import OwnDatabases
from harness.sqltext.mutate_types import Mutation
from harness.stage import Stages
from harness.targets.databases import Databases
from harness.targets.protocol import Target

__all__ = ["Judge", "Original", "searched"]

_SNAPSHOT_OF_ITS_CALLER = ("STABLE", "IMMUTABLE")
"""Reasons why a function is one step, and rightly: whatever it reads is as of its caller's snapshot."""
_LATE = ("42", "0A", "2D", "25P01")
"""What PL/pgSQL finds out only when a statement runs: it cannot be, or not here. A function of which no call can go
beyond that is no mutant that anybody could ship."""
_DENIED = "42501"


def searched(
    scenario: Scenario, target: Target, databases: Databases, pool: WorkerPool, options: Options, outcomes: Outcomes
) -> ScenarioResult:
    """The campaign of one system; its outcomes go to ``outcomes``."""
    options = replace(options, folder=None, watch=outcomes.add, require_exhausted=False, explain=False)
    stages = Stages(scenario, target, databases, pool)
    try:
        return run_campaign(scenario, stages, options, Silent(), target.server_version)
    finally:
        stages.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """What was seen of the system as it is."""

    result: ScenarioResult
    outcomes: Outcomes


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges one mutant after another, in whatever thread."""

    scenario: Scenario
    target: Target
    databases: Databases
    options: Options
    original: Original

    def judged(self, mutation: Mutation, pool: WorkerPool) -> Judged:
        """What became of it."""
        begin = time.monotonic()
        if self.options.out_of_time:
            return Judged(mutation=mutation, fate=Fate.UNPROVEN, reason="not reached: the time was up")
        outcomes = Outcomes()
        try:
            with answering(), OwnDatabases(self.target, self.databases, self.scenario.install) as own:
                result = searched(self._mutated(mutation), self.target, own, pool, self.options, outcomes)
        except UsageError as error:
            # The user's own SQL works on the original: what the server refuses is the mutant, or the set-up on it.
            return Judged(mutation=mutation, fate=Fate.STILLBORN, reason=one_line(str(error)))
        except HarnessError as error:
            return Judged(mutation=mutation, fate=Fate.ERROR, reason=one_line(str(error)))
        found = self._judged(mutation, result, outcomes)
        first = result.schedules_to_first_violation
        return replace(
            found, schedules=result.schedules, first=first, exhausted=result.exhausted,
            elapsed_s=time.monotonic() - begin,
        )  # fmt: skip

    def _mutated(self, mutation: Mutation) -> Scenario:
        scenario = self.scenario
        if mutation.sql:
            script = Script(name=f"mutant {mutation.name}", text=mutation.sql)
            return replace(scenario, install=(*scenario.install, script))
        # The exact orders name statements that are no longer sent.
        searches = tuple(i for i in scenario.interleavings if isinstance(i, Search))
        return replace(scenario, workers=mutation.workers, interleavings=searches)

    def _judged(self, mutation: Mutation, result: ScenarioResult, outcomes: Outcomes) -> Judged:
        late = sorted(c for c in outcomes.sqlstates if _is_late(c) and c not in self.original.outcomes.sqlstates)
        if late:
            reason = f"when it runs: {late[0]} {outcomes.sqlstates[late[0]]}"
            return Judged(mutation=mutation, fate=Fate.STILLBORN, reason=one_line(reason))
        if result.observed is Verdict.ERROR:
            return Judged(mutation=mutation, fate=Fate.ERROR, reason=one_line(result.meaning))
        if result.observed is Verdict.VIOLATION:
            return _killed(mutation, result)
        return self._unseen(mutation, result, outcomes)

    def _unseen(self, mutation: Mutation, result: ScenarioResult, outcomes: Outcomes) -> Judged:
        """Of one that no check saw."""
        original = self.original
        new = outcomes.beyond(original.outcomes)
        shown = difference(new[0], original.outcomes.seen.values()) if new else None
        reason = _doubt(original.result, "the original")
        if new:
            fate = Fate.UNPROVEN if reason else Fate.SURVIVED
        else:
            reason = reason or _doubt(result, "the mutant")
            fate = Fate.UNPROVEN if reason else Fate.EQUIVALENT
        return Judged(mutation=mutation, fate=fate, difference=shown, reason=reason)


def _killed(mutation: Mutation, result: ScenarioResult) -> Judged:
    """By a violation whose counterexample was replayed, made smaller and replayed again; else it is no kill."""
    violations = [v for c in result.counterexamples for v in c.violations]
    checks = tuple(dict.fromkeys(v.check for v in violations))
    message = one_line(violations[0].message)
    return Judged(mutation=mutation, fate=Fate.KILLED, check=violations[0].check, message=message, checks=checks)


def _is_late(sqlstate: str) -> bool:
    return sqlstate != _DENIED and sqlstate.startswith(_LATE)


def _doubt(result: ScenarioResult, whose: str) -> str:
    """Why there may be outcomes that were not seen; "": all were."""
    if not result.exhausted:
        return f"{whose} was not exhausted ({result.schedules:,} schedules)"
    opaque = result.covered.opaque if result.covered is not None else ()
    closed = [o for o in opaque if not o.reason.startswith(_SNAPSHOT_OF_ITS_CALLER)]
    return f"{closed[0].function} ran as one step: {closed[0].reason}" if closed else ""
