"""Deadlocks of one execution, those too that a function has swallowed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from harness.driver.client import Client, State
from harness.driver.cycles import CAUGHT, FAILED, Member, Words, members_told
from harness.driver.holdings import Holding, Holdings
from harness.driver.observer import Observer
from harness.driver.phrases import Wanted, logged_wait
from harness.driver.recorder import Recorder
from harness.driver.wire import Message
from harness.model import Event, EventKind

DEADLOCK_DETECTED = "40P01"
_FLUSH = "SELECT pg_catalog.pg_stat_force_next_flush()"


@dataclass(slots=True, kw_only=True)
class _Case:
    """One deadlock, or what may be one. ``members``: by worker, as they were when it was noted, the one that closed the
    cycle first. ``waits``: whom the others wait for. ``certain``: the server has told who is in the cycle, and in which
    order."""

    event: Event | None = None
    closer: str
    members: dict[str, Member]
    waits: Mapping[str, frozenset[str]]
    holding: Holding | None
    certain: bool = False


class Deadlocks:
    """Notes each deadlock once. ``countable``: the server's count of them is ours alone. ``holdings``: of an execution
    that is watched closely, so that it is known since when something is held. ``told``: its sessions tell of waits.

    A cycle of waits lasts one millisecond; around a single table or advisory key there is not even a wait. When a
    function then swallows the error, and neither its session tells of its waits nor was the controller quick enough to
    see the cycle, nothing tells but that count, and it is brought up to date only when a session is idle: so statements
    that may have closed a cycle are remembered as suspects, and `settle` asks at the end.
    """

    def __init__(
        self,
        observer: Observer,
        recorder: Recorder,
        clients: Sequence[Client],
        holdings: Holdings | None,
        *,
        countable: bool,
        told: bool,
    ) -> None:
        self._observer, self._recorder, self._clients, self._countable = observer, recorder, clients, countable
        self._holdings, self._told = holdings, told
        self._by_backend = {c.backend: c.name for c in clients}
        self._known: set[frozenset[int]] = set()
        self._cases: list[_Case] = []
        self._suspects: list[tuple[int, int, Client, _Case]] = []
        self._victims: list[Client] = []

    def note(self, closer: Client) -> None:
        """The worker ``closer`` has closed a cycle (it may have been told before)."""
        members = self._members(closer)
        key = frozenset(c.backend for c in members)
        self._victims.append(closer)
        if key in self._known:
            return
        self._known.add(key)
        names = [c.name for c in members]
        self._recorder.note(EventKind.DEADLOCK, closer.name, closer.statement.name, blockers=names)
        case = self._case(members)
        case.event = self._recorder.events[-1]
        self._cases.append(case)

    def heard(self, client: Client) -> bool:
        """Whether the server has said that this worker's step, which is over now, has closed a cycle."""
        return any(w.final for w in _waits(client))

    def tell(self, client: Client, reply: Message) -> None:
        """The step of a worker is over that has closed a cycle; ``reply`` is its answer, or tells of a gate."""
        case = next((c for c in reversed(self._cases) if c.closer == client.name), None)
        if case is None or case.members[client.name].victim:
            return
        victim = FAILED if reply.get("sqlstate") == DEADLOCK_DETECTED else CAUGHT
        wanted = next((w for w in _waits(client) if w.final), None)
        case.members[client.name] = replace(case.members[client.name], wanted=wanted, victim=victim)
        for told in members_told(reply, client.backend, self._by_backend):
            case.certain = True
            member = case.members.get(told.worker, told)
            assert told.wanted is not None
            # What a waiter has said itself, of the same lock, says more.
            known = member.wanted if member.wanted is not None and member.wanted.ident == told.wanted.ident else None
            case.members[told.worker] = replace(member, wanted=known or told.wanted, holder=told.holder)

    @property
    def anybody_waits(self) -> bool:
        """Else nobody's step can close a cycle."""
        return State.BLOCKED in [c.state for c in self._clients]

    def suspect(self, client: Client) -> None:
        """The statement of ``client`` that is over now could have closed a cycle unseen. To be called before its end is
        noted."""
        members = self._members(client)
        if self._countable and len(members) > 1:
            place = len(self._recorder.events), self._recorder.turn
            self._suspects.append((*place, client, self._case(members)))

    def settle(self) -> None:
        """When every session is idle: note the deadlock that was swallowed unseen, if there was one; and put together
        what is known of each."""
        for case in self._cases:
            self._explain(case)
        involved = [*self._victims, *(client for _, _, client, _ in self._suspects)]
        if not self._countable or not involved:
            return
        for client in dict.fromkeys(involved):
            if client.process.backend == client.backend:
                client.process.ask({"do": "run", "sql": _FLUSH})
        if self._observer.new_deadlocks() and not self._known:
            index, turn, client, case = self._suspects[0]
            case.event = self._recorder.insert(
                index, turn, EventKind.DEADLOCK, client.name, blockers=list(case.members)
            )
            if self._told:
                _infer(case)
            self._explain(case)

    def _explain(self, case: _Case) -> None:
        assert case.event is not None
        if not case.members[case.closer].victim:
            return  # seen by luck, and swallowed: what else was seen would be luck as well
        cycle = _in_order(case)
        rows = Words(self._observer, case.holding).rows(cycle)
        names = [m.worker for m in cycle]
        order = [case.closer, *(c.name for c in self._clients if c.name != case.closer)]
        blockers = tuple(n for n in order if n in names)
        self._recorder.replace(case.event, replace(case.event, blockers=blockers, cycle=rows))

    def _case(self, members: Sequence[Client]) -> _Case:
        return _Case(
            closer=members[0].name,
            members={c.name: self._member(c) for c in members},
            waits={c.name: frozenset(map(self._name, c.waits_for)) for c in members[1:]},
            holding=self._holdings.now if self._holdings is not None else None,
        )

    def _member(self, client: Client) -> Member:
        """A worker as it waits now; one that nobody holds up in its steps may already have gone on."""
        recorder = self._recorder
        begun = recorder.latest(client.name, EventKind.INVOKE, EventKind.STEP)
        blocked = recorder.latest(client.name, EventKind.BLOCKED) if client.state is State.BLOCKED else None
        wanted = None
        if blocked is not None and (waits := _waits(client)):
            wanted = waits[-1]
        elif blocked is not None and self._holdings is not None:
            wanted = self._holdings.now.waits.get(client.name)
        return Member(
            worker=client.name,
            wanted=wanted,
            holder="",
            turn=blocked.turn if blocked is not None else recorder.turn,
            begun=begun,
        )

    def _members(self, closer: Client) -> list[Client]:
        """``closer`` and whoever waits for it, through others too: from the waits seen before, not from a look at the
        cycle, since the server may have broken that by now, and the history must not depend on who was faster."""
        members = {closer.backend}
        blocked = [c for c in self._clients if c.state is State.BLOCKED]
        while found := {c.backend for c in blocked if members & set(c.waits_for)} - members:
            members |= found
        return [closer, *(c for c in blocked if c.backend in members)]

    def _name(self, backend: int) -> str:
        return self._by_backend.get(backend, "")


def _waits(client: Client) -> list[Wanted]:
    """What the server has told of waits in the step in hand, the earliest first."""
    found = (logged_wait(told["said"], told["context"]) for told in client.process.waits)
    return [w for w in found if w is not None]


def _infer(case: _Case) -> None:
    """What was not told of a deadlock between two that was seen without any wait: then who closed it holds the very
    lock that the other one waits for, and asked for more of it."""
    closer, *others = case.members.values()
    wanted = others[0].wanted
    if len(others) > 1 or wanted is None or wanted.kind not in ("relation", "advisory") or case.holding is None:
        return
    if case.holding.of(closer.worker, (wanted.kind, wanted.ident, wanted.tid)):
        more = Wanted(mode="", kind=wanted.kind, ident=wanted.ident)
        case.members[closer.worker] = replace(closer, wanted=more, victim=CAUGHT)


def _in_order(case: _Case) -> list[Member]:
    """The members of the cycle, each waiting for the next, the one that closed it first. Where that cannot be told, all
    that are known to have waited, without saying for whom."""
    closer = case.members[case.closer]
    if case.certain:
        cycle = [closer]
        while (following := case.members[cycle[-1].holder]) is not closer:
            cycle.append(following)
        return cycle
    holder = _holder(case, closer)
    path = _path(case, holder, closer.worker) if holder else []
    if not path:
        return list(case.members.values())
    names = [closer.worker, *path]
    return [replace(case.members[n], holder=after) for n, after in zip(names, [*path, closer.worker], strict=True)]


def _holder(case: _Case, closer: Member) -> str:
    """Whom the one that closed a cycle waited for: the only other one there is, or whoever holds what it wanted."""
    others = [name for name in case.members if name != closer.worker]
    if len(others) == 1:
        return others[0]
    wanted = closer.wanted
    if wanted is None or case.holding is None:
        return ""
    if wanted.kind == "transaction":
        return case.holding.owners.get(wanted.ident[0], "")
    lock = (wanted.kind, wanted.ident, wanted.tid)
    holders = [name for name in others if case.holding.of(name, lock)]
    return holders[0] if len(holders) == 1 else ""


def _path(case: _Case, start: str, end: str) -> list[str]:
    """From ``start``, through those that each one waits for, to just before ``end``; empty: there is none."""
    paths = [[start]]
    seen = {start}
    while paths:
        path = paths.pop(0)
        waits = case.waits.get(path[-1], frozenset())
        if end in waits:
            return path
        for name in sorted(waits - seen - {""}):
            seen.add(name)
            paths.append([*path, name])
    return []
