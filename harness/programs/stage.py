"""A stage on which programs play beside lists of statements."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import psycopg

from harness.checks.canonical import VOLATILE
from harness.checks.protocol import Context
from harness.driver.plan import Plan
from harness.driver.pool import WorkerPool
from harness.driver.timers import Timer
from harness.errors import NondeterminismError
from harness.gating import Gates
from harness.model import (
    Choice,
    EventKind,
    Execution,
    Order,
    Row,
    Scenario,
    Script,
    Search,
    Statement,
    Worker,
)
from harness.programs.composing import Composer
from harness.programs.invariants import Asserted, Invariant
from harness.stage import Stage, Stages
from harness.strategies.serial import Serial
from harness.targets.databases import Databases
from harness.targets.protocol import Target

_NUMBERS = count(1)
"""Functions have no content that could be compared: whatever they prepare is made anew."""
Prepare = Callable[[psycopg.Connection[Any]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """What a scenario cannot say. ``prepare``: completes the database, once, behind what is installed. ``invariants``:
    functions, by the names of scripts that the scenario has in their place. ``roles``: that must exist."""

    prepare: Prepare | None = None
    invariants: Mapping[str, Invariant] = field(default_factory=dict)
    roles: tuple[str, ...] = ()


class ProgramStage(Stage):
    """Every function has gates: nobody knows beforehand what a program will call."""

    def __init__(
        self,
        scenario: Scenario,
        target: Target,
        databases: Databases,
        pool: WorkerPool,
        piece: Piece,
        *,
        isolation: str | None = None,
    ) -> None:
        self._piece = piece
        self._asserted = Asserted(piece.invariants)
        self._composer: Composer | None = None
        self._said: dict[bytes, tuple[str, ...]] = {}
        self._prepared = ""
        super().__init__(scenario, target, databases, pool, inside=True, everywhere=True, isolation=isolation)

    @property
    def surprised(self) -> bool:
        """A statement has shown up of a kind that changes what every turn touches: whatever was searched before must be
        searched anew."""
        return self.composer.excluding

    @property
    def composer(self) -> Composer:
        assert self._composer is not None
        return self._composer

    def play(self, scenario: Scenario) -> None:
        super().play(scenario)
        gates = self._gates if self._gates is not None else Gates()
        self._composer = Composer(self._catalog, gates, self.isolation)

    def context(self, execution: Execution, order: Order | None) -> Context:
        self._compare(execution)
        workers = tuple(self.composer.executed(w, execution.history) for w in self.scenario.workers)
        scenario = replace(self.scenario, workers=workers)
        return Context(
            scenario=scenario,
            execution=execution,
            probe=_Probe(self, execution),
            order=order,
            memory=self._memory,
        )

    def invariants(self, number: int) -> Mapping[str, tuple[Row, ...]]:
        return {**super().invariants(number), **self._asserted.rows(None)}

    def judged(self, execution: Execution) -> Mapping[str, tuple[Row, ...]]:
        """Rows of every invariant, once ``execution`` is over."""
        return {**super().invariants(execution.number), **self._asserted.rows(execution)}

    def played(
        self, take: Mapping[str, tuple[Statement, ...]], order: Sequence[str], last: Mapping[str, str]
    ) -> Execution:
        """A serial run of the workers in ``take``, remembered. Programs run as a whole, but for those in ``last``: no
        farther than to the end of that statement."""
        statements = {w.name: take[w.name] for w in self.scenario.workers if w.name in take and not w.program}
        key = (
            tuple((w, last.get(w, "")) for w in order),
            tuple((w, tuple(s.name for s in given)) for w, given in statements.items()),
        )
        if key not in self._serial_runs:
            workers = tuple(
                replace(w, statements=statements.get(w.name, ()), after=(), if_struck=False)
                for w in self.scenario.workers
                if w.name in take
            )
            self._serial_runs[key] = self._run(workers, _UpTo(order, last), self.next_number(), 0)
        return self._serial_runs[key]

    def close(self) -> None:
        """Leave and drop the database, and what it was made from: nobody else has asked for just that."""
        self._asserted.close()
        super().close()
        for template in (self._template, self._prepared):
            self._databases.drop(template)

    # ------------------------------------------------------------------------------------------------ internals

    def _bare(self, scripts: Sequence[Script]) -> str:
        bare = self._databases.template(scripts, roles=self._piece.roles)
        prepare = self._piece.prepare or (lambda _: None)
        self._prepared, _ = self._databases.derived(bare, f"prepared {next(_NUMBERS)}", prepare)
        return self._prepared

    def _planned(
        self, workers: tuple[Worker, ...], number: int, timers: frozenset[Timer] = frozenset(), *, inside: bool
    ) -> Plan:
        plan = super()._planned(workers, number, timers, inside=inside)
        points = None if plan.points is None else self.composer.points(plan.points)
        return replace(plan, points=points, compose=self.composer)

    def _open_database(self) -> None:
        super()._open_database()
        self._asserted.open(self._target.conninfo(self._database))

    def _close_database(self) -> None:
        self._asserted.close()
        super()._close_database()

    def _compare(self, execution: Execution) -> None:
        """After the same choices everybody must send the same. (Where it is luck who wakes first, that may decide what
        a program reads.) Raises `NondeterminismError`."""
        if not self.owned:
            return
        sent: dict[int, list[str]] = {}
        for event in execution.history.events:
            if event.kind is EventKind.INVOKE:
                sent.setdefault(event.turn, []).append(f"{event.worker}.{event.step}: {_plain(event.sql or '')}")
        before = hashlib.sha256()
        for turn, decision in enumerate(execution.schedule.decisions):
            before.update(f"{decision.choice}\n".encode())
            now = tuple(sent.get(turn, ()))
            known = self._said.setdefault(before.digest(), now)
            if known != now:
                first, second = next((a, b) for a, b in zip([*known, ""], [*now, ""], strict=False) if a != b)
                raise NondeterminismError(
                    f"T{turn}: after the same choices {first or 'nothing'} was sent once, and then "
                    f"{second or 'nothing'}: what a program does between statements must not depend on chance or time"
                )


class ProgramStages(Stages):
    """The one stage of a scenario with programs."""

    def __init__(
        self,
        scenario: Scenario,
        target: Target,
        databases: Databases,
        pool: WorkerPool,
        piece: Piece,
        *,
        isolation: str | None = None,
    ) -> None:
        super().__init__(scenario, target, databases, pool)
        self.stage = ProgramStage(scenario, target, databases, pool, piece, isolation=isolation)

    def of(self, interleaving: Order | Search) -> Stage:  # noqa: ARG002
        return self.stage

    def close(self) -> None:
        self.stage.close()


class _Probe:
    def __init__(self, stage: ProgramStage, execution: Execution) -> None:
        self._stage, self._execution = stage, execution

    def invariants(self) -> Mapping[str, tuple[Row, ...]]:
        return self._stage.judged(self._execution)

    def serial(self, take: Mapping[str, tuple[Statement, ...]], order: Sequence[str]) -> Execution:
        ends = [e for e in self._execution.history.events if e.kind is EventKind.END]
        whole = {e.worker for e in ends if e.answer}
        return self._stage.played(take, order, {w: given[-1].name for w, given in take.items() if w not in whole})

    def sequence_columns(self) -> Mapping[str, Mapping[str, str]]:
        return self._stage.sequence_columns


class _UpTo(Serial):
    """``last``: workers who do nothing more behind that step."""

    def __init__(self, order: Sequence[str], last: Mapping[str, str]) -> None:
        super().__init__(order)
        self._last = last
        self._over: set[str] = set()
        self._before: Choice | None = None

    def choose(self, enabled: tuple[Choice, ...]) -> Choice | None:
        before = self._before
        if before is not None and before.step == self._last.get(before.worker):
            standing = next((c for c in enabled if c.worker == before.worker), None)
            if standing is None or standing.step != before.step:
                self._over.add(before.worker)
        self._before = super().choose(tuple(c for c in enabled if c.worker not in self._over))
        return self._before

    def ahead(self) -> int:
        """Nobody is promised to go on."""
        return 0


def _plain(sql: str) -> str:
    """Without ids and times: those differ."""
    return VOLATILE.sub("…", sql)
