"""What callers of the shipped functions may ask for, right and wrong; every job is charged once, as its queue would."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from hypothesis import strategies as st

from harness.draw import Called, Case, Drawn, System, blows, numbers
from harness.draw.refunds import ROLE, charge, complete, refund, refunds
from harness.draw.system import dumped_entry

OWNERS = {"j1": "alice", "j2": "bob", "j3": "alice"}
CHARGED = {"j1": 1000, "j2": 700}
"""Before anything begins. What is asked for j3 is charged by a worker, or by nobody."""
PRICE = {**CHARGED, "j3": 400}
OPENING = 5000


def system() -> System:
    """Three jobs of two users, two of them charged."""
    made = refunds({"j3": OWNERS["j3"]}, opening=OPENING)
    entries = [
        {"user": {"name": "bob", "balance": OPENING}},
        *({"charge": {"job": job, "user": OWNERS[job], "amount": amount}} for job, amount in CHARGED.items()),
    ]
    return System(
        name="refunds", install=made.install, setup=(*made.setup, *map(dumped_entry, entries)), ledger=True,
        users=("alice", "bob"), jobs=("j1", "j2", "j3"), model=made.model,
    )  # fmt: skip


def _users(job: str) -> tuple[str, str]:
    return OWNERS[job], "bob" if OWNERS[job] == "alice" else "alice"


def refundings() -> Iterator[Called]:
    """Of each job, by its owner and by the other user, with the right amount and with a wrong one."""
    for job in OWNERS:
        for user in _users(job):
            yield refund(job, user, PRICE[job])
            yield refund(job, user, PRICE[job] - 1)


def completions() -> Iterator[Called]:
    for job in OWNERS:
        for user in _users(job):
            yield complete(job, user)


def charges() -> Iterator[Called]:
    """Of the job that nobody was charged for: its owner or the other user, with credits and without."""
    for user in _users("j3"):
        yield charge("j3", user, PRICE["j3"])
        yield charge("j3", user, OPENING + 1)


def calls() -> tuple[Called, ...]:
    """All shapes of one call."""
    return (*refundings(), *completions(), *charges())


@st.composite
def crowds(draw: Any, made: System, *, workers: tuple[int, int] = (3, 4), faults: Sequence[str] = ()) -> Case:
    """Three or more workers with one or two calls each, a schedule, and perhaps one of the faults."""
    others = st.sampled_from((*refundings(), *completions()))
    any_call = st.one_of(others, st.sampled_from(tuple(charges())))
    charged = False
    drawn = []
    for _ in range(draw(st.integers(*workers))):
        mine = []
        for _ in range(draw(st.integers(1, 2))):
            called = draw(others if charged else any_call)
            charged = charged or called.name == "charge"
            mine.append(called)
        drawn.append(Drawn(calls=tuple(mine), role=draw(st.sampled_from([ROLE, ROLE, ROLE, "anon"]))))
    return Case(system=made, workers=tuple(drawn), numbers=draw(numbers()), blow=draw(blows(faults)))
