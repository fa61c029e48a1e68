"""Every strategy keeps the same contract; each then keeps its own promise. Programs are simulated, no database."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulated import System, Transaction
from simulated_runs import execute as simulate

from harness.errors import NondeterminismError
from harness.model import Action, Choice, Decision, Order, OrderStep, Schedule
from harness.strategies.exhaustive import Exhaustive
from harness.strategies.fixed import Fixed
from harness.strategies.protocol import Strategy
from harness.strategies.random_walk import RandomWalk
from harness.strategies.registry import DEFAULT_LIMITS, NAMES, make
from harness.strategies.replay import Replay
from harness.strategies.serial import Serial


@dataclass
class Program:
    """Workers (name → steps) that take and drop locks: ``+x`` takes lock x (and waits for it), ``-x`` drops it, any
    other step does neither. A killed worker drops everything."""

    workers: dict[str, Sequence[str]]
    at: dict[str, int] = field(default_factory=dict)
    held: dict[str, str] = field(default_factory=dict)
    waiting: dict[str, str] = field(default_factory=dict)

    def enabled(self) -> tuple[Choice, ...]:
        return tuple(
            Choice(worker=w, step=f"{self.at.get(w, 0)}{steps[self.at.get(w, 0)]}")
            for w, steps in self.workers.items()
            if self.at.get(w, 0) < len(steps) and w not in self.waiting
        )

    def take(self, choice: Choice) -> bool:
        """Carry out ``choice``; whether it blocks."""
        w = choice.worker
        if choice.action is Action.TERM:
            return False
        if choice.action is Action.KILL:
            self.at[w] = len(self.workers[w])
            self.waiting.pop(w, None)
            self._drop({lock for lock, holder in self.held.items() if holder == w})
            return False
        assert choice in self.enabled() or choice.action is Action.LOSE
        step = self.workers[w][self.at.get(w, 0)]
        self.at[w] = self.at.get(w, 0) + 1
        if step[0] == "+" and self.held.setdefault(step[1:], w) != w:
            self.waiting[w] = step[1:]
            return True
        if step[0] == "-" and self.held.get(step[1:]) == w:
            self._drop({step[1:]})
        return False

    def _drop(self, locks: set[str]) -> None:
        for lock in locks:
            del self.held[lock]
            heir = next((w for w, wanted in self.waiting.items() if wanted == lock), None)
            if heir is not None:
                del self.waiting[heir]
                self.held[lock] = heir


def execute(strategy: Strategy, workers: dict[str, Sequence[str]]) -> Schedule:
    """One execution, of a strategy that has been started."""
    program, decisions = Program(workers), []
    for _ in range(1000):
        enabled = program.enabled()
        choice = strategy.choose(enabled)
        if choice is None:
            return Schedule(seed=0, decisions=tuple(decisions))
        decisions.append(Decision(choice=choice, enabled=enabled, blocked=program.take(choice)))
    raise AssertionError("the strategy never ends")


def all_executions(strategy: Strategy, workers: dict[str, Sequence[str]], limit: int = 5000) -> list[str]:
    found = []
    while strategy.start():
        found.append(shown(execute(strategy, workers)))
        assert len(found) <= limit
    return found


def shown(schedule: Schedule) -> str:
    return " ".join(str(d.choice) for d in schedule.decisions)


def order(text: str, program: str = "") -> Order:
    """``a.0x b.0+l a.kill a.1y!killed``"""
    steps = []
    for word in text.split():
        worker, _, step = word.partition(".")
        if step in ("kill", "term"):
            steps.append(OrderStep(choice=Choice(worker=worker, action=Action(step))))
            continue
        action = Action.LOSE if step.endswith("!killed") else Action.RUN
        steps.append(OrderStep(choice=Choice(worker=worker, step=step.removesuffix("!killed"), action=action)))
    return Order(steps=tuple(steps), name=program)


TWO = {"a": ("x", "x"), "b": ("x", "x")}
LOCKS = {"a": ("+l", "x", "-l"), "b": ("+l", "-l"), "c": ("x",)}
CYCLE = {"a": ("+l", "+m", "-m", "-l"), "b": ("+m", "+l", "-l", "-m")}
PROGRAMS = {"free": TWO, "one lock": LOCKS, "a cycle of waits": CYCLE, "one worker": {"a": ("x",)}, "nobody": {}}


def _replay(workers: dict[str, Sequence[str]]) -> Replay:
    walk = RandomWalk(1)
    walk.start()
    return Replay(execute(walk, workers), exact=True)


STRATEGIES: dict[str, Callable[[dict[str, Sequence[str]]], Strategy]] = {
    **{name: lambda w, name=name: make(name, seed=0, limit=50, workers=list(w)) for name in NAMES},
    "fixed": lambda w: Fixed(order("b.0+l a.0x a.0+l a.kill" if "b" in w else "")),
    "serial": lambda w: Serial(list(reversed(w))),
    "replay": _replay,
}
ONE_SHOT = ("fixed", "serial", "replay")
NOTHING_TWICE = ("exhaustive", "preemption_bounded")


@pytest.mark.parametrize("workers", PROGRAMS.values(), ids=PROGRAMS.keys())
@pytest.mark.parametrize("name", STRATEGIES)
def test_contract(name: str, workers: dict[str, Sequence[str]]) -> None:
    """It has a name; it chooses what is enabled, or a fault; the same again gives the same; one shot or bounded."""
    runs = []
    for _ in range(2):
        strategy = STRATEGIES[name](workers)
        assert (strategy.name, strategy.exhausted) == (name, False)
        found = []
        while len(found) < 50 and strategy.start():
            schedule = execute(strategy, workers)
            for d in schedule.decisions:
                assert d.choice in d.enabled or d.choice.action is Action.KILL
            last = Program(workers)
            for d in schedule.decisions:
                last.take(d.choice)
            assert not last.enabled(), "it ended while somebody could act"
            found.append(shown(schedule))
        assert found, "no execution at all"
        if name in ONE_SHOT:
            assert len(found) == 1
        if name in NOTHING_TWICE:
            assert len(set(found)) == len(found)
        if name in ONE_SHOT or strategy.exhausted:
            assert not any(strategy.start() for _ in range(3)), "done is done"
        runs.append(found)
    assert runs[0] == runs[1]


SYSTEMS: dict[str, System] = {
    "a lost update": {w: (Transaction((("read", "t", 0), ("write", "t", 0))),) for w in "ab"},
    "a deadlock": {
        "a": (Transaction((("write", "t", 0), ("write", "u", 0))),),
        "b": (Transaction((("write", "u", 0), ("write", "t", 0)), repeatable=True),),
        "c": (Transaction((("table", "t"),)),),
    },
}


@pytest.mark.parametrize("system", SYSTEMS.values(), ids=SYSTEMS.keys())
@pytest.mark.parametrize("name", NAMES)
def test_a_strategy_that_is_told_effects_knows_nothing_of_another_beside_it(name: str, system: System) -> None:
    """Alone or taking turns with a second one, as campaigns side by side do: the same choices, and true figures."""

    def fresh() -> Strategy:
        return make(name, seed=7, limit=60, workers=list(system))

    def orders(strategy: Strategy, count: int) -> list[tuple[str, ...]]:
        return [simulate(strategy, system)[0] for _ in islice(iter(strategy.start, False), count)]

    alone, one, other = fresh(), fresh(), fresh()
    expected = orders(alone, 60)
    found: list[tuple[str, ...]] = []
    for _ in range(60):
        found += orders(one, 1)
        orders(other, 2)
    assert found == expected
    alone.start()
    assert alone.facts()["explored"] == len(expected)
    if name in NOTHING_TWICE:
        assert len(set(expected)) == len(expected)


def test_a_name_that_no_strategy_has() -> None:
    with pytest.raises(KeyError, match="best"):
        make("best", seed=0, limit=1, workers=["a"])
    assert set(DEFAULT_LIMITS) >= set(NAMES)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4])
def test_exhaustive_gives_each_order_of_two_free_workers_once(n: int) -> None:
    strategy = Exhaustive()
    found = all_executions(strategy, {"a": "x" * n, "b": "x" * n})
    assert len(found) == len(set(found)) == math.comb(2 * n, n)
    assert strategy.exhausted
    assert not strategy.start(), "done is done"


def test_exhaustive_begins_serially_and_prefers_the_current_worker() -> None:
    assert all_executions(Exhaustive(), TWO)[:4] == [
        "a.0x a.1x b.0x b.1x",
        "a.0x b.0x b.1x a.1x",
        "b.0x b.1x a.0x a.1x",
        "b.0x a.0x a.1x b.1x",
    ]


def test_exhaustive_is_not_done_before_its_last_execution_was_asked_for() -> None:
    strategy = Exhaustive()
    for _ in range(6):
        assert strategy.start()
        assert not strategy.exhausted
        execute(strategy, TWO)
    assert not strategy.start()
    assert strategy.exhausted


def brute_force(workers: dict[str, Sequence[str]]) -> set[str]:
    """All executions, found by branching on copies of the program."""
    found, front = set(), [(Program(workers), "")]
    while front:
        program, path = front.pop()
        enabled = program.enabled()
        if not enabled:
            found.add(path.strip())
        for choice in enabled:
            branch = Program(workers, {**program.at}, {**program.held}, {**program.waiting})
            branch.take(choice)
            front.append((branch, f"{path} {choice}"))
    return found


steps = st.lists(st.sampled_from(["x", "+l", "-l", "+m", "-m"]), max_size=3)


@given(st.tuples(steps, steps) | st.tuples(steps, steps, st.lists(st.just("x"), max_size=1)))
def test_exhaustive_finds_every_execution_of_workers_that_block_and_each_once(
    given_steps: tuple[list[str], ...],
) -> None:
    workers: dict[str, Sequence[str]] = dict(zip("abc", given_steps, strict=False))
    found = all_executions(Exhaustive(), workers)
    assert len(found) == len(set(found))
    assert set(found) == brute_force(workers)


def test_exhaustive_may_meet_choices_in_another_order() -> None:
    strategy = Exhaustive()
    a, b = Choice(worker="a", step="x"), Choice(worker="b", step="x")
    strategy.start()
    strategy.choose((a, b))
    strategy.choose(())
    strategy.start()
    assert strategy.choose((b, a)) == b


OTHERS = {
    "another step": (Choice(worker="a", step="x"), Choice(worker="b", step="y")),
    "one missing": (Choice(worker="a", step="x"),),
    "one more": tuple(Choice(worker=w, step="x") for w in "abc"),
    "none": (),
}


@pytest.mark.parametrize("enabled", OTHERS.values(), ids=OTHERS.keys())
def test_other_choices_after_the_same_ones_are_nondeterminism(enabled: tuple[Choice, ...]) -> None:
    first = tuple(Choice(worker=w, step="x") for w in "ab")
    exhaustive = Exhaustive()
    exhaustive.start()
    exhaustive.choose(first)
    exhaustive.choose(())
    exhaustive.start()
    saved = Schedule(seed=0, decisions=(Decision(choice=first[0], enabled=first),))
    replay = Replay(saved, exact=True)
    replay.start()
    for strategy in (exhaustive, replay):
        with pytest.raises(NondeterminismError, match="T0: "):
            strategy.choose(enabled)


@pytest.mark.parametrize("workers", PROGRAMS.values(), ids=PROGRAMS.keys())
def test_replay_repeats_any_execution_exactly(workers: dict[str, Sequence[str]]) -> None:
    walk = RandomWalk(3)
    for _ in range(20):
        walk.start()
        schedule = execute(walk, workers)
        replay = Replay(schedule, exact=True)
        assert replay.start()
        assert execute(replay, workers) == schedule
        assert (replay.adapted, replay.exhausted) == (False, False)


def test_an_exact_replay_refuses_an_execution_that_goes_on() -> None:
    replay = Replay(execute_serially({"a": ("x",)}), exact=True)
    replay.start()
    with pytest.raises(NondeterminismError, match=r"a\.1x is possible; the saved schedule had ended"):
        execute(replay, {"a": ("x", "x")})


def test_an_exact_replay_refuses_an_execution_that_ends_early() -> None:
    replay = Replay(execute_serially({"a": ("x", "x")}), exact=True)
    replay.start()
    with pytest.raises(NondeterminismError, match="T1: enabled now nothing"):
        execute(replay, {"a": ("x",)})


def execute_serially(workers: dict[str, Sequence[str]]) -> Schedule:
    serial = Serial(list(workers))
    serial.start()
    return execute(serial, workers)


ADAPTED = {
    "nothing changed": ("b.0x a.0x a.1x b.1x", TWO, "b.0x a.0x a.1x b.1x", False),
    "a step went: the same worker's next": ("b.0x b.1x a.0x", {"a": ("x",), "b": ("y",)}, "b.0y a.0x", True),
    "a worker went: the first": ("b.0x a.0x", {"a": ("x", "x")}, "a.0x a.1x", True),
    "a step came: it runs at the end": ("b.0x a.0x", {"a": ("x", "x"), "b": ("x",)}, "b.0x a.0x a.1x", True),
    "it ends early": ("a.0x a.1x", {"a": ("x",)}, "a.0x", True),
    "a fault stays": ("a.0x a.kill b.0x", {"a": ("x", "y"), "b": ("z",)}, "a.0x a.kill b.0z", True),
}


@pytest.mark.parametrize(("saved", "workers", "expected", "adapted"), ADAPTED.values(), ids=ADAPTED.keys())
def test_an_adapted_replay_takes_the_nearest(
    saved: str, workers: dict[str, Sequence[str]], expected: str, adapted: bool
) -> None:
    before: dict[str, list[str]] = {}
    for step in order(saved).steps:
        before.setdefault(step.choice.worker, []).append(step.choice.step[1:])
    program, decisions = Program({w: [s for s in given if s] for w, given in sorted(before.items())}), []
    for step in order(saved).steps:
        decisions.append(Decision(choice=step.choice, enabled=program.enabled()))
        program.take(step.choice)
    replay = Replay(Schedule(seed=0, decisions=tuple(decisions)), exact=False)
    replay.start()
    assert shown(execute(replay, workers)) == expected
    assert replay.adapted is adapted


def test_a_replay_loses_the_answer_again_where_the_step_is_still_possible() -> None:
    [lost] = [s.choice for s in order("a.0x!killed").steps]
    enabled = Program(TWO).enabled()
    for exact in (True, False):
        replay = Replay(Schedule(seed=0, decisions=(Decision(choice=lost, enabled=enabled),)), exact=exact)
        replay.start()
        assert replay.choose(enabled) == lost


FIXED: dict[str, tuple[str, dict[str, Sequence[str]], str, list[str]]] = {
    "followed to the letter": ("b.0x a.0x b.1x a.1x", TWO, "b.0x a.0x b.1x a.1x", []),
    "what is left runs afterwards, worker by worker": ("b.0x", TWO, "b.0x a.0x a.1x b.1x", []),
    "a blocked worker's step is skipped and remembered": (
        "a.0+l b.0+l b.1-l a.1x a.2-l", LOCKS, "a.0+l b.0+l a.1x a.2-l b.1-l c.0x", ["2 b.1-l"]),
    "a step that does not exist": ("a.0x a.9x b.0x", TWO, "a.0x b.0x a.1x b.1x", ["1 a.9x"]),
    "a fault is always possible": ("a.0+l b.0+l a.kill", LOCKS, "a.0+l b.0+l a.kill b.1-l c.0x", []),
    "a fault when nobody can act": ("a.0x a.term", {"a": ("x",)}, "a.0x a.term", []),
    "an answer that is lost": ("a.0x!killed a.kill", TWO, "a.0x!killed a.kill b.0x b.1x", []),
}  # fmt: skip


@pytest.mark.parametrize(("text", "workers", "expected", "impossible"), FIXED.values(), ids=FIXED.keys())
def test_fixed(text: str, workers: dict[str, Sequence[str]], expected: str, impossible: list[str]) -> None:
    fixed = Fixed(order(text))
    assert fixed.start()
    assert shown(execute(fixed, workers)) == expected
    assert [f"{i} {choice}" for i, choice in fixed.impossible] == impossible
    assert (fixed.start(), fixed.exhausted) == (False, False)


def test_serial_runs_each_worker_to_its_end() -> None:
    serial = Serial(["c", "b", "a"])
    serial.start()
    assert shown(execute(serial, LOCKS)) == "c.0x b.0+l b.1-l a.0+l a.1x a.2-l"


def test_exhaustive_can_be_sliced() -> None:
    """A campaign's limit cuts it off without harm: the first executions are the same ones."""

    def first(n: int) -> list[str]:
        strategy = Exhaustive()
        return [shown(execute(strategy, LOCKS)) for _ in islice(iter(strategy.start, False), n)]

    assert first(3) == first(7)[:3]
