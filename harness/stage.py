"""A scenario on stage: its database, its SQL ready to be filled with fresh ids, its executions and serial runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness.checks.protocol import Context
from harness.driver.controller import Controller
from harness.driver.names import Names
from harness.driver.observer import Reading
from harness.driver.plan import Plan
from harness.driver.pool import WorkerPool
from harness.model import Execution, Order, Row, Scenario, Script, Statement, Worker
from harness.sqltext import Catalog, Template, footprint
from harness.strategies.protocol import Strategy
from harness.strategies.serial import Serial
from harness.targets.databases import Databases
from harness.targets.protocol import Target

RECYCLE_AFTER = 500
"""Executions per database: old rows cost time in every query that has no index for them."""
SERIAL_NUMBERS = 1_000_000
"""Serial runs and replays number their ids from here, apart from the campaign's own executions."""
PUBLIC_ROLE = "refund_harness_public"
"""What a worker with ``role: public`` becomes: a role that has only what PUBLIC has."""

_MAKE_PUBLIC_ROLE = f"""
DO $$ BEGIN CREATE ROLE {PUBLIC_ROLE} NOLOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$
"""
_FUNCTIONS = """
SELECT p.proname, l.lanname, pg_get_functiondef(p.oid) FROM pg_proc p
JOIN pg_language l ON l.oid = p.prolang JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE p.prokind IN ('f', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
"""
_TRIGGERS = """
SELECT c.relname, p.proname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid
WHERE NOT t.tgisinternal
"""
_RELATIONS = """
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
"""
_SEQUENCE_COLUMNS = """
SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND a.attnum > 0 AND NOT a.attisdropped
  AND (a.attidentity <> '' OR pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%')
"""


class Stage:
    """Owns one clone of the scenario's database at a time. A context manager by `close`."""

    def __init__(self, scenario: Scenario, target: Target, databases: Databases, pool: WorkerPool) -> None:
        self.scenario, self._target, self._databases, self._pool = scenario, target, databases, pool
        public = any(w.role == "public" for w in scenario.workers)
        scripts = (*scenario.install, *([Script(name="role public", text=_MAKE_PUBLIC_ROLE)] if public else []))
        self._template = databases.template(scripts)
        self._setup = [(s.name, Template(s.text)) for s in scenario.setup]
        self._statements = {s.sql: Template(s.sql) for w in scenario.workers for s in w.statements}
        self._invariants = _reading(scenario.invariants)
        self._controller: Controller | None = None
        self._database = ""
        self._used = 0
        self._extra = SERIAL_NUMBERS
        self._serial_runs: dict[tuple[Any, ...], Execution] = {}
        self._open_database()
        self._state = _reading(scenario.state or self.controller.observer.all_tables())
        self._read_catalog()

    @property
    def controller(self) -> Controller:
        assert self._controller is not None
        return self._controller

    def execute(self, strategy: Strategy, number: int, *, seed: int) -> Execution:
        """One execution with ids made from ``number``, by a strategy that has been started. What it leaves in the
        database stays there until the next one begins."""
        return self._run(self.scenario.workers, strategy, number, seed)

    def replay(self, strategy: Strategy, *, seed: int) -> tuple[Execution, Mapping[str, int]]:
        """An execution with ids of its own, beside the campaign's numbering, watched closely: also gives the turn since
        which each SQL invariant that is broken in the end was broken."""
        self._extra += 1
        number = self._extra
        since: dict[str, int] = {}

        def look(turn: int) -> None:
            broken = {name for name, rows in self.invariants(number).items() if rows}
            for name in since.keys() - broken:
                del since[name]
            for name in broken:
                since.setdefault(name, turn)

        return self._run(self.scenario.workers, strategy, number, seed, look), since

    def context(self, execution: Execution, order: Order | None) -> Context:
        """What the checks get to see. To be judged before the next execution begins."""
        return Context(
            scenario=self.scenario,
            execution=execution,
            probe=_Probe(self, execution),
            order=order,
        )

    def touches(self, statement: Statement) -> frozenset[str] | None:
        """Tables that a statement may touch (None: any)."""
        if statement.sql not in self._touches:
            self._touches[statement.sql] = footprint(statement.sql, self._catalog)
        return self._touches[statement.sql]

    def close(self) -> None:
        """Leave and drop the database."""
        self._close_database()

    # ------------------------------------------------------------------------------------------------ internals

    def serial(self, take: Mapping[str, tuple[Statement, ...]], order: Sequence[str]) -> Execution:
        """A serial run, executed once per input and remembered."""
        key = tuple((w, tuple(s.name for s in take[w])) for w in order)
        if key not in self._serial_runs:
            workers = tuple(replace(w, statements=take[w.name]) for w in self.scenario.workers if w.name in take)
            self._extra += 1
            self._serial_runs[key] = self._run(workers, Serial(order), self._extra, 0)
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
    ) -> Execution:
        limit = 1 if self.scenario.fresh_database else RECYCLE_AFTER
        if self._used >= limit:
            self._open_database()
        self._used += 1
        names = Names(self.scenario.users, self.scenario.jobs, number)
        plan = Plan(
            number=number,
            names=names,
            workers=tuple(self._rendered(w, names) for w in workers),
            setup=tuple((name, t.render(names.values)) for name, t in self._setup),
            state=self._state,
        )
        return self.controller.execute(plan, strategy, seed=seed, on_change=on_change)

    def _rendered(self, worker: Worker, names: Names) -> Worker:
        return replace(
            worker,
            role=PUBLIC_ROLE if worker.role == "public" else worker.role,
            statements=tuple(replace(s, sql=self._statements[s.sql].render(names.values)) for s in worker.statements),
        )

    def _open_database(self) -> None:
        old, old_controller = self._database, self._controller
        self._database = self._databases.clone(self._template)
        self._controller = Controller(self._pool, self._target.conninfo(self._database), owned=self._target.owned)
        self._used = 0
        if old_controller is not None:
            old_controller.close()
            self._pool.disconnect()
            self._databases.drop(old)

    def _close_database(self) -> None:
        if self._controller is not None:
            self._controller.close()
            self._controller = None
            self._pool.disconnect()
            self._databases.drop(self._database)

    def _read_catalog(self) -> None:
        query = self.controller.observer.connection.execute
        functions: dict[str, list[tuple[str, str]]] = {}
        for name, language, definition in query(_FUNCTIONS).fetchall():
            functions.setdefault(name, []).append((language, definition))
        triggers: dict[str, list[str]] = {}
        for table, function in query(_TRIGGERS).fetchall():
            triggers.setdefault(table, []).append(function)
        columns: dict[str, set[str]] = {}
        for table, column in query(_SEQUENCE_COLUMNS.encode()).fetchall():
            columns.setdefault(table, set()).add(column)
        self._catalog = Catalog(
            functions={k: tuple(v) for k, v in functions.items()},
            triggers={k: tuple(v) for k, v in triggers.items()},
            tables=frozenset(row[0] for row in query(_RELATIONS).fetchall()),
        )
        self._touches: dict[str, frozenset[str] | None] = {}
        self.sequence_columns = {k: frozenset(v) for k, v in columns.items()}


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

    def sequence_columns(self) -> Mapping[str, frozenset[str]]:
        return self._stage.sequence_columns
