"""Gives every worker of a plan its process, with a session that is as good as new."""

from __future__ import annotations

from collections.abc import Sequence

from harness.db import is_trouble
from harness.driver.client import Client
from harness.driver.gatekeeper import Gatekeeper
from harness.driver.plan import Plan
from harness.driver.pool import WorkerPool, WorkerProcess
from harness.errors import DriverError, UserSqlError


def cast(plan: Plan, pool: WorkerPool, conninfo: str, gatekeeper: Gatekeeper | None, *, owned: bool) -> list[Client]:
    """A client per worker of ``plan``, in order. With ``plan.points`` it will stop at its first gate. Raises
    `UserSqlError` for a role that it cannot take, `DriverError` when a process or the server does not answer."""
    processes = pool.take(len(plan.workers))
    try:
        return _begin(plan, processes, conninfo, gatekeeper, owned)
    except BaseException:
        for process in processes:  # some have an answer that nobody has read
            if process.alive:
                process.kill()
        raise


def _begin(
    plan: Plan, processes: Sequence[WorkerProcess], conninfo: str, gatekeeper: Gatekeeper | None, owned: bool
) -> list[Client]:
    clients = []
    for worker, process in zip(plan.workers, processes, strict=True):
        process.send(
            {
                "do": "begin",
                "conninfo": conninfo,
                "role": worker.role,
                "wipe": process.dirty,
                "sigterm": worker.on_sigterm.value,
                "owned": owned,
                "gated": plan.points is not None,
            }
        )
    for worker, process in zip(plan.workers, processes, strict=True):
        reply = process.receive() or {"lost": "the process died by itself"}
        if "error" in reply and is_trouble(reply["sqlstate"]):
            raise DriverError(f"{worker.name} cannot begin: {reply['error']}")
        if "error" in reply:  # its role: unknown, or not ours to take
            raise UserSqlError(f"worker {worker.name}", reply["error"], sqlstate=reply["sqlstate"])
        if "ready" not in reply:
            raise DriverError(f"{worker.name} cannot begin: {reply['lost']}")
        process.backend = reply["ready"]
        if gatekeeper is not None and plan.points is not None:
            gatekeeper.hold(process.backend, reply["turn"] + 1)
        elif gatekeeper is not None:
            gatekeeper.open(process.backend)
        process.dirty = any(s.session_state for s in worker.statements)
        clients.append(Client(worker=worker, process=process, backend=process.backend, turn=reply["turn"]))
    for client in clients:
        client.after = tuple(other for other in clients if other.name in client.worker.after)
    if gatekeeper is not None:
        gatekeeper.settle()  # a worker that were quicker than the keys would run through all its gates
    return clients
