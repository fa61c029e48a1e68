"""One execution: exactly one step runs at a time, who is blocked is seen, and the history is written.

It decides in plain code and waits in one place (`_settle`), and every wait there has a bound.
"""

from __future__ import annotations

import contextlib
import itertools
import select
import time
from collections.abc import Callable, Sequence

from harness.driver.along import along
from harness.driver.answers import Answers
from harness.driver.casting import call_up, cast, recast, send_away
from harness.driver.client import Client, State
from harness.driver.crashes import Crash, Crashes
from harness.driver.deadlocks import Deadlocks
from harness.driver.doors import MAX_STEPS, Doors
from harness.driver.effects import Effects
from harness.driver.faults import Faults
from harness.driver.gatekeeper import Gatekeeper
from harness.driver.holdings import Holdings
from harness.driver.locks import Locks
from harness.driver.looks import FIRST_LOOK_S, LAST_LOOK_S, SOON_S, Looks
from harness.driver.moments import Moments
from harness.driver.network import Network
from harness.driver.observer import LedgerLockedError, Observer
from harness.driver.plan import Plan, Watch
from harness.driver.pool import SessionLostError, WorkerPool
from harness.driver.programs import begin_programs
from harness.driver.recorder import Recorder
from harness.driver.splice import Splicer
from harness.driver.timeouts import Timeouts
from harness.driver.timers import RewindError, Timers
from harness.driver.waiting import Waiting
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
    Moment,
    Schedule,
)
from harness.strategies.protocol import Strategy, arms_of

STEP_BOUND_S = 30.0
"""How long one step may take before the harness gives up on the execution."""


class Running:
    """One execution of ``plan`` on the way. Set up when it is made; then either `execute` or `run_free`, and `abandon`
    when that raised. Raises as `Controller.execute` does."""

    def __init__(
        self,
        pool: WorkerPool,
        conninfo: str,
        observer: Observer,
        gatekeeper: Gatekeeper | None,
        splicer: Splicer,
        looks: Looks,
        owned: bool,
        plan: Plan,
        crash: Crash | None,
    ) -> None:
        self.observer, self.owned, self.plan, self.looks = observer, owned, plan, looks
        assert plan.points is None or gatekeeper is not None
        self.recorder = Recorder(plan.names)
        called = call_up(plan, pool, conninfo, owned=owned)
        try:
            for name, sql in plan.setup:
                observer.run(sql, name)
            self.opening = self._read_ledger()
        except BaseException:
            send_away(called)
            raise
        self.latest = self.opening
        self.clients = cast(plan, pool, conninfo, gatekeeper, owned=owned)
        begin_programs(plan, self.clients, self.recorder)
        self.followed = tuple(dict.fromkeys(other for c in self.clients for other in c.after))
        self.doors = Doors(gatekeeper, plan.points, self.clients)
        self.effects = Effects(plan.points, len(plan.workers), defers=plan.defers)
        told = owned and plan.watch is Watch.TOLD
        self.locks = Locks(observer, self.clients, owned=owned, told=told)
        countable = owned and observer.connection.info.server_version >= 150000
        closely = plan.watch is not Watch.PLAIN
        self.held = Holdings(observer, self.recorder, self.clients)
        self.holdings = self.held if closely else None
        self.deadlocks = Deadlocks(observer, self.recorder, self.clients, self.holdings, countable=countable, told=told)
        exact = plan.points is None
        self.timers = Timers(plan.timers, plan.timeout_ms)
        timeouts = Timeouts(
            observer, self.recorder, self.doors, self.timers, plan.points, self._send, bound_s=STEP_BOUND_S
        )
        self.faults = Faults(
            observer, self.recorder, self.doors, self.locks, timeouts, bound_s=STEP_BOUND_S, exact=exact
        )
        self.network = Network(
            observer, self.recorder, self.doors, self.locks, self.deadlocks, splicer, bound_s=STEP_BOUND_S, exact=exact
        )

        def renew(clients: Sequence[Client]) -> None:
            self.held.forget()
            recast(plan, clients, conninfo, gatekeeper, owned=owned)

        self._renew = renew
        self.crashes = Crashes(
            crash, self.recorder, self.locks, self.effects, self.clients, observer, gatekeeper, renew
        )  # fmt: skip
        self.waiting = Waiting(
            self.clients, observer, self.locks, self.recorder, self.effects, self.deadlocks, self.doors,
            self._note_commit, held=plan.points is not None,
        )  # fmt: skip
        self.answers = Answers(
            plan.points, self.recorder, self.effects, self.deadlocks, self.waiting, self.timers, self._note_commit
        )
        self.decisions: list[Decision] = []
        self.asked = itertools.count()
        self.committed = False
        self.unread = False
        self.moments = Moments(plan, observer, self.recorder, self.locks, self.held, self.clients)
        self.on_change: Callable[[int], None] | None = None
        self.on_turn: Callable[[Moment], None] | None = None

    # ------------------------------------------------------------------------------------------------ the loop

    def execute(self, strategy: Strategy, seed: int) -> Execution:
        self.timers.foresee(arms_of(strategy))
        # Who is watched closely stops at every gate: a backend that has run ahead holds what its turns do not tell.
        watched = self.holdings is not None or self.on_turn is not None
        if watched:
            self._begin_now()
        for turn in range(MAX_STEPS):
            holes = self.network.choices
            enabled = (*[c.choice for c in self.clients if c.can_act], *holes)
            # No session outlives its execution: what is in a black hole when nobody chooses any more comes out of it.
            choice = strategy.choose(enabled) or next(iter(holes), None)
            if choice is None:
                break
            self.recorder.turn = turn
            self.committed = False
            client = self._client(choice.worker)
            unfinished = [c for c in self.followed if not c.over]
            ahead = 0 if watched else strategy.ahead()
            try:
                self._take(client, choice, ahead)
                self.timers.check()
            except RewindError as e:
                e.taken = (*self.decisions, Decision(choice=choice, enabled=enabled))
                raise
            if unfinished:
                self._admit([c for c in unfinished if c.over])
            blocked = client.state is State.BLOCKED
            self.decisions.append(Decision(choice=choice, enabled=enabled, blocked=blocked))
            strategy.observe(self.effects.turn())
            if self.committed:
                self._note_ledger()
            if watched:
                self.held.look()
            if self.on_turn is not None:
                self.on_turn(self.moments.look())
        else:
            raise DriverError(f"an execution took more than {MAX_STEPS} steps")
        return self._finish(seed)

    def run_free(self, seed: int) -> Execution:
        """All workers at once, each sending its next statement as soon as it has an answer; who waits is not seen."""
        self._begin_now()
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
                self.answers.take(client)
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
        if not client.can_act and not (choice.action is not Action.RUN and choice.action.strikes):
            state = "waits" if client.state is State.BLOCKED else "has ended" if client.over else "may not begin yet"
            raise DriverError(f"{choice}: {client.name} {state}")
        if (other := self.doors.runaway(client)) is not None:
            raise DriverError(f"{choice}: {other.name} was promised to go on, and has")
        runs = choice.action is Action.RUN
        everybody = [*self.clients, *self.locks.orphans]
        if runs:
            self.effects.let_go(client)
            blocked = [c for c in everybody if c.state is State.BLOCKED or c.state is State.DEAD]
            may_wait = bool(blocked) and self.effects.may_wait(client, blocked)
        else:
            may_wait = choice.action in (Action.LOSE, Action.LOST_ACK, Action.HEAL, Action.LOCK_TIMEOUT)
        if may_wait:
            self.locks.await_checks()
        frozen = [] if not runs and choice.action.crashes else self.locks.freeze(client)  # stopped, they could not end
        try:
            self._act(client, choice.action, ahead)
            others = [c for c in (*self.clients, *self.locks.orphans) if c is not client and c.begun]
            expects = runs and not client.process.pending
            first = self.looks.first(client, others, self.effects) if expects else FIRST_LOOK_S
            self._settle(frozen, first)
            if client.state is State.BLOCKED:
                self.looks.learn(client, others)
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
            self._send(client, ahead)
            return
        self._begin_now()
        for struck in self.clients:
            struck.process.kept = ()  # whatever becomes of their sessions
        self.committed = True
        self.effects.struck(client)
        if action.crashes:
            self._note_ledger()  # a procedure may have committed in mid-statement
            self.crashes.strike(client, action, None if self.unread else self.latest)
            return
        striker = self.network if self.network.concerns(client, action) else self.faults
        if striker.strike(client, action):
            self.locks.orphans.append(client)

    def _send(self, client: Client, ahead: int) -> None:
        """Let a worker begin its next step."""
        # Before it is sent: on a busy machine a step would look shorter than it is, and no deadlock would fit in.
        client.ask(next(self.asked), time.monotonic())
        alone = not self.locks.orphans and State.BLOCKED not in [c.state for c in self.clients]
        self.doors.open(client, ahead, alone=alone)
        if client.site is not None:
            self.recorder.note(EventKind.STEP, client.name, client.site.id, sql=client.site.text)
            return
        statement = client.statement
        self.recorder.note(EventKind.INVOKE, client.name, statement.name, sql=statement.sql)
        if client.along:
            client.along -= 1
            return
        timer = self.timers.of(client)
        if client.worker.program:
            client.process.send({"do": "go", "opens": statement.opens})
        elif timer is None:
            following = along(client, self.plan, ahead) if alone else []
            client.along = len(following)
            client.process.send({"do": "run", "sql": "BEGIN; " * statement.opens + statement.sql, "then": following})
        else:
            timed = {"opens": statement.opens, "setting": timer.value, "ms": self.timers.ms}
            client.process.send({"do": "time", "sql": statement.sql, **timed})

    def _finish(self, seed: int) -> Execution:
        if (other := next((c for c in self.clients if c.along), None)) is not None:
            raise DriverError(f"{other.name} was promised to go on, and has")
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
        self.network.abandon()

    def _clean_up(self, waiting: Sequence[Client], holders: set[str]) -> None:
        """Let go of everything, so that the next execution can begin; what was left is in the history already."""
        for client in self.clients:
            client.process.begin_never()
        parked = [c for c in self.clients if c.state is State.PARKED]
        for client in (*waiting, *parked):
            client.process.kept = ()
            self.observer.cancel(client.backend)
            while "gate" in (client.process.receive() or {}):
                pass  # it passed one more before it was told
        for client in self.clients:
            if client.state is not State.DEAD and (client.in_transaction or client in (*waiting, *parked)):
                client.process.ask({"do": "run", "sql": "ROLLBACK"})
            if client.state is not State.DEAD and client.name in holders:  # advisory locks outlive transactions
                client.process.kept = ()
                client.process.ask({"do": "wipe"})
        for orphan in self.locks.orphans:
            self.observer.terminate(orphan.backend)

    # ------------------------------------------------------------------------------------------------- waiting

    def _settle(self, frozen: Sequence[Client] = (), first: float = FIRST_LOOK_S) -> None:
        """Wait until every worker has answered, ended or is blocked behind another one. ``first``: seconds of silence
        before the first look whether it is."""
        deadline = time.monotonic() + STEP_BOUND_S
        pause = min(first, SOON_S) if True in [c.woken for c in self.clients] else first  # it may wait again already
        while True:
            running = [c for c in self.clients if c.state is State.RUNNING]
            if not running:
                if self.waiting.wake(frozen):
                    pause = SOON_S
                    continue
                return
            # Only those that run: an answer of a blocked one, set free by this very step, may come in before the
            # step's own. It is read when `_wake` gets to it, so that the history does not depend on who was faster.
            ready = [c for c in running if c.process.pending]
            if not ready:
                found, _, _ = select.select([c.process.wire.sock for c in running], [], [], pause)
                ready = [c for c in running if c.process.wire.sock in found]
            for client in ready:
                try:
                    self.answers.take(client)
                except SessionLostError:  # it has ended since the last execution, which nobody could know
                    self._begin_anew([client])
                    client.process.send(client.process.first)
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

    # ------------------------------------------------------------------------------------------------- helpers

    def _note_commit(self) -> None:
        self.committed = True

    def _begin_now(self) -> None:
        """Nobody's session is to be made ready by the way: something else than statements comes."""
        if owing := [c for c in self.clients if c.process.begin_never()]:
            self._begin_anew(owing)

    def _begin_anew(self, clients: Sequence[Client]) -> None:
        """Of these nobody has sent anything, and their sessions may be others than they are known to be."""
        for client in clients:
            client.process.kept = ()
            self.doors.leave(client)
        self._renew(clients)
        self.locks.count_anew()

    def _client(self, name: str) -> Client:
        for client in self.clients:
            if client.name == name:
                return client
        # Made smaller, an execution may have lost the worker whom a fault is to strike.
        raise DriverError(f"there is no worker {name}")

    def _admit(self, ended: Sequence[Client]) -> None:
        """These have ended in this turn: whoever had to wait for one of them counts as moved."""
        for held in self.clients:
            if any(other in ended for other in held.after):
                self.effects.admitted(held)

    def _read_ledger(self) -> Ledger:
        return self.recorder.ledger(self.observer.read(self.plan.state, self.plan.names.values))

    def _note_ledger(self) -> None:
        if all(c.over for c in self.clients) and not self.locks.orphans:  # the end: what will be asked then comes along
            self.observer.foresee_locks(c.backend for c in self.clients if c.state is not State.DEAD)
            if self.plan.after is not None:
                self.observer.foresee_reading(self.plan.after, self.plan.names.values)
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
