"""Simulated systems: drawn at random, and one by one for each clause of the relation of dependence."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st
from simulated import Op, System, Transaction
from simulated_runs import execute

from harness.strategies.auto import Auto
from harness.strategies.exhaustive import Exhaustive
from harness.strategies.preemption_bounded import PreemptionBounded

TABLES = st.sampled_from("tuv")
ROWS = st.integers(0, 1)
PLAIN: st.SearchStrategy[Op] = st.tuples(
    st.sampled_from(["read", "read", "write", "write", "lock", "share", "try", "both"]), TABLES, ROWS
)
OPS: st.SearchStrategy[Op] = st.one_of(
    PLAIN,
    PLAIN,
    PLAIN,
    st.tuples(st.just("if"), PLAIN, PLAIN),
    st.tuples(st.just("across"), TABLES, TABLES).filter(lambda op: op[1] != op[2]),
    st.tuples(st.just("next"), st.just("s")),
    st.just(("look",)),
    st.tuples(st.just("table"), TABLES),
    st.tuples(st.just("opaque"), PLAIN),
)
ENDS = st.sampled_from(["commit"] * 5 + ["rollback"])
SHAPES: dict[int, list[tuple[tuple[int, ...], ...]]] = {
    2: [((2,), (2,)), ((3,), (2,)), ((3,), (3,)), ((1, 1), (2,)), ((2, 1), (1, 1)), ((4,), (1, 1))],
    3: [((1,), (1,), (1,)), ((2,), (1,), (1,)), ((1,), (1,), (1, 1)), ((2,), (2,), (1,)), ((2,), (2,), (2,))],
}
"""Per worker its transactions, by number of operations: up to 1,680 orders."""


@st.composite
def systems(draw: st.DrawFn, workers: int | None = None) -> System:
    levels = draw(st.sampled_from([(0, 0, 1), (0, 1, 2), (2,)]))
    shape = draw(st.sampled_from(SHAPES[workers or draw(st.integers(2, 3))]))
    system = {}
    for name, sizes in zip("abc", shape, strict=False):
        transactions = []
        for size in sizes:
            ops = tuple(draw(OPS) for _ in range(size))
            level = draw(st.sampled_from(levels))
            transactions.append(Transaction(ops, level > 0, draw(ENDS), level > 1))
        if draw(st.integers(0, 9)) == 0:
            transactions[-1] = replace(transactions[-1], end="open")
        system[name] = tuple(transactions)
    return system


def explored(search: Exhaustive | Auto | PreemptionBounded, system: System) -> tuple[set[str], list[tuple[str, ...]]]:
    """The outcomes and the orders executed. What executions came to that counted as pruned is left out: if they are
    that, others have come to the same."""
    outcomes, orders, pruned, outcome = set[str](), list[tuple[str, ...]](), 0, ""
    while True:
        more = search.start()  # now it is known of the one before
        now = 0 if isinstance(search, PreemptionBounded) else search.pruned
        if orders and now == pruned:
            outcomes.add(outcome)
        if not more:
            return outcomes, orders
        order, simulation = execute(search, system)
        pruned, outcome = now, simulation.outcome()
        orders.append(order)
        assert len(orders) <= 10_000


def leaves(*ops: Op, end: str = "open", repeatable: bool = True) -> tuple[Transaction, ...]:
    return (Transaction(ops, repeatable, end),)


def serial(*ops: Op) -> tuple[Transaction, ...]:
    return (Transaction(ops, repeatable=True, serializable=True),)


READ, WRITE, LOCK, NEXT = ("read", "t", 0), ("write", "t", 0), ("table", "t"), ("next", "s")
WITNESSES: dict[str, System] = {
    "a worker's own order": {"a": leaves(LOCK, NEXT), "b": leaves(READ, READ)},
    "a write under a write": {"a": leaves(READ), "b": leaves(WRITE), "c": leaves(WRITE)},
    "a wait and a wait": {
        "a": leaves(READ, ("read", "u", 0)),
        "b": leaves(("table", "v"), ("if", ("write", "u", 0), READ), end="commit"),
        "c": leaves(("write", "u", 0), ("table", "v")),
    },
    "a whole table and a read": {"a": leaves(NEXT, LOCK), "b": leaves(READ, READ)},
    "a whole table and a write": {"a": leaves(NEXT), "b": leaves(LOCK), "c": leaves(WRITE)},
    "a whole table twice": {"a": leaves(LOCK), "b": leaves(LOCK), "c": leaves(("read", "u", 0))},
    "an end and a read": {
        "a": leaves(READ, repeatable=False),
        "b": leaves(READ),
        "c": leaves(WRITE, end="commit"),
    },
    "an end and a write": {
        "a": leaves(("try", "t", 0), NEXT, repeatable=False),
        "b": leaves(NEXT),
        "c": leaves(WRITE, end="commit"),
    },
    "an end and a snapshot": {
        "a": (*leaves(WRITE, end="commit"), *leaves(READ)),
        "b": leaves(READ, READ),
    },
    "an opaque step and any other": {
        "a": leaves(READ, ("table", "u")),
        "b": leaves(READ, ("opaque", ("read", "u", 0))),
    },
    "an end and an opaque step": {
        "a": leaves(READ, ("opaque", ("read", "u", 0)), repeatable=False),
        "b": leaves(("table", "v"), ("if", ("write", "u", 0), READ)),
        "c": leaves(("write", "u", 0), ("table", "v"), end="commit"),
    },
    "the end of an opaque transaction": {
        "a": leaves(NEXT, ("opaque", WRITE), end="commit"),
        "b": leaves(READ, ("try", "t", 0)),
    },
    "two ends": {
        "a": leaves(("share", "t", 0), end="commit", repeatable=False),
        "b": leaves(("across", "t", "u"), ("read", "v", 0), end="commit"),
        "c": (
            *leaves(("share", "t", 0), ("write", "v", 0), end="commit", repeatable=False),
            *leaves(("try", "u", 0), end="commit", repeatable=False),
        ),
    },
    "two ends, one of an opaque transaction": {
        "a": leaves(("share", "t", 0), end="commit", repeatable=False),
        "b": leaves(("across", "t", "u"), ("read", "v", 0), end="commit"),
        "c": (
            *leaves(("opaque", ("share", "t", 0)), ("write", "v", 0), end="commit", repeatable=False),
            *leaves(("try", "u", 0), end="commit", repeatable=False),
        ),
    },
    "serializable: a commit and a conflict": {
        "a": serial(READ, ("write", "u", 0)),
        "b": serial(WRITE, ("read", "u", 0), ("read", "v", 0)),
    },
    "serializable, crowded: a commit and a step": {
        "a": serial(READ),
        "b": serial(WRITE, ("read", "u", 0), ("read", "v", 0)),
        "c": serial(("write", "u", 0)),
    },
}
"""Per clause of the relation a system (found by Hypothesis, made small) that is not explored to the full without it."""

LOCAL: dict[str, System] = {
    "an end and a whole table": {"a": leaves(WRITE, end="commit"), "b": leaves(LOCK)},
    # In these b is the pivot: it overlooks what another one commits, and what it writes itself is overlooked. Whether
    # it fails at once, at its next step or not at all hangs on who came first.
    "serializable: a read and a write": {
        "a": (*serial(("write", "u", 0)), *serial(READ)),
        "b": serial(("read", "u", 0), WRITE, NEXT),
    },
    "serializable: an opaque step": {
        "a": (*serial(("write", "u", 0)), *serial(READ)),
        "b": serial(("read", "u", 0), ("opaque", WRITE), NEXT),
    },
    "serializable: a commit and a snapshot": {
        "a": serial(READ),
        "b": serial(("look",), WRITE, ("read", "u", 0)),
        "c": serial(("write", "u", 0)),
    },
    "serializable, crowded: a read and a write": {
        "a": serial(READ),
        "b": serial(("read", "u", 0), WRITE, NEXT),
        "c": serial(("write", "u", 0)),
    },
    "serializable, crowded: an opaque step": {
        "a": serial(READ),
        "b": serial(("read", "u", 0), ("opaque", WRITE), NEXT),
        "c": serial(("write", "u", 0)),
    },
}
"""The same for clauses without which turns that do not commute are called independent, though (as far as could be
found) other clauses see to it that nothing is missed."""
