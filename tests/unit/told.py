"""A double refund inside a function with all that explains it: sessions, source, reason, an order that is right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import samples

from harness.model import (
    Counterexample,
    Event,
    EventKind,
    HeldLock,
    History,
    Ledger,
    Moment,
    Nearest,
    Reason,
    ReasonKind,
    RunResult,
    ScenarioResult,
    SessionMoment,
    SessionState,
    Source,
    Story,
    Verdict,
    Violation,
)

CALL = "SELECT refund('j1')"
LOOK = "SELECT status INTO v_status FROM story_jobs WHERE job_id = p_job"
PAY = "UPDATE user_balances SET balance = balance + 1000"
MARK = "UPDATE story_jobs SET status = 'failed' WHERE job_id = p_job"
BODY = f"""
DECLARE v_status text;
BEGIN
  {LOOK};
  IF v_status = 'failed' THEN RETURN 'already refunded'; END IF;
  {PAY};
  {MARK};
  RETURN 'refunded';
END
"""
SOURCE = Source(function="refund", body=BODY, file="sql/refund.sql", first_line=11)
BROKEN = Violation(
    check="serial_equivalence",
    message="balance 6000; every serial order ends with 5000",
    witness=({"balance": 6000},),
    turn=9,
)
REASON = Reason(
    kind=ReasonKind.STALE_READ, worker="original", other="retry", table="story_jobs", columns=("status",),
    read_turn=1, changed_turn=7, acted_turn=6, before="processing", after="failed",
)  # fmt: skip


def _inside(turn: int, worker: str, site: str, sql: str) -> Event:
    return Event(kind=EventKind.STEP, turn=turn, worker=worker, step=site, sql=sql)


def _commits(turn: int, worker: str, state: Ledger) -> list[Event]:
    done = Event(kind=EventKind.OK, turn=turn, worker=worker, step="refund", answer=({"refund": "refunded"},))
    return [_inside(turn, worker, "commit", "COMMIT"), done, samples.committed(turn, state)]


def broken_history() -> History:
    """Both read "processing" before either pays: 6000."""
    once, twice = samples.ledger("failed", alice=5000), samples.ledger("failed", alice=6000)
    events = [
        samples.invoke(0, "original", "refund", CALL),
        _inside(1, "original", "refund:4", LOOK),
        samples.invoke(2, "retry", "refund", CALL),
        _inside(3, "retry", "refund:4", LOOK),
        _inside(4, "retry", "refund:6", PAY),
        _inside(5, "retry", "refund:7", MARK),
        _inside(6, "original", "refund:6", PAY),
        Event(kind=EventKind.BLOCKED, turn=6, worker="original", step="refund:6", blockers=("retry",)),
        *_commits(7, "retry", once),
        Event(kind=EventKind.WOKEN, turn=7, worker="original", step="refund:6"),
        _inside(8, "original", "refund:7", MARK),
        *_commits(9, "original", twice),
    ]
    return History(events=tuple(events), opening=samples.ledger("processing", alice=4000), closing=twice)


def right_history() -> History:
    """The same until the retry, which waits its turn and finds the job refunded: 5000."""
    once = samples.ledger("failed", alice=5000)
    events = [
        samples.invoke(0, "original", "refund", CALL),
        _inside(1, "original", "refund:4", LOOK),
        samples.invoke(2, "retry", "refund", CALL),
        _inside(3, "original", "refund:6", PAY),
        _inside(4, "original", "refund:7", MARK),
        *_commits(5, "original", once),
        _inside(6, "retry", "refund:4", LOOK),
        Event(kind=EventKind.OK, turn=6, worker="retry", step="refund", answer=({"refund": "already refunded"},)),
    ]
    return History(events=tuple(events), opening=samples.ledger("processing", alice=4000), closing=once)


def _session(worker: str, state: SessionState, at: str = "", *waits: str, locks: Sequence[HeldLock] = ()) -> Any:
    return SessionMoment(worker=worker, state=state, at=at, waits_for=waits, locks=tuple(locks))


def moments() -> tuple[Moment, ...]:
    held = HeldLock(kind="row", on="user_balances", mode="ExclusiveLock", granted=True)
    awaited = replace(held, mode="ShareLock", kind="transaction", on="", granted=False)
    idle = _session("retry", SessionState.IDLE)
    found = [
        (_session("original", SessionState.ACTIVE, "refund:4"), idle),
        (_session("original", SessionState.ACTIVE, "refund:6"), idle),
        (_session("original", SessionState.ACTIVE, "refund:6"), _session("retry", SessionState.ACTIVE, "refund:4")),
    ]
    found += [
        (_session("original", SessionState.ACTIVE, "refund:6"), _session("retry", SessionState.ACTIVE, "refund:6"))
    ]
    paid = _session("retry", SessionState.ACTIVE, "commit", locks=[held])
    found += [(_session("original", SessionState.ACTIVE, "refund:6"), paid)] * 2
    found += [(_session("original", SessionState.WAITING, "refund:6", "retry", locks=[awaited]), paid)]
    found += [
        (_session("original", SessionState.ACTIVE, "refund:7", locks=[held]), _session("retry", SessionState.ENDED))
    ] * 2
    found += [(_session("original", SessionState.ENDED), _session("retry", SessionState.ENDED))]
    return tuple(Moment(turn=turn, sessions=sessions) for turn, sessions in enumerate(found))


def story() -> Story:
    nearest = Nearest(execution=samples.execution(right_history(), 7), agrees=3, replay="reports/latest/right.schedule")
    return Story(moments=moments(), sources=(SOURCE,), reasons=(REASON,), nearest=nearest)


def told_example(name: str = "unlocked_inside") -> Counterexample:
    example = samples.counterexample(broken_history(), BROKEN, scenario=name)
    return replace(example, story=story(), without=("the worker audit",))


def told_scenario(name: str = "unlocked_inside", **changes: Any) -> ScenarioResult:
    values: dict[str, Any] = {
        "about": "The atomic function without its lock.",
        "counterexamples": (told_example(name),),
    }
    return samples.red_scenario(name, **(values | changes))


def told_run() -> RunResult:
    """Red with a story, red without one, known to be bad, and green."""
    return samples.run_of(
        samples.green_scenario(),
        told_scenario(),
        samples.red_scenario(),
        samples.documented_scenario(),
        samples.scenario("mixed_fleet", exhausted=False, schedules=1204),
        verdict=Verdict.VIOLATION,
    )
