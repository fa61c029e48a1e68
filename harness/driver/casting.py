"""Gives every worker of a plan its process, with a session that is as good as new."""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.db import is_trouble
from harness.driver.client import Client
from harness.driver.gatekeeper import Gatekeeper
from harness.driver.plan import Plan, Watch
from harness.driver.pool import WorkerPool, WorkerProcess
from harness.driver.wire import Message
from harness.errors import DriverError, UserSqlError
from harness.model import StatementKind, Worker

_ROLES = re.compile(r"\b(role|user|group|owned)\b", re.IGNORECASE)
"""In a set-up: it may change what roles there are."""


def call_up(plan: Plan, pool: WorkerPool, conninfo: str, *, owned: bool) -> list[WorkerProcess]:
    """Let the workers begin whose sessions are there already, in the same role: they do so while the set-up runs. To be
    followed by `cast`, or by `send_away` when nothing comes of it. Raises `DriverError`."""
    if _may_change_roles(plan):
        return []
    called: list[WorkerProcess] = []
    try:
        for worker, process in zip(plan.workers, pool.take(len(plan.workers)), strict=True):
            if _stands(process, plan, worker, conninfo):
                continue  # it begins along with its first statement
            if process.backend and not process.dirty and process.session == (conninfo, worker.role):
                process.send({"do": "begin", **_beginning(plan, worker, process, conninfo, owned)})
                process.called = True
                called.append(process)
    except BaseException:
        send_away(called)
        raise
    return called


def send_away(processes: Sequence[WorkerProcess]) -> None:
    """Some have an answer that nobody has read."""
    for process in processes:
        if process.alive:
            process.kill()


def cast(plan: Plan, pool: WorkerPool, conninfo: str, gatekeeper: Gatekeeper | None, *, owned: bool) -> list[Client]:
    """A client per worker of ``plan``, in order. With ``plan.points`` it will stop at its first gate. Raises
    `UserSqlError` for a role that it cannot take, `DriverError` when a process or the server does not answer."""
    processes = pool.take(len(plan.workers))
    turns = _begin(plan, plan.workers, processes, conninfo, gatekeeper, owned)
    clients = [
        Client(worker=worker, process=process, backend=process.backend, turn=turn)
        for worker, process, turn in zip(plan.workers, processes, turns, strict=True)
    ]
    for client in clients:
        client.after = tuple(other for other in clients if other.name in client.worker.after)
    return clients


def recast(plan: Plan, clients: Sequence[Client], conninfo: str, gatekeeper: Gatekeeper | None, *, owned: bool) -> None:
    """A new session for each of ``clients``, which have lost theirs before they had begun. Raises as `cast` does."""
    processes = [c.process for c in clients]
    turns = _begin(plan, [c.worker for c in clients], processes, conninfo, gatekeeper, owned)
    for client, turn in zip(clients, turns, strict=True):
        client.backend, client.turn = client.process.backend, turn


def _begin(
    plan: Plan,
    workers: Sequence[Worker],
    processes: Sequence[WorkerProcess],
    conninfo: str,
    gatekeeper: Gatekeeper | None,
    owned: bool,
) -> list[int]:
    """The number of the gate that each session reached last."""
    try:
        return _sessions(plan, workers, processes, conninfo, gatekeeper, owned)
    except BaseException:
        send_away(processes)
        raise


def _sessions(
    plan: Plan,
    workers: Sequence[Worker],
    processes: Sequence[WorkerProcess],
    conninfo: str,
    gatekeeper: Gatekeeper | None,
    owned: bool,
) -> list[int]:
    turns = []
    later, changing = set[WorkerProcess](), _may_change_roles(plan)
    for worker, process in zip(workers, processes, strict=True):
        if process.called:
            continue
        process.begin_never()  # of an execution that came to nothing
        message = _beginning(plan, worker, process, conninfo, owned)
        if _stands(process, plan, worker, conninfo) and not changing:
            later.add(process)
            process.begin_later(message | {"stands": [process.backend, process.turn]})
        else:
            process.send({"do": "begin", **message})
    for process in processes:
        process.called = False
    for worker, process in zip(workers, processes, strict=True):
        if process in later:
            reply: Message = {"ready": process.backend, "turn": process.turn}
        else:
            reply = process.receive() or {"lost": "the process died by itself"}
        if "error" in reply and is_trouble(reply["sqlstate"]):
            raise DriverError(f"{worker.name} cannot begin: {reply['error']}")
        if "error" in reply:  # its role: unknown, or not ours to take
            raise UserSqlError(f"worker {worker.name}", reply["error"], sqlstate=reply["sqlstate"])
        if "ready" not in reply:
            raise DriverError(f"{worker.name} cannot begin: {reply['lost']}")
        process.backend, process.session, process.turn = reply["ready"], (conninfo, worker.role), reply["turn"]
        if gatekeeper is not None and plan.points is not None:
            gatekeeper.hold(process.backend, reply["turn"] + 1)
        elif gatekeeper is not None:
            gatekeeper.open(process.backend)
        process.waits.clear()
        process.dirty = any(s.session_state for s in worker.statements)
        process.kept = () if process.dirty else _kept(plan, worker, conninfo)
        turns.append(reply["turn"])
    if gatekeeper is not None:
        gatekeeper.settle()  # a worker that were quicker than the keys would run through all its gates
    return turns


def _kept(plan: Plan, worker: Worker, conninfo: str) -> tuple[object, ...]:
    """How a session begins that may stay as it stands; () where that must be seen: what is struck or watched, and
    programs. One that passes its gates without telling is not known to stand anywhere."""
    if plan.watch is not Watch.PLAIN or plan.timers or any(w.program for w in plan.workers):
        return ()
    return conninfo, worker.role, plan.points is not None


def _stands(process: WorkerProcess, plan: Plan, worker: Worker, conninfo: str) -> bool:
    """Whether a session is just as this plan wants it, so that nobody need wait for it to say so."""
    return bool(process.backend and process.kept) and process.kept == _kept(plan, worker, conninfo)


def _may_change_roles(plan: Plan) -> bool:
    if any(_ROLES.search(sql) for _, sql in plan.setup):
        return True
    return StatementKind.DDL in [s.kind for w in plan.workers for s in w.statements]


def _beginning(plan: Plan, worker: Worker, process: WorkerProcess, conninfo: str, owned: bool) -> Message:
    return {
        "conninfo": conninfo,
        "role": worker.role,
        "wipe": process.dirty,
        "sigterm": worker.on_sigterm.value,
        "owned": owned,
        "gated": plan.points is not None,
        "telling": owned and plan.watch is Watch.TOLD,
    }
