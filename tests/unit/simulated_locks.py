"""Locks in miniature: shared and exclusive, first come first served, and who closes a cycle of waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Thing = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Request:
    worker: str
    thing: Thing
    exclusive: bool


class Locks:
    """``holders``: per thing who has it, and whether exclusively. ``queue``: who waits, in order of arrival."""

    def __init__(self) -> None:
        self.holders: dict[Thing, dict[str, bool]] = {}
        self.queue: list[Request] = []

    @property
    def waiting(self) -> set[str]:
        return {r.worker for r in self.queue}

    def take(self, request: Request) -> bool:
        """Whether the request is granted at once; it waits otherwise."""
        if self.free(request):
            self._hold(request)
            return True
        self.queue.append(request)
        return False

    def free(self, request: Request) -> bool:
        """Whether a request that came in now would be granted at once."""
        return self._free(request, self.queue)

    def grant(self) -> str | None:
        """Grant the first request that waits and need not any more; who made it."""
        for i, request in enumerate(self.queue):
            if self._free(request, self.queue[:i]):
                del self.queue[i]
                self._hold(request)
                return request.worker
        return None

    def give_up(self, worker: str) -> None:
        """Withdraw what the worker waits for."""
        self.queue = [r for r in self.queue if r.worker != worker]

    def let_go(self, worker: str) -> None:
        """Drop all that the worker holds."""
        for holders in self.holders.values():
            holders.pop(worker, None)

    def in_a_cycle(self, worker: str) -> bool:
        """Whether the worker waits, in the end, for itself."""
        waits = {r.worker: self._blockers(r, self.queue[:i]) for i, r in enumerate(self.queue)}
        seen: set[str] = set()
        front = set(waits.get(worker, ()))
        while front:
            if worker in front:
                return True
            seen |= front
            front = {b for w in front for b in waits.get(w, ())} - seen
        return False

    def state(self) -> tuple[object, ...]:
        """All that can matter from here on."""
        held = sorted((thing, sorted(holders.items())) for thing, holders in self.holders.items() if holders)
        things = sorted({r.thing for r in self.queue})
        return held, [(thing, [r.worker for r in self.queue if r.thing == thing]) for thing in things]

    def _hold(self, request: Request) -> None:
        holders = self.holders.setdefault(request.thing, {})
        holders[request.worker] = request.exclusive or holders.get(request.worker, False)

    def _free(self, request: Request, ahead: Sequence[Request]) -> bool:
        mine = self.holders.get(request.thing, {}).get(request.worker)
        return mine is True or (mine is False and not request.exclusive) or not self._blockers(request, ahead)

    def _blockers(self, request: Request, ahead: Sequence[Request]) -> set[str]:
        holders = self.holders.get(request.thing, {}).items()
        holding = {w for w, exclusive in holders if w != request.worker and (exclusive or request.exclusive)}
        return holding | {r.worker for r in ahead if r.thing == request.thing and (r.exclusive or request.exclusive)}
