"""The controller: lets exactly one step run at a time, sees who is blocked, and writes the history.

It decides in plain code and waits in one place (`_settle`), and every wait there has a bound.
"""

from __future__ import annotations

import contextlib
import itertools
import select
import time
from collections.abc import Callable, Sequence

from psycopg.conninfo import make_conninfo

from harness.db import is_trouble
from harness.driver.attempts import next_attempt
from harness.driver.casting import cast
from harness.driver.client import Client, State, meets
from harness.driver.deadlocks import Deadlocks
from harness.driver.doors import MAX_STEPS, Doors
from harness.driver.effects import Effects
from harness.driver.faults import Faults
from harness.driver.gatekeeper import Gatekeeper
from harness.driver.locks import Locks
from harness.driver.observer import LedgerLockedError, Observer
from harness.driver.plan import Plan
from harness.driver.pool import WorkerPool
from harness.driver.recorder import Recorder
from harness.driver.waiting import Waiting
from harness.driver.wire import Message
from harness.errors import DriverError
from harness.model import (
    Action,
    Choice,
    Decision,
    EventKind,
    Execution,
    History,
    Ledger,
    Liveness,
    Schedule,
    StatementKind,
)
from harness.strategies.protocol import Strategy

FIRST_LOOK_S = 0.0005
"""A statement that has been silent for so long may be blocked: ask the server."""
LAST_LOOK_S = 0.02
"""The longest pause between two looks."""
DEADLOCK_TIMEOUT_S = 0.0009
"""A statement that was answered sooner cannot have been in a deadlock."""
DEADLOCK_DETECTED = "40P01"
STEP_BOUND_S = 30.0
"""How long one step may take before the harness gives up on the execution."""


class Controller:
    """Executes plans on one database. ``owned``: the server is ours, so its backends may be stopped and continued.
    ``gated``: its functions have gates, so that plans may hold workers inside."""

    def __init__(self, pool: WorkerPool, conninfo: str, *, owned: bool, gated: bool = False) -> None:
        self._pool, self._owned = pool, owned
        self._gatekeeper = Gatekeeper(conninfo) if gated else None
        self._conninfo = make_conninfo(conninfo, client_encoding="utf8", application_name="refund-harness worker")
        try:
            self.observer = Observer(conninfo)
        except BaseException:
            if self._gatekeeper is not None:
                self._gatekeeper.close()
            raise

    def close(self) -> None:
        self.observer.close()
        if self._gatekeeper is not None:
            self._gatekeeper.close()

    def release(self, plan: Plan, *, seed: int = 0) -> Execution:
        """One execution without control: the workers are released together, in no order. Its schedule is empty."""
        assert plan.points is None
        return self._run(plan, lambda run: run.run_free(seed))

    def execute(
        self, plan: Plan, strategy: Strategy, *, seed: int = 0, on_change: Callable[[int], None] | None = None
    ) -> Execution:
        """Run one execution to its end; ``on_change`` is called with the turn whenever the committed ledger changed.

        Raises `DriverError` when a bound is reached, `UserSqlError` for the set-up.
        """

        def controlled(run: _Run) -> Execution:
            run.on_change = on_change
            return run.execute(strategy, seed)

        return self._run(plan, controlled)

    def _run(self, plan: Plan, execute: Callable[[_Run], Execution]) -> Execution:
        run = _Run(self._pool, self._conninfo, self.observer, self._gatekeeper, self._owned, plan)
        try:
            return execute(run)
        except BaseException:
            run.abandon()
            raise


class _Run:
    def __init__(
        self,
        pool: WorkerPool,
        conninfo: str,
        observer: Observer,
        gatekeeper: Gatekeeper | None,
        owned: bool,
        plan: Plan,
    ) -> None:
        self.observer, self.owned, self.plan = observer, owned, plan
        assert plan.points is None or gatekeeper is not None
        self.recorder = Recorder(plan.names)
        for name, sql in plan.setup:
            observer.run(sql, name)
        self.opening = self._read_ledger()
        self.latest = self.opening
        self.clients = cast(plan, pool, conninfo, gatekeeper, owned=owned)
        self.doors = Doors(gatekeeper, plan.points, self.clients)
        self.effects = Effects(plan.points, len(plan.workers))
        self.locks = Locks(observer, self.clients, owned=owned)
        countable = owned and observer.connection.info.server_version >= 150000
        self.deadlocks = Deadlocks(observer, self.recorder, self.clients, countable=countable)
        self.faults = Faults(observer, self.recorder, self.doors, bound_s=STEP_BOUND_S)
        self.waiting = Waiting(
            self.clients, observer, self.locks, self.recorder, self.effects, self.deadlocks, self.doors,
            self._note_commit, held=plan.points is not None,
        )  # fmt: skip
        self.decisions: list[Decision] = []
        self.asked = itertools.count()
        self.committed = False
        self.unread = False
        self.on_change: Callable[[int], None] | None = None

    # ------------------------------------------------------------------------------------------------ the loop

    def execute(self, strategy: Strategy, seed: int) -> Execution:
        for turn in range(MAX_STEPS):
            enabled = tuple(c.choice for c in self.clients if c.can_act)
            choice = strategy.choose(enabled)
            if choice is None:
                break
            self.recorder.turn = turn
            self.committed = False
            client = self._client(choice.worker)
            over = [c for c in self.clients if c.over]
            self._take(client, choice, strategy.ahead())
            for held in self.clients:
                if any(other.over and other not in over for other in held.after):
                    self.effects.admitted(held)
            blocked = client.state is State.BLOCKED
            self.decisions.append(Decision(choice=choice, enabled=enabled, blocked=blocked))
            strategy.observe(self.effects.turn())
            if self.committed:
                self._note_ledger()
        else:
            raise DriverError(f"an execution took more than {MAX_STEPS} steps")
        return self._finish(seed)

    def run_free(self, seed: int) -> Execution:
        """All workers at once, each sending its next statement as soon as it has an answer; who waits is not seen."""
        for client in [c for c in self.clients if c.can_act]:
            self.effects.let_go(client)
            self._act(client, Action.RUN, 0)
        deadline = time.monotonic() + STEP_BOUND_S
        while running := [c for c in self.clients if c.state is State.RUNNING]:
            found = [c for c in running if c.process.pending]
            if not found:
                ready, _, _ = select.select([c.process.wire for c in running], [], [], LAST_LOOK_S)
                found = [c for c in running if c.process.wire in ready]
            for client in found:
                self._complete(client)
                for ready_now in [c for c in self.clients if c.can_act]:  # itself, or those that waited for its end
                    self.recorder.turn += 1
                    self.effects.let_go(ready_now)
                    self._act(ready_now, Action.RUN, 0)
            if time.monotonic() > deadline:
                names = ", ".join(c.name for c in running)
                raise DriverError(f"{names} neither answered nor failed within {STEP_BOUND_S:.0f} s of being released")
        self.unread = True
        return self._finish(seed)

    def _take(self, client: Client, choice: Choice, ahead: int) -> None:
        if client.state is State.DEAD:
            raise DriverError(f"{choice}: {client.name} is dead")
        if not client.can_act and choice.action in (Action.RUN, Action.LOSE):
            state = "waits" if client.state is State.BLOCKED else "has ended" if client.over else "may not begin yet"
            raise DriverError(f"{choice}: {client.name} {state}")
        if (other := self.doors.runaway(client)) is not None:
            raise DriverError(f"{choice}: {other.name} was promised to go on, and has")
        if choice.action is Action.RUN:
            self.effects.let_go(client)
        if choice.action is not Action.RUN:
            may_wait = choice.action is Action.LOSE and client.may_wait
        else:
            blocked = [c for c in (*self.clients, *self.locks.orphans) if c.state in (State.BLOCKED, State.DEAD)]
            may_wait = self.effects.may_wait(client, blocked)
        if may_wait:
            self.locks.await_checks()
        frozen = self.locks.freeze(client)
        try:
            self._act(client, choice.action, ahead)
            self._settle(frozen)
            for i, waiting in enumerate(frozen):
                self.locks.await_checks(stopped=frozen[i:])
                self.locks.thaw(waiting)
                if waiting.state is State.BLOCKED:
                    waiting.wake()
                self._settle(frozen[i + 1 :])
        finally:
            for waiting in frozen:  # whatever went wrong: a stopped backend would hold up the end of its server
                self.locks.thaw(waiting)

    def _act(self, client: Client, action: Action, ahead: int) -> None:
        if action is Action.RUN:
            # Before it is sent: on a busy machine a step would look shorter than it is, and no deadlock would fit in.
            client.ask(next(self.asked), time.monotonic())
            alone = not self.locks.orphans and all(c.state is not State.BLOCKED for c in self.clients)
            if client.site is not None:
                self.recorder.note(EventKind.STEP, client.name, client.site.id, sql=client.site.text)
                self.doors.open(client, ahead, alone=alone)
            else:
                statement = client.statement
                self.doors.open(client, ahead, alone=alone)
                self.recorder.note(EventKind.INVOKE, client.name, statement.name, sql=statement.sql)
                client.process.send({"do": "run", "sql": "BEGIN; " * statement.opens + statement.sql})
            return
        self.committed = True
        self.effects.struck(client)
        if self.faults.strike(client, action):
            self.locks.orphans.append(client)

    def _finish(self, seed: int) -> Execution:
        waiting = [c for c in self.clients if c.state is State.BLOCKED]
        alive = [c for c in self.clients if c.state is not State.DEAD]
        liveness = Liveness(
            waiting=tuple(c.name for c in waiting),
            idle_in_transaction=tuple(c.name for c in alive if c.in_transaction and c.state is not State.BLOCKED),
            locks=self.observer.locks({c.backend: c.name for c in (*alive, *self.locks.orphans)}),
        )
        self._clean_up(waiting, {str(row["worker"]) for row in liveness.locks})
        self.deadlocks.settle()
        history = History(
            events=tuple(self.recorder.events),
            opening=self.opening,
            closing=self._read_ledger() if self.unread else self.latest,
            liveness=liveness,
        )
        schedule = Schedule(seed=seed, decisions=tuple(self.decisions))
        return Execution(number=self.plan.number, schedule=schedule, history=history)

    def abandon(self) -> None:
        """Something went wrong in mid-execution: leave no worker in a state that nobody knows."""
        for client in self.clients:
            if client.process.alive:
                client.process.kill()
                client.process.backend = 0
            with contextlib.suppress(DriverError):
                self.observer.terminate(client.backend)

    def _clean_up(self, waiting: Sequence[Client], holders: set[str]) -> None:
        """Let go of everything, so that the next execution can begin; what was left is in the history already."""
        parked = [c for c in self.clients if c.state is State.PARKED]
        for client in (*waiting, *parked):
            self.observer.cancel(client.backend)
            while "gate" in (client.process.receive() or {}):
                pass  # it passed one more before it was told
        for client in self.clients:
            if client.state is not State.DEAD and (client.in_transaction or client in (*waiting, *parked)):
                client.process.ask({"do": "run", "sql": "ROLLBACK"})
            if client.state is not State.DEAD and client.name in holders:  # advisory locks outlive transactions
                client.process.ask({"do": "wipe"})
        for orphan in self.locks.orphans:
            self.observer.terminate(orphan.backend)

    # ------------------------------------------------------------------------------------------------- waiting

    def _settle(self, frozen: Sequence[Client] = ()) -> None:
        """Wait until every worker has answered, ended or is blocked behind another one."""
        deadline = time.monotonic() + STEP_BOUND_S
        pause = 0.0 if any(c.woken for c in self.clients) else FIRST_LOOK_S  # it may wait again already
        while True:
            running = [c for c in self.clients if c.state is State.RUNNING]
            if not running:
                if self.waiting.wake(frozen):
                    pause = 0.0
                    continue
                return
            # Only those that run: an answer of a blocked one, set free by this very step, may come in before the
            # step's own. It is read when `_wake` gets to it, so that the history does not depend on who was faster.
            ready = [c for c in running if c.process.pending]
            if not ready:
                found, _, _ = select.select([c.process.wire for c in running], [], [], pause)
                ready = [c for c in running if c.process.wire in found]
            for client in ready:
                self._complete(client)
            if ready:
                pause = FIRST_LOOK_S
            else:
                self.waiting.look(running)
                # A statement that simply takes long is not worth a busy loop.
                pause = min(max(2 * pause, FIRST_LOOK_S), LAST_LOOK_S)
            if time.monotonic() > deadline:
                names = ", ".join(c.name for c in running)
                raise DriverError(f"T{self.recorder.turn}: {names} neither answered nor waited for another worker "
                                  f"within {STEP_BOUND_S:.0f} s")  # fmt: skip

    # ------------------------------------------------------------------------------------------------- answers

    def _complete(self, client: Client) -> None:
        reply = client.process.take()
        statement = client.statement
        if reply is None:
            raise DriverError(f"worker process {client.process.pid} ({client.name}) died by itself")
        if "pong" in reply:
            return
        self.waiting.note_woken(client)
        if "gate" in reply:
            assert self.plan.points is not None
            self._suspect_deadlock(client)
            client.park(self.plan.points.sites[reply["site"]], reply["gate"])
            return
        if "lost" in reply:
            kind = EventKind.INFO if client.commit_in_doubt else EventKind.FAIL
            message = f"connection lost: {reply['lost']}"
            self.recorder.note(kind, client.name, statement.name, sqlstate=reply.get("sqlstate"), message=message)
            self.committed = True
            client.in_transaction = False
            self.effects.answered(client, failed=True)
            client.end()
            client.process.backend = 0
            return
        self._suspect_deadlock(client)
        client.note_transaction(reply)
        self.effects.answered(client, failed="error" in reply)
        self.committed = self.committed or not client.in_transaction
        if "error" in reply:
            self._failed(client, reply)
            return
        rows, tag = reply["ok"], reply["tag"]
        if statement.kind is StatementKind.COMMIT and tag == "ROLLBACK":
            self.recorder.note(
                EventKind.FAIL, client.name, statement.name, message="COMMIT of a failed transaction: rolled back"
            )
            client.advance()
            return
        self.recorder.note(EventKind.OK, client.name, statement.name, rows=rows, message=tag)
        client.advance()
        stops = statement.continue_if is not None and not meets(statement.continue_if, rows)
        if stops and statement.opens:
            client.stops = True  # once what it has done is committed
        elif stops or client.stops:
            client.stops = False
            client.end()
            self.recorder.note(EventKind.END, client.name, statement.name, message="its own `if` says stop")

    def _failed(self, client: Client, reply: Message) -> None:
        statement = client.statement
        if is_trouble(reply["sqlstate"]):  # it says nothing about the statement, whoever caught it or did not
            raise DriverError(f"the server failed at {client.choice}: {reply['error']} ({reply['sqlstate']})")
        if reply["sqlstate"] == DEADLOCK_DETECTED:
            self.waiting.note_deadlock(client)
        self.recorder.note(
            EventKind.FAIL, client.name, statement.name, sqlstate=reply["sqlstate"], message=reply["error"]
        )
        again = next_attempt(client.worker, client.position, reply["sqlstate"])
        client.advance()
        if client.worker.keep_going:
            if statement.opens:  # alone, it would have been rolled back at once
                client.process.ask({"do": "run", "sql": "ROLLBACK"})
                client.in_transaction = False
                self.effects.answered(client, failed=True)
                client.advance()
            return
        ended = client.state is State.ENDED
        client.end()
        if client.in_transaction:
            client.process.ask({"do": "run", "sql": "ROLLBACK"})
            client.in_transaction = False
            self.committed = True
            self.effects.answered(client, failed=True)
        if again is not None:
            client.go_on(again)
        elif not ended:
            self.recorder.note(EventKind.END, client.name, statement.name, message="stopped by the error")

    def _suspect_deadlock(self, client: Client) -> None:
        """Its step is over; it took long enough to have been in a deadlock that its function has swallowed."""
        took = time.monotonic() - client.asked_at
        if took > DEADLOCK_TIMEOUT_S and not client.deadlocked and self.effects.touches(client):
            self.deadlocks.suspect(client)

    # ------------------------------------------------------------------------------------------------- helpers

    def _note_commit(self) -> None:
        self.committed = True

    def _client(self, name: str) -> Client:
        return next(c for c in self.clients if c.name == name)

    def _read_ledger(self) -> Ledger:
        return self.recorder.ledger(self.observer.read(self.plan.state, self.plan.names.values))

    def _note_ledger(self) -> None:
        try:
            now = self._read_ledger()
        except LedgerLockedError:  # a worker holds ACCESS EXCLUSIVE: what was committed will be seen later
            self.unread = True
            return
        self.unread = False
        if now != self.latest:
            self.latest = now
            self.recorder.note(EventKind.LEDGER, ledger=now)
            if self.on_change is not None:
                self.on_change(self.recorder.turn)
