"""The fourteen orders of BEGIN, call and COMMIT of two workers that can be carried out, beside isolationtester.

Both run them on the same server, again and again in turns, with the same reset before each: one UPDATE. isolationtester
prints what it sees; the harness also reads the table before and after and asks for locks that were left.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import permutations
from pathlib import Path
from statistics import median

import psycopg

from beside.figures import Figure, Part, in_turns, processor_time, ratio
from beside.peers import isolationtester
from beside.shards import Fleet
from harness.driver.controller import Controller
from harness.driver.names import Names
from harness.driver.observer import Reading
from harness.driver.plan import Plan
from harness.machine import processors
from harness.model import Choice, Order, OrderStep, Statement, StatementKind, Worker
from harness.strategies.fixed import Fixed
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget

TABLES = """
CREATE TABLE accounts (id int PRIMARY KEY, balance int);
INSERT INTO accounts VALUES (1, 0), (2, 0);
CREATE FUNCTION add(p_id int) RETURNS int LANGUAGE sql AS
$$ UPDATE accounts SET balance = balance + 1 WHERE id = p_id RETURNING balance $$;
"""
RESET = "UPDATE accounts SET balance = 0"
STATE = Reading.of({"accounts": "SELECT * FROM accounts ORDER BY id"}, [])
STEPS = ("begin", "call", "commit")
_KINDS = (StatementKind.BEGIN, StatementKind.QUERY, StatementKind.COMMIT)


def orders() -> list[tuple[str, ...]]:
    """Each as steps, a1 a2 a3 b1 b2 b3 in some order. Left out: those in which whoever came second commits first, which
    on one row would have to wait for the other."""
    steps = [f"{who}{i}" for who in "ab" for i in (1, 2, 3)]
    found = [p for p in permutations(steps) if all([s for s in p if s[0] == who] == steps[at : at + 3]
             for at, who in ((0, "a"), (3, "b")))]  # fmt: skip
    return [p for p in found if not any(_crossed(p, *pair) for pair in ("ab", "ba"))]


def _crossed(order: tuple[str, ...], first: str, second: str) -> bool:
    at = order.index
    return at(f"{first}2") < at(f"{second}2") < at(f"{second}3") < at(f"{first}3")


def waits(order: tuple[str, ...]) -> bool:
    """Whether a call comes while the other one is open."""
    at = order.index
    return max(at("a2"), at("b2")) < min(at("a3"), at("b3"))


def spec(rows: tuple[int, int], chosen: list[tuple[str, ...]], times: int) -> str:
    """A file for isolationtester."""
    sessions = "\n".join(
        f"session {who}\nstep {who}1 {{ BEGIN; }}\nstep {who}2 {{ SELECT add({row}); }}\nstep {who}3 {{ COMMIT; }}"
        for who, row in zip("ab", rows, strict=True)
    )
    lines = "\n".join(f"permutation {' '.join(order)}" for order in chosen * times)
    return f"setup {{ {RESET}; }}\n{sessions}\n{lines}\n"


class Ours:
    """The same orders by worker processes of the harness."""

    def __init__(self, controller: Controller, rows: tuple[int, int], chosen: list[tuple[str, ...]]) -> None:
        self._controller, self._number = controller, 0
        self._workers = tuple(
            Worker(
                name=who,
                statements=tuple(
                    Statement(name=name, sql=sql, kind=kind)
                    for name, sql, kind in zip(STEPS, ("BEGIN", f"SELECT add({row})", "COMMIT"), _KINDS, strict=True)
                ),
            )
            for who, row in zip("ab", rows, strict=True)
        )
        self._orders = [
            Order(steps=tuple(OrderStep(choice=Choice(worker=s[0], step=STEPS[int(s[1]) - 1])) for s in order))
            for order in chosen
        ]

    def once(self) -> None:
        """Every order once."""
        for order in self._orders:
            self._number += 1
            plan = Plan(
                number=self._number, names=Names((), (), self._number), workers=self._workers,
                setup=(("reset", RESET),), state=STATE, defers=False,
            )  # fmt: skip
            self._controller.execute(plan, Fixed(order, checked=True))


KINDS = {
    "non-blocking": ((1, 2), orders(), 1.2),
    "blocking": ((1, 1), [o for o in orders() if waits(o)], 6.0),
    "mixed": ((1, 1), orders(), 4.0),
}
"""Name → the row that each worker calls with, the orders, and how many times as fast as isolationtester to be."""


def measure(rounds: int, times: int, seconds: float) -> Part:
    """``times``: how often isolationtester runs each order in a round; the harness runs for ``seconds``."""
    program = isolationtester()
    figures: list[Figure] = []
    pids: tuple[int, ...] = ()
    with (
        EmbeddedTarget() as target,
        Databases(target) as databases,
        tempfile.TemporaryDirectory() as folder,
    ):
        database = databases.clone(databases.template(()))
        with psycopg.connect(target.conninfo(database), autocommit=True) as connection:
            connection.execute(TABLES)
        file = Path(folder) / "orders.spec"
        for kind, (rows, chosen, goal) in KINDS.items():

            def theirs(rows: tuple[int, int] = rows, chosen: list[tuple[str, ...]] = chosen) -> float:
                # Its start is not counted: it is what a file with one order takes.
                took = [_seconds(program, target.conninfo(database), file, spec(rows, few, n))
                        for few, n in ((chosen[:1], 1), (chosen, times))]  # fmt: skip
                return (times * len(chosen) - 1) / (took[1] - took[0])

            with (
                Fleet(1, kind, seconds, target, databases) as one,
                Fleet(processors(), kind, seconds, target, databases) as several,
            ):
                costs = [
                    Costed(one.rate, lambda rate: rate * seconds, target.pid),
                    Costed(several.rate, lambda rate: rate * seconds, target.pid),
                ]
                if program:
                    sent = times * len(chosen) + 1
                    costs.append(Costed(theirs, partial(_always, sent), target.pid))
                sides = in_turns(rounds, *costs)
                pids += one.pids + several.pids
            for side, count in enumerate((1, processors())):
                mine = sides[side]
                beside = ratio(mine, sides[2]) if program else None
                note = f"{median(mine):.0f}/s" + (f" to {median(sides[2]):.0f}/s" if program else "")
                note += f"; processor time {costs[side].each:.2f} ms"
                note += f" to {costs[2].each:.2f} ms" if program else ""
                name = f"{kind}, {len(chosen)} orders, {count} shard{'s' * (count > 1)}: times isolationtester"
                figures.append(Figure(name=name, value=beside, unit="times", goal=goal, note=note))
    absent = () if program else ("isolationtester (apt-get install postgresql-client-15)",)
    return Part(title="Orders of BEGIN, call, COMMIT", figures=tuple(figures), pids=pids, absent=absent)


class Costed:
    """Measures the processor time of what it calls. ``count``: how many schedules, by the rate that it gave."""

    def __init__(self, rate: Callable[[], float], count: Callable[[float], float], postmaster: int) -> None:
        self._rate, self._count, self._postmaster = rate, count, postmaster
        self._spent: list[float] = []

    def __call__(self) -> float:
        before = processor_time(self._postmaster)
        found = self._rate()
        self._spent.append(1000 * (processor_time(self._postmaster) - before) / self._count(found))
        return found

    @property
    def each(self) -> float:
        """Milliseconds of processor time that a schedule took, client and server together."""
        return median(self._spent)


def _always(count: int, _: float) -> float:
    return count


def _seconds(program: Path | None, conninfo: str, file: Path, text: str) -> float:
    assert program is not None
    file.write_text(text)
    begin = time.perf_counter()
    with file.open() as given:
        subprocess.run([program, conninfo], stdin=given, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begin
