"""Everything that a small system can come to on a real server: by the reduced search, and by the plain one."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from harness.checks.canonical import fingerprint
from harness.model import Event, EventKind, Execution, Json
from harness.stage import Stage
from harness.strategies.exhaustive import Exhaustive
from harness.strategies.preemption_bounded import PreemptionBounded

_ANSWERS = (EventKind.OK, EventKind.FAIL, EventKind.INFO)


@dataclass(slots=True)
class Explored:
    """``outcomes``: each with the schedule that first came to it. ``waits``, ``deadlocks``: executions in which a
    worker waited, or fell victim."""

    outcomes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    executions: int = 0
    waits: int = 0
    deadlocks: int = 0
    exhausted: bool = False


def every_order(stage: Stage, limit: int) -> Explored:
    """All orders of the steps, one execution each; not exhausted where there are more than ``limit``."""
    search, found = PreemptionBounded(most=10_000), Explored()
    while found.executions < limit and search.start():
        _note(found, stage.execute(search, 1, seed=0))
    found.exhausted = search.exhausted or not search.start()
    return found


def reduced(stage: Stage, limit: int) -> Explored:
    """What `Exhaustive` executes. What an execution that counts as pruned came to is left out: if it is that, another
    has come to the same."""
    search, found = Exhaustive(), Explored()
    pruned, last = 0, None
    while True:
        more = search.start()  # now it is known of the one before
        if last is not None and search.pruned == pruned:
            _note(found, last)
        pruned = search.pruned
        if not more or search.explored >= limit:
            found.executions, found.exhausted = search.explored, search.exhausted
            return found
        last = stage.execute(search, 1, seed=0)


def _note(found: Explored, execution: Execution) -> None:
    found.executions += 1
    found.waits += any(d.blocked for d in execution.schedule.decisions)
    found.deadlocks += any(e.kind is EventKind.DEADLOCK for e in execution.history.events)
    found.outcomes.setdefault(_outcome(execution), schedule_of(execution))


def schedule_of(execution: Execution) -> tuple[str, ...]:
    return tuple(str(d.choice) + (" (waits)" if d.blocked else "") for d in execution.schedule.decisions)


def _outcome(execution: Execution) -> str:
    """The final ledger, what every worker was told, who waited for whom at which step, whom a deadlock struck, and what
    was left behind."""
    history = execution.history
    told: dict[str, list[Json]] = {}
    for event in history.events:
        if event.kind in _ANSWERS:
            told.setdefault(event.worker, []).append([event.step, event.sqlstate, event.answer])
    left = history.liveness
    whole = {
        "ledger and answers": fingerprint(history.closing, told),
        "waited": sorted(_words(e) for e in history.events if e.kind is EventKind.BLOCKED),
        "deadlock": sorted(_words(e) for e in history.events if e.kind is EventKind.DEADLOCK),
        "left": [left.waiting, left.idle_in_transaction, sorted(json.dumps(row, sort_keys=True) for row in left.locks)],
    }
    return json.dumps(whole, indent=1)


def _words(event: Event) -> str:
    return f"{event.worker}.{event.step} {event.kind} {' '.join(sorted(event.blockers))}"
