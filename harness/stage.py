"""A scenario on stage: its database, its SQL ready to be filled with fresh ids, its executions and serial runs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import psycopg

from harness.catalog import read_catalog
from harness.checks.protocol import Context
from harness.driver.controller import Controller
from harness.driver.crashes import Crash
from harness.driver.levels import with_level
from harness.driver.names import Names
from harness.driver.observer import Reading
from harness.driver.plan import Plan, Watch
from harness.driver.pool import WorkerPool
from harness.driver.restore import Restorer
from harness.driver.threads import release_threads
from harness.driver.timers import FIRST_MS, LAST_MS, RewindError, Timer
from harness.errors import DriverError
from harness.gating import Gates, install_gates
from harness.model import (
    LEVELS,
    MAKE_PUBLIC_ROLE,
    PUBLIC_ROLE,
    Execution,
    Footprint,
    Moment,
    Opaque,
    Order,
    Row,
    Scenario,
    Script,
    Search,
    Site,
    Statement,
    StatementKind,
    Worker,
)
from harness.points import points, with_commits
from harness.sqltext import Template, commit_footprint, footprint_of
from harness.strategies.protocol import Strategy
from harness.strategies.rewound import Rewound
from harness.strategies.serial import Serial
from harness.targets.databases import Databases
from harness.targets.protocol import Target

RECYCLE_AFTER = 500
"""Executions per database: old rows cost time in every query that has no index for them."""
SERIAL_NUMBERS = 1_000_000
"""Serial runs and replays number their ids from here, apart from the campaign's own executions."""


class Stage:
    """Owns one clone of the scenario's database at a time. ``inside``: its functions have gates, and executions hold
    workers there. ``everywhere``: all functions have, not only those that the scenario's statements can reach.
    ``isolation``: the level of the workers' transactions, as the server says it (None: the database's default).
    ``crash``: how its server is crashed, where it may be."""

    def __init__(
        self,
        scenario: Scenario,
        target: Target,
        databases: Databases,
        pool: WorkerPool,
        *,
        inside: bool = False,
        everywhere: bool = False,
        isolation: str | None = None,
        crash: Crash | None = None,
    ) -> None:
        self._target, self._databases, self._pool, self._crash = target, databases, pool, crash
        self._restores = scenario.restore
        self._fresh = scenario.fresh_database  # whatever a scenario that is played here later says
        self._asked_isolation = isolation
        self.inside = inside
        self._gates: Gates | None = None
        self._template = self._installed(scenario, inside, everywhere)
        self._invariants = _reading(scenario.invariants)
        self._controller: Controller | None = None
        self._restorer: Restorer | None = None
        self._database = ""
        self._used = 0
        self._extra = SERIAL_NUMBERS
        self._open_database()
        observer = self.controller.observer
        self._state = _reading(scenario.state or observer.all_tables())
        self._catalog = read_catalog(observer.connection)
        self._touches: dict[str, frozenset[str] | None] = {}
        self._entries: dict[str, Footprint] = {}
        self.sequence_columns = self._catalog.sequence_columns
        [(default,)] = observer.connection.execute("SHOW default_transaction_isolation").fetchall()
        self.isolation: str = isolation or default
        self.play(scenario)

    def play(self, scenario: Scenario) -> None:
        """From now on with the workers, set-up, users and jobs of ``scenario``; what is installed, the invariants and
        the state queries stay as they were. Where gates are not ``everywhere``, its statements must reach no function
        that those of the first scenario did not."""
        if self._gates is not None:
            gates = self._gates
            scenario = replace(scenario, workers=tuple(with_commits(w, gates) for w in scenario.workers))
        self.scenario = self._whole = scenario
        self._setup = [(s.name, Template(s.text)) for s in scenario.setup]
        self._statements = {s.sql: Template(s.sql) for w in scenario.workers for s in w.statements}
        self._timeout_ms = FIRST_MS
        self._memory: dict[str, Any] = {}
        self._serial_runs: dict[tuple[Any, ...], Execution] = {}
        self._points = None
        if self._gates is not None:
            self._points = points(scenario.workers, self._gates, self._catalog, self.isolation, self._entries)
        unknown = any(w.program or any(s.kind is StatementKind.DDL for s in w.statements) for w in scenario.workers)
        commit = self._points.commit if self._points is not None else commit_footprint(self._catalog)
        self._defers = unknown or bool(commit)

    @property
    def owned(self) -> bool:
        """Its backends are at hand, so that it is a rule, and no luck, who wakes first."""
        return self._target.at_hand

    @property
    def sites(self) -> tuple[Site, ...]:
        """Where workers can be held inside functions."""
        return self._gates.sites if self._gates is not None else ()

    @property
    def opaque(self) -> tuple[Opaque, ...]:
        """Functions that run as one step all the same."""
        return self._gates.opaque if self._gates is not None else ()

    @property
    def bodies(self) -> Mapping[str, str]:
        """Of each function in which workers can be held, by its name in those of sites, what it is without gates."""
        return self._gates.bodies if self._gates is not None else {}

    @property
    def controller(self) -> Controller:
        assert self._controller is not None
        return self._controller

    def leave_out(self, parts: frozenset[str]) -> None:
        """From now on without these workers (by name) and statements ("worker.statement")."""
        workers = (
            replace(w, statements=tuple(s for s in w.statements if f"{w.name}.{s.name}" not in parts))
            for w in self._whole.workers
            if w.name not in parts
        )
        self.scenario = replace(self._whole, workers=tuple(w for w in workers if w.statements or w.program))
        self._memory = {}

    def execute(self, strategy: Strategy, number: int, *, seed: int) -> Execution:
        """One execution with ids made from ``number``, by a strategy that has been started. What it leaves in the
        database stays there until the next one begins."""
        return self._run(self.scenario.workers, strategy, number, seed, inside=True, after=self._invariants)

    def next_number(self) -> int:
        """A number that no execution has had yet, for one outside a campaign's own numbering."""
        self._extra += 1
        return self._extra

    def release(self, number: int, *, seed: int) -> Execution:
        """One execution in which all workers are released together."""
        return self.controller.release(self._planned(self.scenario.workers, number, inside=False), seed=seed)

    def released_by_threads(self, number: int, *, seed: int) -> Execution:
        """One execution by the homemade test: a thread per worker, off together at a barrier."""
        plan = self._planned(self.scenario.workers, number, inside=False)
        conninfo = with_level(self._target.conninfo(self._database), self._asked_isolation)
        return release_threads(plan, self.controller.observer, conninfo, seed=seed)

    def replay(
        self, strategy: Strategy, *, seed: int, watch: Watch = Watch.PLAIN, moments: list[Moment] | None = None
    ) -> tuple[Execution, Mapping[str, int]]:
        """An execution with ids of its own, beside the campaign's numbering; also gives the turn since which each SQL
        invariant that is broken in the end was broken. ``moments``: gets all sessions after each turn."""
        number = self.next_number()
        since: dict[str, int] = {}

        def look(turn: int) -> None:
            broken = {name for name, rows in self.invariants(number).items() if rows}
            for name in since.keys() - broken:
                del since[name]
            for name in broken:
                since.setdefault(name, turn)

        def keep(moment: Moment) -> None:
            assert moments is not None
            del moments[moment.turn :]  # of an execution that was begun anew
            moments.append(moment)

        execution = self._run(
            self.scenario.workers, strategy, number, seed, look, keep if moments is not None else None,
            inside=True, watch=watch,
        )  # fmt: skip
        return execution, since

    def context(self, execution: Execution, order: Order | None) -> Context:
        """What the checks get to see. To be judged before the next execution begins."""
        return Context(
            scenario=self.scenario,
            execution=execution,
            probe=_Probe(self, execution),
            order=order,
            memory=self._memory,
        )

    def touches(self, statement: Statement) -> frozenset[str] | None:
        """Tables that a statement may touch (None: any)."""
        if statement.sql not in self._touches:
            found = footprint_of(statement.sql, self._catalog)
            tables = found.reads | found.writes | found.excludes
            self._touches[statement.sql] = None if found.everything else tables
        return self._touches[statement.sql]

    def close(self) -> None:
        """Leave and drop the database."""
        self._close_database()

    # ------------------------------------------------------------------------------------------------ internals

    def serial(self, take: Mapping[str, tuple[Statement, ...]], order: Sequence[str]) -> Execution:
        """A serial run, executed once per input and remembered."""
        key = tuple((w, tuple((s.name, s.attempt) for s in take[w])) for w in order)
        if key not in self._serial_runs:
            given = (w for w in self.scenario.workers if w.name in take)  # the order says it all
            workers = tuple(replace(w, statements=take[w.name], after=(), if_struck=False) for w in given)
            self._serial_runs[key] = self._run(workers, Serial(order), self.next_number(), 0)
        return self._serial_runs[key]

    def invariants(self, number: int) -> Mapping[str, tuple[Row, ...]]:
        """Rows of every invariant, with names, for the execution that had ``number``."""
        names = Names(self.scenario.users, self.scenario.jobs, number)
        found = self.controller.observer.read(self._invariants, names.values)
        return {name: tuple(names.rename(row) for row in rows) for name, rows in found.items()}

    def _run(
        self,
        workers: tuple[Worker, ...],
        strategy: Strategy,
        number: int,
        seed: int,
        on_change: Callable[[int], None] | None = None,
        on_turn: Callable[[Moment], None] | None = None,
        *,
        inside: bool = False,
        watch: Watch = Watch.PLAIN,
        after: Reading | None = None,
    ) -> Execution:
        timers: frozenset[Timer] = frozenset()
        while True:
            plan = replace(self._planned(workers, number, timers, inside=inside), watch=watch, after=after)
            try:
                return self.controller.execute(plan, strategy, seed=seed, on_change=on_change, on_turn=on_turn)
            except RewindError as again:
                if again.timer is not None:
                    timers |= {again.timer}
                elif self._timeout_ms >= LAST_MS:
                    raise DriverError(str(again)) from None
                else:
                    self._timeout_ms = min(2 * self._timeout_ms, LAST_MS)
                if isinstance(strategy, Rewound):
                    strategy.rewind()
                else:
                    strategy = Rewound(strategy, again.taken)
                self._open_database()  # of the ids of this number some are in use

    def _planned(
        self, workers: tuple[Worker, ...], number: int, timers: frozenset[Timer] = frozenset(), *, inside: bool
    ) -> Plan:
        """The input of the next execution, on a database that is as it was when everything had been installed."""
        limit = 1 if self._fresh or self.scenario.fresh_database else RECYCLE_AFTER
        if self._used >= limit:
            self._open_database()
        self._used += 1
        if self._restorer is not None:
            self._restorer.restore(None)
        names = Names(self.scenario.users, self.scenario.jobs, number)
        return Plan(
            number=number,
            names=names,
            workers=tuple(self._rendered(w, names) for w in workers),
            setup=tuple((name, t.render(names.values)) for name, t in self._setup),
            state=self._state,
            points=self._points if inside else None,
            defers=self._defers,
            timers=timers,
            timeout_ms=self._timeout_ms,
        )

    def _rendered(self, worker: Worker, names: Names) -> Worker:
        return replace(
            worker,
            role=PUBLIC_ROLE if worker.role == "public" else worker.role,
            statements=tuple(replace(s, sql=self._statements[s.sql].render(names.values)) for s in worker.statements),
        )

    def _open_database(self) -> None:
        self._close_database()
        self._database = self._databases.clone(self._template)
        try:
            self._controller = Controller(
                self._pool,
                self._target.conninfo(self._database),
                owned=self._target.at_hand,
                gated=self._gates is not None,
                isolation=self._asked_isolation,
                crash=self._crash,
            )
        except BaseException:
            self._databases.drop(self._database)
            raise
        if self._restores:
            self._restorer = Restorer(self._controller.observer.connection, None)
            self._restorer.remember()
        self._used = 0

    def _close_database(self) -> None:
        if self._restorer is not None:
            self._restorer.close()
            self._restorer = None
        if self._controller is not None:
            controller, self._controller = self._controller, None
            with ExitStack() as last:  # backwards, and all of it, whatever is broken
                last.callback(self._databases.drop, self._database)
                last.callback(self._pool.disconnect)
                last.callback(controller.close)

    def _installed(self, scenario: Scenario, inside: bool, everywhere: bool) -> str:
        """The template with everything installed; with gates when workers are to be held inside functions."""
        public = any(r == "public" for r in (*(w.role for w in scenario.workers), *(c.role for c in scenario.cases)))
        scripts = (*scenario.install, *([Script(name="role public", text=MAKE_PUBLIC_ROLE)] if public else []))
        template = self._bare(scripts)
        if not inside:
            return template
        statements = None if everywhere else [s.sql for w in scenario.workers for s in w.statements]

        def prepare(connection: psycopg.Connection[Any]) -> Gates:
            return install_gates(connection, read_catalog(connection), statements)

        key = "everywhere" if statements is None else hashlib.sha256("\0".join(statements).encode()).hexdigest()
        name, self._gates = self._databases.derived(template, f"gates {key}", prepare)
        return name

    def _bare(self, scripts: Sequence[Script]) -> str:
        """The template with ``scripts`` installed, and no gates."""
        return self._databases.template(scripts)


class Stages:
    """The stages of one scenario, each made when it is first needed: between its statements, and inside functions.
    ``isolation``: the level that was asked for (a key of `LEVELS`), "" for the scenario's own."""

    def __init__(
        self, scenario: Scenario, target: Target, databases: Databases, pool: WorkerPool, *, isolation: str = ""
    ) -> None:
        self.scenario, self.owned, self.isolation = scenario, target.at_hand, isolation
        self.target, self.pool, self._databases = target, pool, databases
        self._made: dict[bool, Stage] = {}

    def of(self, interleaving: Order | Search) -> Stage:
        """The stage for an interleaving of the scenario."""
        inside = isinstance(interleaving, Search) and interleaving.inside and interleaving.strategy != "free_running"
        if inside not in self._made:
            level = LEVELS[self.isolation] if self.isolation else None
            self._made[inside] = Stage(
                self.scenario, self.target, self._databases, self.pool, inside=inside, isolation=level
            )
        return self._made[inside]

    @property
    def level(self) -> str:
        """The level at which the workers run, named like the keys of `LEVELS`."""
        return self.of(self.scenario.interleavings[0]).isolation.replace(" ", "_")

    def beside(self, scenario: Scenario, isolation: str = "") -> Stages:
        """Stages of another scenario on the same server, perhaps at another level; to be closed apart from these."""
        return Stages(scenario, self.target, self._databases, self.pool, isolation=isolation)

    def close(self) -> None:
        """Leave and drop the databases."""
        with ExitStack() as every:
            for stage in self._made.values():
                every.callback(stage.close)


def _reading(scripts: Sequence[Script]) -> Reading:
    parameters: list[str] = []
    queries = {s.name: Template(s.text).numbered(parameters) for s in scripts}
    return Reading.of(queries, parameters)


class _Probe:
    def __init__(self, stage: Stage, execution: Execution) -> None:
        self._stage, self._execution = stage, execution

    def invariants(self) -> Mapping[str, tuple[Row, ...]]:
        return self._stage.invariants(self._execution.number)

    def serial(self, take: Mapping[str, tuple[Statement, ...]], order: Sequence[str]) -> Execution:
        return self._stage.serial(take, order)

    def sequence_columns(self) -> Mapping[str, Mapping[str, str]]:
        return self._stage.sequence_columns
