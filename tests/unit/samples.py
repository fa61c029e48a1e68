"""Runs made by hand for the report's tests: what a driver would have recorded, without a database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.model import (
    CheckResult,
    Choice,
    Counterexample,
    Decision,
    Event,
    EventKind,
    Execution,
    History,
    Ledger,
    RunResult,
    ScenarioResult,
    Schedule,
    Verdict,
    Violation,
)

SELECT = "SELECT status FROM story_jobs\n WHERE job_id = 'j1'"
REFUND = "SELECT refund_balance_atomic('alice', 1000, 'refund', '{\"job_id\": \"j1\"}')"
MARK = "UPDATE story_jobs SET status = 'failed' WHERE job_id = 'j1'"
ATOMIC = (
    "SELECT refund_job_atomic(\n  p_job_id => 'j1',\n  p_user_id => 'alice',\n"
    "  p_amount => 1000,\n  p_error_message => 'timeout'\n)"
)

HOSTILE = (
    "<script>alert(1)</script>\"'&]]>--> \x1b[31mred\x1b[0m \x1b]0;owned\x07 \x00\x08 \u202eevil\u202c \ud800 "
    "$\\frac{1}{0}$ {{ 7*7 }} {% raw %} [bold]x[/bold] :smile: 日本語 👩‍👩‍👧 "
)
LONG = HOSTILE + "x" * 100_000


def ledger(status: str, **balances: int) -> Ledger:
    return {
        "story_jobs": ({"job_id": "j1", "user_id": "alice", "status": status},),
        "user_balances": tuple({"user_id": user, "balance": balance} for user, balance in balances.items()),
        "balance_transactions": (
            {"seq": 1, "user_id": "alice", "type": "generation", "amount": -1000, "balance_after": 4000},
        ),
    }


def invoke(turn: int, worker: str, step: str, sql: str | None) -> Event:
    return Event(kind=EventKind.INVOKE, turn=turn, worker=worker, step=step, sql=sql)


def ok(turn: int, worker: str, step: str, *rows: Mapping[str, Any]) -> Event:
    return Event(kind=EventKind.OK, turn=turn, worker=worker, step=step, answer=tuple(rows))


def committed(turn: int, state: Ledger) -> Event:
    return Event(kind=EventKind.LEDGER, turn=turn, ledger=state)


def did(turn: int, worker: str, step: str, sql: str | None, *rows: Mapping[str, Any]) -> list[Event]:
    return [invoke(turn, worker, step, sql), ok(turn, worker, step, *rows)]


def legacy_history() -> History:
    """The guide's double refund: two workers, three calls each, 6000 at the end."""
    paid = [ledger("processing", alice=5000), ledger("processing", alice=6000), ledger("failed", alice=6000)]
    events = [
        *did(0, "original", "select", SELECT, {"status": "processing"}),
        *did(1, "retry", "select", SELECT, {"status": "processing"}),
        *did(2, "original", "refund", REFUND, {"refund_balance_atomic": {"success": True, "new_balance": 5000}}),
        committed(2, paid[0]),
        *did(3, "retry", "refund", REFUND, {"refund_balance_atomic": {"success": True, "new_balance": 6000}}),
        committed(3, paid[1]),
        *did(4, "original", "mark_failed", MARK),
        committed(4, paid[2]),
        *did(5, "retry", "mark_failed", MARK),
    ]
    return History(events=tuple(events), opening=ledger("processing", alice=4000), closing=paid[2])


def double_workers_history() -> History:
    """The atomic function: the retry waits for the original's lock and then refuses."""
    after = ledger("failed", alice=5000)
    paid = {"success": True, "refunded": True, "new_balance": 5000}
    refused = {"success": False, "error": "Job already failed and refunded"}
    events = [
        *did(0, "original", "begin", "BEGIN"),
        *did(1, "original", "refund", ATOMIC, {"refund_job_atomic": paid}),
        *did(2, "retry", "begin", "BEGIN"),
        invoke(3, "retry", "refund", ATOMIC),
        Event(kind=EventKind.BLOCKED, turn=3, worker="retry", step="refund", blockers=("original",)),
        *did(4, "original", "note", "SELECT 1", {"?column?": 1}),
        *did(5, "original", "commit", "COMMIT"),
        committed(5, after),
        Event(kind=EventKind.WOKEN, turn=5, worker="retry", step="refund"),
        ok(5, "retry", "refund", {"refund_job_atomic": refused}),
        *did(6, "retry", "commit", "COMMIT"),
    ]
    return History(events=tuple(events), opening=ledger("processing", alice=4000), closing=after)


def crash_history() -> History:
    """A worker dies before it read the answer, a second deadlocks with a third, a fourth gets SIGTERM and stops."""
    after = ledger("failed", alice=5000, bob=3000)
    events = [
        *did(0, "original", "begin", "BEGIN"),
        invoke(1, "original", "refund", ATOMIC),
        Event(kind=EventKind.CRASH, turn=1, worker="original", message="SIGKILL before the answer was read"),
        Event(kind=EventKind.INFO, turn=1, worker="original", step="refund", message="the server runs on"),
        invoke(2, "retry", "refund", ATOMIC),
        Event(kind=EventKind.BLOCKED, turn=2, worker="retry", step="refund", blockers=("original",)),
        invoke(3, "topup", "lock_job", "SELECT 1 FROM story_jobs FOR UPDATE"),
        Event(kind=EventKind.DEADLOCK, turn=3, blockers=("retry", "topup")),
        Event(
            kind=EventKind.FAIL, turn=3, worker="topup", step="lock_job", sqlstate="40P01", message="deadlock detected"
        ),
        Event(kind=EventKind.SIGTERM, turn=4, worker="audit"),
        Event(kind=EventKind.END, turn=4, worker="audit", message="status is not processing"),
        Event(kind=EventKind.CRASH, turn=5, worker="retry", message="SIGKILL"),
    ]
    return History(events=tuple(events), opening=ledger("processing", alice=4000, bob=3000), closing=after)


def unknown_tables_history() -> History:
    """A system of somebody else's, without anything called a balance."""
    opening: Ledger = {"orders": ({"id": 1, "state": "paid"},), "stock": ({"sku": "a", "left": 2},)}
    closing: Ledger = {"orders": ({"id": 1, "state": "sent"}, {"id": 2, "state": "paid"}), "stock": opening["stock"]}
    events = [*did(0, "w1", "ship", "UPDATE orders SET state = 'sent'"), committed(0, closing)]
    return History(events=tuple(events), opening=opening, closing=closing)


def long_history(turns: int = 45, workers: int = 3) -> History:
    events = []
    for turn in range(turns):
        events += did(turn, f"worker_{turn % workers}", "refund", ATOMIC, {"refund_job_atomic": {"success": True}})
        if turn % 4 == 3:
            events.append(committed(turn, ledger("processing", alice=4000 + 250 * turn)))
    return History(
        events=tuple(events),
        opening=ledger("processing", alice=4000),
        closing=ledger("failed", alice=4000 + 250 * turns),
    )


def hostile_history() -> History:
    row = {LONG: LONG, "answer": {LONG: [LONG, HOSTILE]}}
    state: Ledger = {
        LONG: (row,),
        "user_balances": ({"user_id": LONG, "balance": LONG}, {"user_id": HOSTILE, "balance": 1}),
    }
    events = [
        invoke(0, LONG, LONG, LONG),
        ok(0, LONG, LONG, row),
        invoke(1, HOSTILE, HOSTILE, HOSTILE),
        Event(kind=EventKind.BLOCKED, turn=1, worker=HOSTILE, step=HOSTILE, blockers=(LONG, HOSTILE)),
        Event(kind=EventKind.FAIL, turn=2, worker=HOSTILE, step=HOSTILE, sqlstate=HOSTILE, message=LONG),
        Event(kind=EventKind.INFO, turn=3, worker=LONG, step=LONG, message=LONG),
        Event(kind=EventKind.CRASH, turn=3, worker=LONG, message=LONG),
        Event(kind=EventKind.END, turn=4, worker=LONG, message=LONG),
        committed(4, state),
    ]
    return History(events=tuple(events), opening=state, closing=state)


DOUBLE_REFUND = Violation(
    check="one refund per job",
    message="job j1 was refunded 2 times; alice has 6000 where every serial order ends with 5000",
    witness=({"job_id": "j1", "refunds": 2, "amount": 2000}, {"job_id": "j1", "refunds": 2, "amount": 2000}),
    turn=3,
)
SERIAL = Violation(
    check="serial equivalence",
    message="balance 6000; every serial order ends with 5000",
    witness=({"balance": 6000},),
    turn=3,
)


def execution(history: History, number: int = 4) -> Execution:
    choice = Choice(worker="original", step="select")
    return Execution(
        number=number,
        schedule=Schedule(seed=0, decisions=(Decision(choice=choice, enabled=(choice,)),)),
        history=history,
    )


def counterexample(
    history: History, *violations: Violation, scenario: str = "legacy_three_calls", replay: str | None = None
) -> Counterexample:
    return Counterexample(
        scenario=scenario,
        execution=execution(history),
        violations=violations,
        replay=replay or f"reports/latest/{scenario}-1.schedule",
    )


def scenario(name: str, verdict: Verdict = Verdict.PASS, **changes: Any) -> ScenarioResult:
    values: dict[str, Any] = {
        "name": name,
        "file": f"scenarios/{name}.yaml",
        "about": "Bull re-ran a stalled job while its first worker still lived.",
        "verdict": verdict,
        "observed": verdict,
        "expect": (),
        "strategy": "exhaustive",
        "schedules": 24,
        "exhausted": True,
        "meaning": "Every order of the two workers' statements was executed; none broke an invariant.",
        "elapsed_s": 0.3127,
        "checks": (
            CheckResult(check="one refund per job", examined=24),
            CheckResult(check="serial equivalence", examined=24),
        ),
    }
    return ScenarioResult(**(values | changes))


def red_scenario(name: str = "legacy_three_calls", **changes: Any) -> ScenarioResult:
    example = counterexample(legacy_history(), DOUBLE_REFUND, SERIAL, scenario=name)
    values: dict[str, Any] = {
        "verdict": Verdict.VIOLATION,
        "observed": Verdict.VIOLATION,
        "about": "The three separate client calls of before the migration, run by two workers at once.",
        "schedules": 4,
        "exhausted": False,
        "meaning": "An order was found in which the job is refunded twice.",
        "elapsed_s": 0.0412,
        "schedules_to_first_violation": 4,
        "seconds_to_first_violation": 0.03149,
        "counterexamples": (example,),
    }
    return scenario(name, **(values | changes))


def documented_scenario() -> ScenarioResult:
    return red_scenario("known_bad", verdict=Verdict.PASS, expect=(DOUBLE_REFUND.check, SERIAL.check))


def green_scenario() -> ScenarioResult:
    return scenario("double_workers", passing=execution(double_workers_history()))


def run_of(*scenarios: ScenarioResult, verdict: Verdict = Verdict.PASS) -> RunResult:
    return RunResult(verdict=verdict, seed=0, server_version="18.6", elapsed_s=3.21987, scenarios=scenarios)


def red_run() -> RunResult:
    others = (documented_scenario(), green_scenario(), scenario("mixed_fleet", exhausted=False, schedules=1204))
    return run_of(others[1], red_scenario(), others[0], others[2], verdict=Verdict.VIOLATION)


def empty_run() -> RunResult:
    return run_of(verdict=Verdict.INCONCLUSIVE)


def hostile_run() -> RunResult:
    violation = Violation(check=LONG, message=LONG, witness=({LONG: LONG},), turn=2)
    example = counterexample(hostile_history(), violation, scenario=LONG, replay=f"reports/{HOSTILE}.schedule")
    bad = red_scenario(
        LONG, file=LONG, about=LONG, meaning=LONG, strategy=LONG, expect=(HOSTILE,), counterexamples=(example,),
        checks=(CheckResult(check=LONG, examined=1, violations=(violation,)),), passing=execution(hostile_history()),
    )  # fmt: skip
    known = red_scenario(HOSTILE, verdict=Verdict.PASS, expect=(LONG,), about=HOSTILE, counterexamples=(example,))
    broken = scenario(HOSTILE, Verdict.ERROR, meaning=LONG)
    return RunResult(
        verdict=Verdict.ERROR,
        seed=0,
        server_version=LONG,
        elapsed_s=1.0,
        scenarios=(bad, known, broken, scenario(LONG)),
    )
