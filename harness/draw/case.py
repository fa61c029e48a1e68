"""A drawn case: who calls what, and after which numbers they take turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hypothesis import strategies as st

from harness.draw.calls import Called
from harness.draw.faults import NONE, Aim, Blow, blows
from harness.draw.system import System
from harness.matrix.retry import retried
from harness.model import Json, Scenario, Script, Statement, StatementKind, Worker
from harness.statements import unique_names
from harness.strategies.draw import LENGTH

MOST = 3
"""Numbers are drawn from 0 to this: the fifth worker of several in order is then not taken out of turn."""


class Numbers(tuple[int, ...]):
    """See `harness.strategies.drawn.Drawn`. Shows itself by the turns at which somebody is interrupted."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Numbers({ {turn: number for turn, number in enumerate(self) if number} })"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """One worker: its calls, each a transaction of its own, or all one with ``isolation`` given."""

    calls: tuple[Called, ...]
    role: str | None = None
    isolation: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """``numbers``: see `harness.strategies.drawn.Drawn`, as is ``sequence``. ``setup``: on top of the system's.
    ``blow``: the fault that is to strike."""

    system: System
    workers: tuple[Drawn, ...]
    numbers: Numbers
    setup: tuple[str, ...] = ()
    sequence: tuple[str, ...] = ()
    blow: Blow = NONE

    @property
    def scenario(self) -> Scenario:
        """To be played on a stage of the system's scenario; where a fault is to strike, with the retry as its last
        worker."""
        plain, aim = self.written, self.aim
        if aim is None:
            return plain
        again = retried(plain, aim.retry)
        return replace(again, workers=(*plain.workers, again.workers[1]))

    @property
    def aim(self) -> Aim | None:
        """Where the fault is to strike. Where all calls are one transaction, that is struck and retried as a whole."""
        if not self.blow.fault:
            return None
        at = self.blow.worker % len(self.workers)
        worker = self.written.workers[at]
        if self.workers[at].isolation is not None:
            return Aim(worker=worker.name, action=self.blow.action)
        names = [*(s.name for s in worker.statements), ""]
        call = self.blow.call % len(worker.statements)
        return Aim(worker=worker.name, action=self.blow.action, since=names[call], until=names[call + 1])

    @property
    def order(self) -> tuple[str, ...]:
        """``sequence``, in which the retry takes the place of the worker that was struck."""
        aim = self.aim
        if aim is None:
            return self.sequence
        retry = self.scenario.workers[-1]
        again = {f"{aim.worker}.{s.name}": f"{retry.name}.{s.name}" for s in retry.statements}
        return tuple(step for own in self.sequence for step in (own, again.get(own)) if step is not None)

    @property
    def written(self) -> Scenario:
        """The scenario of the file, without a retry."""
        base = self.system.scenario
        workers = tuple(_worker(f"w{n}", drawn) for n, drawn in enumerate(self.workers, 1))
        setup = tuple(Script(name=f"setup[{i}]", text=sql) for i, sql in enumerate(self.setup, len(self.system.setup)))
        return replace(base, workers=workers, setup=(*base.setup, *setup))

    def entries(self) -> dict[str, Json]:
        """The workers in the words of a scenario file."""
        return {f"w{n}": _entry(drawn) for n, drawn in enumerate(self.workers, 1)}

    def __repr__(self) -> str:
        """What a person wants to see of a failing example."""
        lines = [
            f"w{n}={list(w.calls)!r}" + (f" as {w.role}" if w.role else "") + (f" {w.isolation}" if w.isolation else "")
            for n, w in enumerate(self.workers, 1)
        ]
        setup = [f"setup={list(self.setup)!r}"] if self.setup else []
        aim = self.aim
        blow = [] if aim is None else [f"{self.blow.fault}={f'{aim.retry} + {self.blow.position}'!r}"]
        return f"Case({', '.join([*lines, *setup, *blow, f'numbers={self.numbers!r}'])})"


def numbers(length: int = LENGTH) -> st.SearchStrategy[Numbers]:
    """The schedule: a list of fixed length, drawn before anything runs, in which 0 interrupts nobody."""
    return st.lists(st.integers(0, MOST), min_size=length, max_size=length).map(Numbers)


def cases(
    system: System,
    calls: st.SearchStrategy[Called],
    *,
    workers: tuple[int, int] = (2, 3),
    calls_each: tuple[int, int] = (1, 1),
    role: st.SearchStrategy[str | None] | str | None = None,
    isolation: st.SearchStrategy[str | None] | None = None,
    setup: st.SearchStrategy[Sequence[str]] | None = None,
    length: int = LENGTH,
    faults: Sequence[str] = (),
) -> st.SearchStrategy[Case]:
    """Cases of so many workers (from, to), each with so many of ``calls``, and a schedule of ``length`` numbers.

    ``isolation``: draws None (each call is a transaction of its own) or a level (all calls of a worker are one
    transaction). ``setup``: draws SQL to run before the execution, after that of the system.

    ``faults``: at most one of these (names of `harness.model.FAULTS`, or "all") strikes, and a retry follows it.

    Shrinks to fewer workers, fewer calls, no fault, no switches, and whatever the strategies given shrink to. Raises
    `UsageError` for a fault that there is not.
    """
    roles = role if isinstance(role, st.SearchStrategy) else st.just(role)
    worker = st.builds(
        Drawn,
        calls=st.lists(calls, min_size=calls_each[0], max_size=calls_each[1]).map(tuple),
        role=roles,
        isolation=st.none() if isolation is None else isolation,
    )
    return st.builds(
        Case,
        system=st.just(system),
        workers=st.lists(worker, min_size=workers[0], max_size=workers[1]).map(tuple),
        setup=st.just(()) if setup is None else setup.map(tuple),
        blow=blows(faults),
        numbers=numbers(length),
    )


def _worker(name: str, drawn: Drawn) -> Worker:
    statements: list[Statement] = [c.statement for c in drawn.calls]
    if drawn.isolation is not None:
        level = drawn.isolation.upper()
        begin = Statement(name="begin", sql=f"BEGIN ISOLATION LEVEL {level}", kind=StatementKind.BEGIN)
        commit = Statement(name="commit", sql="COMMIT", kind=StatementKind.COMMIT)
        statements = [begin, *statements, commit]
    return Worker(
        name=name,
        statements=tuple(unique_names(statements)),
        role=drawn.role,
        keep_going=drawn.isolation is None,
    )


def _entry(drawn: Drawn) -> Json:
    entry: dict[str, Json] = {} if drawn.role is None else {"role": drawn.role}
    calls = [c.entry for c in drawn.calls]
    if drawn.isolation is not None:
        return {**entry, "isolation": drawn.isolation, "transaction": calls}
    return {**entry, "keep_going": True, "statements": calls}
