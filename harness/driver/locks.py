"""Who waits for whom; and rules in place of luck for who wakes first and who falls victim to a deadlock."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from harness.driver.client import Client, State
from harness.driver.observer import Observer
from harness.errors import DriverError

DEADLOCK_QUIET_S = 0.001
"""Between a block and the next step that could close a cycle of waits: the waiter's own deadlock check is then due (it
is deadlock_timeout on a server of ours). Once it is over, the worker that closes a cycle is always the victim."""
_QUIET_BOUND_S = 30.0
_POLL_S = 0.0002

Waits = Mapping[int, tuple[int, ...]]
"""For each backend those of our own backends that it waits for."""


class Locks:
    """The waits of one execution. ``told``: its sessions tell what they wait for. ``orphans``: backends of dead workers
    that were waiting when their client died, and that go on when they are set free."""

    def __init__(self, observer: Observer, clients: Sequence[Client], *, owned: bool, told: bool = False) -> None:
        self._observer, self._clients, self._owned, self._told = observer, clients, owned, told
        self._by_backend = {c.backend: c for c in clients}
        self.orphans: list[Client] = []

    def renew(self) -> None:
        """The workers have other backends than before, and those of dead ones are gone."""
        self.count_anew()
        self.orphans.clear()

    def count_anew(self) -> None:
        """Workers have other backends than before."""
        self._by_backend = {c.backend: c for c in self._clients}

    def waits(self) -> Waits:
        """Who waits for whom now, counting only our own workers. The server looks at one after the other, and a cycle
        lasts for a millisecond: whoever runs, and may close one, comes last. Were it first, and struck before the
        others are looked at, it would seem to wait for somebody who does not wait."""
        watched = [c for c in self._clients if c.state is State.BLOCKED] + self.orphans
        watched += [c for c in self._clients if c.state is State.RUNNING]
        found = self._observer.waits([c.backend for c in watched])
        return {pid: tuple(b for b in blockers if b in self._by_backend) for pid, blockers in found.items()}

    def names(self, backends: Sequence[int]) -> list[str]:
        return [self._by_backend[pid].name for pid in backends]

    def await_checks(self, stopped: Sequence[Client] = ()) -> None:
        """Wait until the deadlock check of every waiter, but the stopped ones, is over: to be done before a step that
        could close a cycle.

        Time alone does not tell on a busy machine, where a backend may begin to wait, or wake up for its check, late.
        """
        waiting = [c for c in self._waiting() if c not in stopped and not c.checked]
        if not waiting:
            return
        _sleep_until(max(c.blocked_since for c in waiting) + DEADLOCK_QUIET_S)
        backends = [c.backend for c in waiting]
        if self._owned:
            self._await(lambda: self._observer.waited(backends, DEADLOCK_QUIET_S), backends)
            _ring(backends)
            self._await(lambda: self._past_checks(backends), backends)
        for client in waiting:
            client.checked = True
            if self._told:
                client.process.caught_up()  # and passes on what the server has said of this wait

    def freeze(self, acting: Client) -> list[Client]:
        """Stop all waiting backends but the one that asked first, in that order, so that who wakes first is a rule. On
        a server that is not ours nobody may do that: empty.

        They are asleep in their lock waits, and past their deadlock check, so nobody can need what they hold.
        """
        waiting = self._waiting()
        if not self._owned or len(waiting) < 2:
            return []
        waiting.sort(key=lambda c: c.asked)
        self.await_checks()
        frozen = [c for c in waiting[1:] if c is not acting]
        for client in frozen:
            os.kill(client.backend, signal.SIGSTOP)
        return frozen

    def thaw(self, client: Client) -> None:
        """Let a stopped backend go on. May be called again."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(client.backend, signal.SIGCONT)

    def waits_on(self, backend: int) -> bool:
        """Whether a backend waits for a lock, past its deadlock check: what closes a cycle does not wait, but ends."""
        before = self._observer.waits([backend])[backend]
        if not before or not self._observer.waited([backend], DEADLOCK_QUIET_S):
            return False
        if self._owned:
            _ring([backend])
            while not self._past_checks([backend]) and self._observer.waits([backend])[backend] == before:
                time.sleep(_POLL_S)
        return self._observer.waits([backend])[backend] == before

    def _past_checks(self, backends: Sequence[int]) -> bool:
        """Of backends that were rung: whether all have gone to sleep again, over their waits and not over what the
        check itself needs."""
        return all(_asleep(pid) for pid in backends) and self._observer.waited(backends, DEADLOCK_QUIET_S)

    def _await(self, truth: Callable[[], bool], backends: Sequence[int]) -> None:
        deadline = time.monotonic() + _QUIET_BOUND_S
        while not truth():
            if time.monotonic() > deadline:
                raise DriverError(f"backends {backends} neither sleep nor go on")
            time.sleep(_POLL_S)

    def _waiting(self) -> list[Client]:
        return [c for c in self._clients if c.state is State.BLOCKED] + self.orphans


def closes_a_cycle(start: int, waits: Waits) -> bool:
    """Whether ``start`` waits, through others, for itself."""
    reached: set[int] = set()
    front = set(waits[start])
    while front:
        reached |= front
        front = {b for pid in front for b in waits.get(pid, ())} - reached
    return start in reached


def _ring(backends: Sequence[int]) -> None:
    """Ring the alarm of backends that is due by now: it rings by itself as late as it likes. Where the processor is
    taken away from a virtual machine, a sleeper whose alarm is due looks just like one that has gone to sleep again.
    Who is rung looks at the clock and does what is due by that, and does not sleep before it has."""
    for pid in backends:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGALRM)


def _asleep(pid: int) -> bool:
    """Whether a process sleeps; where that cannot be seen (not Linux, hidden from us), True."""
    try:
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]
    except OSError:
        return True
    return state == b"S"


def _sleep_until(moment: float) -> None:
    pause = moment - time.monotonic()
    if pause > 0:
        time.sleep(pause)
