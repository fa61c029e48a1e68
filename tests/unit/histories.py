"""Executions written down by hand, and a toy database that answers for their serial runs.

A log has one event a line, ``WORKER STEP [OUTCOME]``; no outcome means that the server said ok::

    a begin
    a refund paid                 (also: refused, answers JSON, fail [SQLSTATE], lost, sent)
    b refund waits a              (blocked; a later line of the same step is its completion)
    a commit
    b refund refused
    a dies                        (also: stops, deadlocks b)
    state paid                    (the committed ledger, by its name in ``states``)
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from harness.checks.protocol import Context
from harness.model import (
    Action,
    Call,
    Choice,
    Decision,
    Event,
    EventKind,
    Execution,
    History,
    Ledger,
    Liveness,
    Order,
    OrderStep,
    Row,
    Scenario,
    Schedule,
    Script,
    Statement,
    StatementKind,
    Worker,
)

PAID = {"success": True, "refunded": True, "new_balance": 5000}
REFUSED = {"success": False, "error": "Job already failed and refunded"}
_KINDS = {k.value: k for k in StatementKind}
EMPTY: Ledger = {"balance_transactions": (), "story_jobs": (), "user_balances": ()}


def refund_row(job: str = "j1", number: int = 1, **more: Any) -> Row:
    return {"id": f"r{number}", "type": "refund", "amount": 1000, "metadata": {"job_id": job}, **more}


def ledger(*rows: Row, **jobs: str) -> Ledger:
    """A ledger with these rows, and jobs by status."""
    found = tuple({"job_id": job, "status": status} for job, status in jobs.items())
    return {**EMPTY, "balance_transactions": rows, "story_jobs": found}


def statement(step: str, sql: str | None = None, **more: Any) -> Statement:
    """``refund_j2`` refunds j2; ``begin``, ``commit``, ``rollback`` and ``ddl`` are what they say."""
    kind = _KINDS.get(step.split("_")[0], StatementKind.QUERY)
    call = None
    if step.startswith(("refund", "complete")):
        call = Call(kind=step.split("_")[0], job=step.partition("_")[2] or "j1", user="alice", amount=1000)
    return Statement(name=step, sql=sql or step, kind=kind, call=call, **more)


def run(
    log: str,
    *,
    opening: Ledger = EMPTY,
    closing: Ledger = EMPTY,
    states: Mapping[str, Ledger] | None = None,
    sql: Mapping[str, str] | None = None,
    ifs: Mapping[str, Row] | None = None,
    rest: Mapping[str, str] | None = None,
    keep_going: str = "",
    liveness: Liveness | None = None,
    toy: Toy | None = None,
    invariants: Mapping[str, tuple[Row, ...]] | None = None,
) -> Context:
    """The execution of ``log``. ``rest``: worker → statements that it never sent."""
    writer = _Writer(states or {})
    for line in filter(None, map(str.strip, log.splitlines())):
        writer.line(line)
    steps = {w: [*given, *(rest or {}).get(w, "").split()] for w, given in writer.steps.items()}
    for name in (rest or {}).keys() - steps.keys():
        steps[name] = (rest or {})[name].split()
    workers = tuple(
        Worker(
            name=name,
            statements=tuple(
                statement(s, (sql or {}).get(f"{name}.{s}"), continue_if=(ifs or {}).get(f"{name}.{s}")) for s in given
            ),
            keep_going=name in keep_going.split(),
        )
        for name, given in steps.items()
    )
    history = History(events=tuple(writer.events), opening=opening, closing=closing, liveness=liveness or Liveness())
    schedule = Schedule(seed=0, decisions=tuple(writer.decisions))
    return Context(
        scenario=scenario(
            workers,
            invariants=tuple(Script(name=n, text="", about=f"what a row of {n} means") for n in invariants or ()),
        ),
        execution=Execution(number=0, schedule=schedule, history=history),
        probe=toy or Toy(found=invariants or {}),
    )


def follow(context: Context, order: str, expect: Mapping[str, Any] | None = None) -> Context:
    """``context`` as an execution of an exact order, written ``a.begin b.x:blocked a.y:killed a.kill``."""
    steps = []
    for word in order.split():
        name, _, mark = word.partition(":")
        worker, _, step = name.partition(".")
        if step in ("kill", "term"):
            choice = Choice(worker=worker, action=Action(step))
        else:
            choice = Choice(worker=worker, step=step, action=Action.LOSE if mark == "killed" else Action.RUN)
        steps.append(OrderStep(choice=choice, blocked=mark == "blocked"))
    return replace(context, order=Order(steps=tuple(steps), expect=expect or {}))


def scenario(workers: Sequence[Worker] = (), **changes: Any) -> Scenario:
    values: dict[str, Any] = {
        "name": "sample", "about": "", "file": "sample.yaml", "text_hash": "", "install": (), "setup": (),
        "workers": tuple(workers), "interleavings": (), "expect": {}, "expect_violation": (), "invariants": (),
        "state": (), "users": ("alice",), "jobs": ("j1",), "fresh_database": False,
    }  # fmt: skip
    return Scenario(**(values | changes))


class _Writer:
    def __init__(self, states: Mapping[str, Ledger]) -> None:
        self.states = states
        self.events: list[Event] = []
        self.decisions: list[Decision] = []
        self.steps: dict[str, list[str]] = {}
        self.in_flight: set[str] = set()

    def line(self, line: str) -> None:
        worker, word, *more = line.split(maxsplit=2)
        outcome, _, detail = (more[0] if more else "ok").partition(" ")
        if worker == "state":
            self.note(EventKind.LEDGER, ledger=self.states[word])
        elif word in ("dies", "term", "stops"):
            if word != "stops":
                self.decide(Choice(worker=worker, action=Action.TERM if word == "term" else Action.KILL))
            kind = {"dies": EventKind.CRASH, "term": EventKind.SIGTERM, "stops": EventKind.END}[word]
            self.note(kind, worker=worker, message=word)
        elif word == "deadlocks":
            self.note(EventKind.DEADLOCK, worker=worker, step=self.steps[worker][-1], blockers=(worker, *more))
        else:
            self.operation(worker, word, outcome, detail)

    def operation(self, worker: str, step: str, outcome: str, detail: str) -> None:
        if worker in self.in_flight:
            assert self.steps[worker][-1] == step
        else:
            action = Action.LOSE if outcome == "lost" else Action.RUN
            self.decide(Choice(worker=worker, step=step, action=action), blocked=outcome == "waits")
            self.steps.setdefault(worker, []).append(step)
            self.note(EventKind.INVOKE, worker=worker, step=step)
        if outcome in ("waits", "sent"):
            self.in_flight.add(worker)
            if outcome == "waits":
                self.note(EventKind.BLOCKED, worker=worker, step=step, blockers=(detail,))
            return
        self.in_flight.discard(worker)
        values: dict[str, Any] = {"kind": EventKind.OK}
        match outcome:
            case "paid" | "refused":
                values["answer"] = ({"answer": PAID if outcome == "paid" else REFUSED},)
            case "answers":
                found = json.loads(detail)
                values["answer"] = tuple(found) if isinstance(found, list) else (found,)
            case "fail":
                values |= {"kind": EventKind.FAIL, "sqlstate": detail or None, "message": "failed"}
            case "lost":
                values["kind"] = EventKind.INFO
            case _:
                assert outcome == "ok", outcome
        self.note(worker=worker, step=step, **values)

    def decide(self, choice: Choice, blocked: bool = False) -> None:
        self.decisions.append(Decision(choice=choice, enabled=(choice,), blocked=blocked))

    def note(self, kind: EventKind, **values: Any) -> None:
        self.events.append(Event(kind=kind, turn=max(0, len(self.decisions) - 1), **values))


# ------------------------------------------------------------------------------------------- the toy database

State = dict[str, list[dict[str, Any]]]


class Failed(Exception):
    """The toy server refuses, with this SQLSTATE."""


def _select(state: State) -> Row:
    return {"status": state["job"][0]["status"]}


def _pay(state: State) -> Row:
    state["account"][0]["balance"] += 1000
    return {"balance": state["account"][0]["balance"]}


def _mark(state: State) -> None:
    state["job"][0]["status"] = "failed"


def _refund(state: State) -> Row:
    if _select(state)["status"] == "failed":
        return {"answer": REFUSED}
    _mark(state)
    return {"answer": {**PAID, "new_balance": _pay(state)["balance"]}}


def _insert(state: State) -> None:
    if state["keys"]:
        raise Failed("23505")
    state["keys"].append({"key": 1})


def _settle(state: State, amount: str) -> None:
    state["account"][0]["balance"] = int(amount)


EFFECTS: Mapping[str, Callable[[State], Row | None]] = {
    "select": _select, "pay": _pay, "mark": _mark, "refund": _refund, "insert": _insert,
}  # fmt: skip


def toy_ledger(balance: int = 4000, status: str = "processing", keys: int = 0) -> Ledger:
    return {
        "account": ({"balance": balance},),
        "job": ({"status": status},),
        "keys": tuple({"key": 1} for _ in range(keys)),
    }


@dataclass
class Toy:
    """A `Probe`: runs workers serially on ``start``. A step's first word says what it does; others do nothing."""

    start: Ledger = field(default_factory=toy_ledger)
    found: Mapping[str, tuple[Row, ...]] = field(default_factory=dict)
    sequences: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    ends: Sequence[Ledger] | None = None
    """Where given: the closing ledgers of the serial runs, in turn, whatever is run."""
    gives: Execution | None = None
    """Where given: every serial run, whatever is run."""
    asked: list[tuple[tuple[str, ...], dict[str, list[str]]]] = field(default_factory=list)

    def invariants(self) -> Mapping[str, tuple[Row, ...]]:
        return self.found

    def sequence_columns(self) -> Mapping[str, Mapping[str, str]]:
        return self.sequences

    def serial(self, take: Mapping[str, tuple[Statement, ...]], order: Sequence[str]) -> Execution:
        self.asked.append((tuple(order), {w: [s.name for s in take[w]] for w in order}))
        if self.gives is not None:
            return self.gives
        state: State = copy.deepcopy({t: [dict(r) for r in rows] for t, rows in self.start.items()})
        events: list[Event] = []
        for worker in order:
            state = _play(worker, take[worker], state, events)
        closing: Ledger = {t: tuple(rows) for t, rows in state.items()}
        if self.ends is not None:
            closing = self.ends[(len(self.asked) - 1) % len(self.ends)]
        history = History(events=tuple(events), opening=self.start, closing=closing)
        return Execution(number=0, schedule=Schedule(seed=0, decisions=()), history=history)


def _play(worker: str, statements: Sequence[Statement], state: State, events: list[Event]) -> State:
    """One worker to its end; the committed state after it."""
    committed, inside = copy.deepcopy(state), False
    for s in statements:
        event = Event(kind=EventKind.OK, turn=0, worker=worker, step=s.name)
        try:
            word, _, amount = s.name.partition("_")
            answer = _settle(state, amount) if word == "settle" else EFFECTS.get(word, lambda _: None)(state)
        except Failed as e:
            events.append(replace(event, kind=EventKind.FAIL, sqlstate=str(e)))
            return committed
        inside = s.kind is StatementKind.BEGIN or (inside and s.kind is StatementKind.QUERY)
        if s.kind is StatementKind.ROLLBACK:
            state = copy.deepcopy(committed)
        if not inside:
            committed = copy.deepcopy(state)
        events.append(replace(event, answer=(answer,) if answer else ()))
        if s.continue_if is not None and any((answer or {}).get(k) != v for k, v in s.continue_if.items()):
            break
    return committed
