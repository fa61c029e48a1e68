"""The server looks at one waiter after the other, and a cycle of waits lasts for a millisecond."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from harness.driver.client import State
from harness.driver.locks import Locks
from harness.driver.waiting import Waiting

A, B, C = 11, 12, 13
Answer = dict[int, tuple[int, ...]]


class Server:
    """Gives one answer after the other; ``asked``: for whom, in which order."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.asked: list[list[int]] = []

    def waits(self, pids: Sequence[int]) -> Answer:
        self.asked.append(list(pids))
        answer = self.answers.pop(0)
        return {pid: answer.get(pid, ()) for pid in pids}


def client(name: str, backend: int, state: State, waits_for: tuple[int, ...] = ()) -> Any:
    return SimpleNamespace(name=name, backend=backend, state=state, waits_for=waits_for, woken=False, deadlocked=False)


class Watched(Waiting):
    """Only tells what it would have noted."""

    def __init__(self, clients: Sequence[Any], server: Server) -> None:
        nothing: Any = SimpleNamespace(caught_up=lambda _: True)
        observer: Any = server
        super().__init__(
            clients, observer, Locks(observer, clients, owned=True), nothing, nothing, nothing, nothing, lambda: None,
            held=True,
        )  # fmt: skip
        self.noted: list[tuple[str, ...]] = []

    def _block(self, client: Any, blockers: tuple[int, ...]) -> None:
        self.noted.append(("blocked", client.name, *map(str, blockers)))

    def note_deadlock(self, closer: Any) -> None:
        self.noted.append(("deadlock", closer.name))


def looked(*answers: Answer) -> tuple[list[tuple[str, ...]], Server]:
    """Worker a runs, and b waits for it; c is held."""
    clients = [client("a", A, State.RUNNING), client("b", B, State.BLOCKED, (A,)), client("c", C, State.PARKED)]
    server = Server(*answers)
    watched = Watched(clients, server)
    watched.look(clients[:1])
    assert not server.answers
    return watched.noted, server


def test_whoever_runs_is_looked_at_last() -> None:
    noted, server = looked({A: (C,), B: (A,)})
    assert server.asked == [[B, A]]
    assert noted == [("blocked", "a", str(C))]


def test_a_cycle_that_is_still_there_or_gone_with_its_closer_is_a_deadlock() -> None:
    cycle = {A: (B,), B: (A,)}
    assert looked(cycle, cycle)[0] == [("deadlock", "a")]
    assert looked(cycle, {B: (A,)})[0] == [("deadlock", "a")]
    assert looked(cycle, {})[0] == [("deadlock", "a")]


def test_who_had_let_go_before_it_waited_closes_none() -> None:
    assert looked({A: (B,), B: (A,)}, {A: (B,)})[0] == [("blocked", "a", str(B))]


def test_nobody_is_asked_twice_about_a_plain_wait() -> None:
    assert looked({A: (B,)})[0] == [("blocked", "a", str(B))]
    assert looked({})[0] == []
