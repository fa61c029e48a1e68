"""Counterexamples get smaller, keep their violation, and never get larger."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from orders import choices, taken, words

from harness.model import Action, Choice, Decision, Execution, Schedule, Statement, StatementKind, Worker
from harness.schedule import size
from harness.shrink import MAX_ATTEMPTS, Shrunk, shrink

X, Y = Statement(name="x", sql="x"), Statement(name="y", sql="y")
WORKERS = tuple(Worker(name=name, statements=(X, Y)) for name in "abc")


def shrunk(found: str, broken: Callable[[list[str]], bool], workers: Sequence[Worker] = WORKERS) -> Shrunk:
    """Shrink where an execution is whatever is asked for, completed by what was left out and is still wanted."""

    def attempt(without: frozenset[str], wanted: Sequence[Choice]) -> Execution | None:
        steps = [str(c) for c in wanted if str(c) not in without and c.worker not in without]
        all_steps = [f"{w.name}.{s.name}" for w in workers if w.name not in without for s in w.statements]
        steps += [s for s in all_steps if s not in steps and s not in without]
        return taken(" ".join(steps)) if broken(steps) else None

    return shrink(taken(found), workers, attempt)


def before(*steps: str) -> Callable[[list[str]], bool]:
    """Broken when all these steps are taken, in this order."""

    def broken(taken_steps: list[str]) -> bool:
        return all(s in taken_steps for s in steps) and sorted(steps, key=taken_steps.index) == list(steps)

    return broken


def test_a_worker_that_is_not_needed_goes() -> None:
    found = shrunk("a.x c.x b.x c.y b.y a.y", before("a.x", "b.x", "a.y"))
    assert found.without == {"c", "b.y"}
    assert words(found.execution) == "a.x b.x a.y"


def test_needless_switches_go() -> None:
    found = shrunk("a.x b.x a.y b.y", lambda steps: {"a.x", "a.y", "b.x", "b.y"} <= set(steps), WORKERS[:2])
    assert size(found.execution.schedule)[0] == 1
    assert not found.without


def test_a_switch_that_is_needed_stays() -> None:
    found = shrunk("a.x b.x b.y a.y", before("a.x", "b.x", "b.y", "a.y"), WORKERS[:2])
    assert words(found.execution) == "a.x b.x b.y a.y"


def test_one_interruption_is_found_where_joining_runs_does_not_lead_to_it() -> None:
    steps = tuple(Statement(name=n, sql=n) for n in ("read", "write", "commit"))
    workers = tuple(Worker(name=name, statements=steps) for name in "ab")

    def lost_update(taken_steps: list[str]) -> bool:
        """Both read before either has committed; whoever writes second waits for the first one's commit."""
        if len(taken_steps) < 6:
            return False
        place = taken_steps.index
        waits = place("b.write") < place("a.commit") and place("a.write") < place("b.commit")
        both = place("b.read") < place("a.commit") and place("a.read") < place("b.commit")
        return both and not (waits and place("b.commit") < place("a.commit"))

    found = shrunk("a.read a.write b.read b.write a.commit b.commit", lost_update, workers)
    assert size(found.execution.schedule)[0] == 2


def test_a_statement_goes_with_its_commit() -> None:
    pay = Statement(name="pay", sql="pay", opens=True)
    workers = (
        Worker(name="a", statements=(pay, Statement(name="pay:commit", sql="COMMIT", kind=StatementKind.COMMIT), X)),
        WORKERS[1],
    )
    found = shrunk("a.pay a.pay:commit a.x b.x b.y", before("a.x", "b.y"), workers)
    assert found.without == {"a.pay", "a.pay:commit", "b.x"}


def test_the_last_worker_stays() -> None:
    found = shrunk("a.x a.y b.x b.y", lambda _: True, WORKERS[:2])
    assert words(found.execution)


def test_nothing_smaller_violates() -> None:
    calls: list[int] = []

    def broken(_: list[str]) -> bool:
        calls.append(1)
        return False

    found = shrunk("a.x b.x a.y b.y", broken, WORKERS[:2])
    assert words(found.execution) == "a.x b.x a.y b.y"
    assert found.attempts == len(calls) <= MAX_ATTEMPTS


@given(
    st.permutations(["a.x", "a.y", "b.x", "b.y", "c.x", "c.y"]), st.sets(st.sampled_from(["a.x", "a.y", "b.x", "c.y"]))
)
def test_it_never_grows_and_keeps_what_is_needed(order: list[str], needed: set[str]) -> None:
    relevant = [s for s in order if s in needed]
    found = shrunk(" ".join(order), before(*relevant))
    assert size(found.execution.schedule) <= size(taken(" ".join(order)).schedule)
    assert [s for s in words(found.execution).split() if s in needed] == relevant
    assert choices(words(found.execution))


def struck_run(*taken_choices: Choice) -> Execution:
    decisions = tuple(Decision(choice=c, enabled=()) for c in taken_choices)
    return replace(taken("a.x"), schedule=Schedule(seed=0, decisions=decisions))


CRASH = Choice(worker="a", action=Action.KILL)
LOST = Choice(worker="a", step="y", action=Action.LOSE)
A_X, A_Y, B_X = (Choice(worker=w, step=s) for w, s in (("a", "x"), ("a", "y"), ("b", "x")))


def test_a_fault_that_is_not_needed_goes_and_what_it_struck_is_run() -> None:
    def attempt(without: frozenset[str], wanted: Sequence[Choice]) -> Execution | None:
        return None if without or B_X not in wanted else struck_run(*wanted)

    found = shrink(struck_run(A_X, B_X, LOST), WORKERS[:2], attempt)
    assert {d.choice for d in found.execution.schedule.decisions} == {A_X, B_X, A_Y}


def test_a_fault_that_is_needed_stays_and_its_double_goes() -> None:
    def attempt(without: frozenset[str], wanted: Sequence[Choice]) -> Execution | None:
        return None if without or CRASH not in wanted else struck_run(*wanted)

    found = shrink(struck_run(A_X, LOST, CRASH, B_X), WORKERS[:2], attempt)
    actions = [d.choice.action for d in found.execution.schedule.decisions]
    assert (actions.count(Action.KILL), actions.count(Action.LOSE)) == (1, 0)


def test_the_faults_of_a_worker_go_with_its_last_statement() -> None:
    """What has no statement left is not there, and a fault for it leads nowhere."""

    def attempt(without: frozenset[str], wanted: Sequence[Choice]) -> Execution | None:
        assert not ({"a.x", "a.y"} <= without and any(c.worker == "a" for c in wanted))
        return None if "a" in without or B_X not in wanted else struck_run(*wanted)

    found = shrink(struck_run(A_X, LOST, CRASH, B_X), WORKERS[:2], attempt)
    assert [d.choice for d in found.execution.schedule.decisions] == [B_X]
