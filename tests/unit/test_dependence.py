"""Turns that are called independent commute. No database: a simulated one, and effects drawn at random."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from clauses import CLAUSES, Clause, relation
from examples import examples
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from simulated import Simulation, System
from systems import LOCAL, WITNESSES, systems

from harness.dependence import WAIT, dependent, of_worker, union
from harness.model import Effect, Footprint

NAMES = st.frozensets(st.sampled_from(["t", "u", WAIT]), max_size=2)
FOOTPRINTS = st.builds(
    Footprint, reads=NAMES, writes=NAMES, excludes=NAMES, everything=st.sampled_from([False, False, True])
)
EFFECTS = st.builds(
    Effect,
    workers=st.frozensets(st.sampled_from("abc"), min_size=1, max_size=2),
    footprint=FOOTPRINTS | st.just(Footprint()),
    ended=NAMES,
    ended_everything=st.sampled_from([False, False, True]),
    snapshot=st.booleans(),
    seen=st.just(Footprint()) | FOOTPRINTS,
    held=st.just(Footprint()) | FOOTPRINTS,
    commits=st.sampled_from([False, False, True]),
    crowded=st.booleans(),
)


@settings(max_examples=examples(300), deadline=None)
@given(EFFECTS, EFFECTS)
def test_it_is_the_sum_of_its_clauses_and_symmetric(a: Effect, b: Effect) -> None:
    assert dependent(a, b) == dependent(b, a) == relation()(a, b)
    assert dependent(a, a)


@settings(max_examples=examples(300), deadline=None)
@given(EFFECTS, EFFECTS, EFFECTS)
def test_a_union_depends_on_whatever_one_of_the_two_depends_on(a: Effect, b: Effect, other: Effect) -> None:
    assert dependent(union(a, b), other) >= (dependent(a, other) or dependent(b, other))
    assert union(a, a) == a


# ------------------------------------------------------------------------------------------------------ commutation


def after(system: System, order: Sequence[str]) -> tuple[str, Effect]:
    """The state, and what the last turn did."""
    simulation = Simulation(system)
    effects = [simulation.take(worker) for worker in order]
    return simulation.state(), effects[-1]


def clash(system: System, before: Sequence[str], p: str, q: str, relation: Clause) -> bool:
    """Whether two workers that can both act are called independent, as alternatives or one behind the other, and yet
    it matters who goes first."""
    (_, p_first), (_, q_first) = after(system, [*before, p]), after(system, [*before, q])
    (one, q_second), (other, p_second) = after(system, [*before, p, q]), after(system, [*before, q, p])
    if relation(p_first, q_first) and relation(p_first, q_second) and relation(q_first, p_second):
        return False
    return (one, q_second, p_second) != (other, q_first, p_first)


def clashes(system: System, picks: Sequence[int], relation: Clause) -> bool:
    """Look at every pair of workers along one execution."""
    before: list[str] = []
    while True:
        simulation = Simulation(system)
        for worker in before:
            simulation.take(worker)
        able = [c.worker for c in simulation.enabled()]
        if not able:
            return False
        if any(clash(system, before, p, q, relation) for i, p in enumerate(able) for q in able[i + 1 :]):
            return True
        before.append(able[picks[len(before) % len(picks)] % len(able)])


PICKS = st.lists(st.integers(0, 2), min_size=12, max_size=12)


@settings(max_examples=examples(200), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(systems(), PICKS)
def test_independent_turns_commute(system: System, picks: list[int]) -> None:
    """They lead to the same state in both orders, and do in second place what they do in first."""
    assert not clashes(system, picks, dependent)


OWN_ORDER = "a worker's own order"
"""No two turns of one worker can be swapped anyway."""
MATTERS = {name: system for name, system in (WITNESSES | LOCAL).items() if name != OWN_ORDER}


@pytest.mark.parametrize(("forgotten", "system"), MATTERS.items(), ids=MATTERS.keys())
def test_no_clause_is_there_for_nothing(forgotten: str, system: System) -> None:
    """Without it some turns are called independent that do not commute."""
    mutant = relation(without=forgotten)
    picks = find(
        PICKS,
        lambda picks: clashes(system, picks, mutant),
        settings=settings(max_examples=1000, deadline=None, phases=[Phase.generate], derandomize=True, database=None),
    )
    assert not clashes(system, picks, dependent)


def test_every_clause_has_been_left_out() -> None:
    assert {*MATTERS, OWN_ORDER} == set(CLAUSES)


# ----------------------------------------------------------------------------------------------------- by examples


def effect(worker: str = "a", **touches: str) -> Effect:
    return of_worker(worker, Footprint(**{k: frozenset(v.split()) for k, v in touches.items()}))


def ending(worker: str, *tables: str, **more: bool) -> Effect:
    return Effect(workers=frozenset(worker), ended=frozenset(tables), **more)


PAIRS: dict[str, tuple[Effect, Effect, bool]] = {
    "a read does not see an uncommitted write": (effect("a", reads="t"), effect("b", writes="t"), False),
    "readers do not mind each other": (effect("a", reads="t"), effect("b", reads="t"), False),
    "other tables": (effect("a", reads="t", writes="u"), effect("b", reads="v", writes="w"), False),
    "a commit shows its rows": (ending("a", "t"), effect("b", reads="t"), True),
    "a commit of other tables": (ending("a", "t"), effect("b", reads="u", writes="v"), False),
    "two commits, with perhaps somebody waiting for both": (ending("a", "t", "u"), ending("b", "t", "v"), True),
    "two commits of other tables": (ending("a", "t"), ending("b", "u"), False),
    "a commit of nothing and a snapshot": (ending("a"), ending("b", snapshot=True), False),
    "two waits, whatever for": (
        of_worker("a", Footprint(writes=frozenset({"t", WAIT}))),
        of_worker("b", Footprint(writes=frozenset({"u", WAIT}))),
        True,
    ),
    "a woken worker's own next step": (
        Effect(workers=frozenset("ab")), effect("b", reads="t"), True),
}  # fmt: skip

WROTE, READ = Footprint(writes=frozenset("t")), Footprint(reads=frozenset("t"))
A, B, ANYTHING = frozenset("a"), frozenset("b"), Footprint(everything=True)
SERIALIZABLE: dict[str, tuple[Effect, Effect, bool]] = {
    "a read before a write": (Effect(workers=A, seen=READ), Effect(workers=B, seen=WROTE), True),
    "a read of another table": (
        Effect(workers=A, seen=READ), Effect(workers=B, seen=Footprint(writes=frozenset("u"))), False),
    "a read before, and a write now": (Effect(workers=A, held=READ), Effect(workers=B, seen=WROTE, held=WROTE), False),
    "the same where a third may have committed": (
        Effect(workers=A, held=READ, crowded=True), Effect(workers=B, seen=WROTE, held=WROTE, crowded=True), True),
    "a commit while another has touched what it wrote": (
        Effect(workers=A, held=WROTE, commits=True), Effect(workers=B, held=READ), True),
    "a commit while another has written what it read": (
        Effect(workers=A, held=READ, commits=True), Effect(workers=B, held=WROTE), True),
    "a commit while another has touched something else": (
        Effect(workers=A, commits=True), Effect(workers=B, held=READ), False),
    "a commit while another has touched anything, and a third is there": (
        Effect(workers=A, commits=True, crowded=True), Effect(workers=B, held=READ, crowded=True), True),
    "two commits without a conflict": (Effect(workers=A, commits=True), Effect(workers=B, commits=True), False),
    "two commits, and a third is there": (
        Effect(workers=A, commits=True, crowded=True), Effect(workers=B, commits=True, crowded=True), True),
    "a commit and a beginning": (Effect(workers=A, commits=True), Effect(workers=B, snapshot=True), True),
    "a commit and a step below serializable": (Effect(workers=A, commits=True), effect("b", reads="t"), False),
    "something unknown seen": (Effect(workers=A, seen=ANYTHING), Effect(workers=B, seen=READ), True),
}  # fmt: skip


@pytest.mark.parametrize(("a", "b", "expected"), PAIRS.values(), ids=PAIRS.keys())
def test_examples(a: Effect, b: Effect, expected: bool) -> None:
    assert dependent(a, b) is dependent(b, a) is expected


@pytest.mark.parametrize(("a", "b", "expected"), SERIALIZABLE.values(), ids=SERIALIZABLE.keys())
def test_examples_at_serializable(a: Effect, b: Effect, expected: bool) -> None:
    assert dependent(a, b) is dependent(b, a) is expected
