"""Every order of the workers' steps that can make a difference, those with few preemptive switches first.

Stateless model checking with dynamic partial-order reduction: source sets and sleep sets (Abdulla, Aronis, Jonsson,
Sagonas: "Optimal dynamic partial order reduction", POPL 2014). Orders that differ only in neighbouring turns that are
independent (`harness.dependence`) lead to the same answers, waits and ledger; of each such class one is executed,
rarely more. After an execution its races are looked for, and each asks for the branch that reverses it, unless a
branch or a sleeping worker covers that already.

The textbook goes depth first. Here the branches wait in one list, and the one with the fewest preemptive switches
(leaving a worker that could go on) is next, so that the first counterexample is short and what a limit cuts off is
the far-fetched rest. That is sound for the same reason: sleep sets only look at branches *begun* before, so whatever a
sleeping worker stands for is covered by an earlier branch once the list is empty; and the tree that is then complete
is one that the depth-first search could have built too, had it added and taken the same branches in this order.

With ``faults`` at most one of them strikes in an execution, and the orders are those of the steps and the fault. A
fault is an alternative to the step that its worker stands before: wherever that step has been taken, the fault is tried
too. Who is struck could be undone in whatever it did, so that a fault depends on every other turn that does anything,
and the races with those turns bring it to every place among the steps of the others that makes a difference.

Measured with 3 workers of 20 steps that conflict often: 100,000 executions of 60 turns, with 143,000 branches still
waiting, take 188 MB, and 2 ms of thinking each.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence

from harness.dependence import dependent
from harness.model import Action, Choice, Effect
from harness.strategies.effects import UNKNOWN, Dependent, Effects
from harness.strategies.foreseen import Guide
from harness.strategies.protocol import Facts
from harness.strategies.races import Race, races
from harness.strategies.route import Route
from harness.strategies.tree import Choices, Path, Pending, Segment, turn_of, worker_of
from harness.strategies.walk import Policy, Walk, current_first

Strikes = Callable[[Choice], Iterable[Action]]
"""The faults that can strike a worker in place of this step."""


def none(_step: Choice) -> Iterable[Action]:
    """No fault ever strikes."""
    return ()


class Exhaustive:
    """``explored``: executions so far. ``pruned``: those that turned out, on the way, to repeat an earlier one in
    another order; they ran on, but were not looked at further.

    A turn without an observed effect is taken to depend on every other: without `observe` nothing is reduced. A turn
    whose effect turns out larger when it is repeated is taken to be the union, and what was concluded from the smaller
    one is gone through again before the search claims to be exhausted.
    """

    name = "exhaustive"

    def __init__(self, *, dependent: Dependent = dependent, faults: Strikes = none) -> None:
        self.explored = 0
        self.pruned = 0
        self._effects = Effects(dependent)
        self._choices = Choices()
        self._segments: list[Segment] = []
        self._waiting: list[tuple[int, int, Segment, int, str]] = []
        self._usual: dict[Choice, int] = {}
        """The number of the effect that a step had when it was taken last, as far as the segments were ``noted``."""
        self._noted = 0
        self._scheduled = 0
        self._reached = 0
        self._stale = False
        self._done = False
        self._walk: Walk | None = None
        self._faults = faults
        self._struck = False

    @property
    def exhausted(self) -> bool:
        return self._done

    def ahead(self) -> int:
        """As planned; beyond the plan a worker runs to its end."""
        assert self._walk is not None, "start() first"
        return self._walk.ahead()

    def facts(self) -> Facts:
        """``switches``: preemptive switches of the farthest branch so far; ``waiting``: branches not yet executed."""
        return {
            "explored": self.explored,
            "pruned": self.pruned,
            "switches": self._reached,
            "waiting": sum(_pends(s, depth, worker) for _, _, s, depth, worker in self._waiting),
        }

    def start(self) -> bool:
        if not self.more():
            return False
        if not self._segments:
            self._walk = self._new_walk([], current_first)
        else:
            cost, _, segment, depth, worker = self._waiting[0]  # it leaves the list when it has been executed
            self._reached = max(self._reached, cost)
            self._walk = self._new_walk([*segment.route(depth), worker], current_first)
        return True

    def more(self) -> bool:
        """Whether anything is left to execute (it ends what is in hand); if not, the search is exhausted."""
        self._conclude()
        while self._segments and not self._done:
            self._drop_executed()
            if self._waiting:
                return True
            self._done = not self._reconsider()
        return not self._done

    def start_with(self, policy: Policy) -> None:
        """Begin an execution that follows ``policy``, wanted for its own sake; it counts for the search like any."""
        self._conclude()
        self._walk = self._new_walk([], policy, insists=True)

    def choose(self, enabled: tuple[Choice, ...]) -> Choice | None:
        assert self._walk is not None, "start() first"
        if not self._struck:
            enabled = (*enabled, *(step.struck_by(fault) for step in enabled for fault in self._faults(step)))
        choice = self._walk.choose(enabled)
        self._struck = self._struck or (choice is not None and choice.action is not Action.RUN)
        return choice

    def observe(self, effect: Effect) -> None:
        assert self._walk is not None, "start() first"
        self._walk.observe(effect)

    def foresee(self, count: int) -> list[Guide]:
        """The branches that wait. What a sleeping worker would do is known only when it has been executed; of those
        that come sooner it is guessed from what the same step did last."""
        self._conclude()
        self._drop_executed()
        self._note_usual()
        guides: list[Guide] = []
        sooner: dict[tuple[int, int], dict[str, int]] = {}
        for _, _, segment, depth, turn in heapq.nsmallest(count, self._waiting):
            if not _pends(segment, depth, turn):
                continue
            guessed = sooner.setdefault((id(segment), depth), {})
            asleep = {**self._path(segment, depth).sleeps[depth], **dict(segment.begun(depth)), **guessed}
            asleep.pop(turn, None)
            turns = (*segment.route(depth), turn)
            guides.append(Route(turns=turns, asleep=tuple((t, self._effects[e]) for t, e in asleep.items())))
            guessed[turn] = self._usual.get(self._step(segment, depth, turn), UNKNOWN)
        return guides

    # ------------------------------------------------------------------------------------- after an execution

    def _new_walk(self, plan: Sequence[str], policy: Policy, *, insists: bool = False) -> Walk:
        root = self._segments[0] if self._segments else None
        self._struck = False
        return Walk(root, plan, policy, insists=insists, effects=self._effects, choices=self._choices)

    def _conclude(self) -> None:
        """Learn from the execution that is over. One that was given up half-way teaches nothing: it comes again."""
        walk, self._walk = self._walk, None
        if walk is None or not walk.over:
            return
        self.explored += 1
        self.pruned += walk.redundant
        self._stale = self._stale or walk.grew
        new = walk.new
        if new is None:
            return
        self._segments.append(new)
        if new.parent is not None:
            self._settle(new, walk.path, new.parent.add_branch(new))
        self._analyse(new, walk.path)

    def _drop_executed(self) -> None:
        """Have a branch that is still to be executed at the head of the list."""
        while self._waiting and not _pends(*self._waiting[0][2:]):
            heapq.heappop(self._waiting)

    def _note_usual(self) -> None:
        """What has been executed since somebody asked last."""
        for new in self._segments[self._noted :]:
            if new.parent is not None:
                self._usual[self._step(new.parent, new.start - 1, new.worker)] = new.entry
            for depth, turn in enumerate(new.taken, new.start):
                self._usual[self._step(new, depth, turn)] = new.effects[depth - new.start]
        self._noted = len(self._segments)

    def _settle(self, new: Segment, path: Path, waited: Pending | None) -> None:
        """The first turn of a branch is known now: does it reverse the races that it was meant to?"""
        assert new.parent is not None
        for between, first in sorted(waited.owed, key=_by_content) if waited is not None else ():
            if not self._effects.independent_of_all(new.entry, between):
                self._try_one_of(path, new.start - 1, first)

    def _analyse(self, segment: Segment, path: Path) -> None:
        """Ask for the branches that reverse the races of ``segment``, at the end of ``path``."""
        for race in races(path.workers, path.turns, self._effects, since=max(segment.start - 1, 0)):
            self._reverse(race, path)
        for depth in range(max(segment.start, 1), segment.end + 1):
            self._note_vanished(segment, depth, path)
        end = segment.end
        enabled = self._choices[segment.enabled[-1]]
        # A redundant execution stopped here. (All are asleep, unless a policy wanted one that is.)
        if enabled and not any(segment.child(end, turn_of(c)) for c in enabled):
            awake = [turn_of(c) for c in enabled if turn_of(c) not in path.sleeps[end]]
            if awake:
                self._schedule(path, segment, end, awake[0])

    def _note_vanished(self, segment: Segment, depth: int, path: Path) -> None:
        """Nobody's turn should keep another from acting who could; if one does, who vanished is tried before it. With
        its step a worker passes the faults that could have struck there, and with one fault all others are passed."""
        taken = path.workers[depth - 1]
        moved = {worker_of(taken), *self._effects.workers(path.turns[depth - 1])}
        still = {c.worker for c in self._enabled(segment, depth)}
        for choice in self._enabled(path.owners[depth - 1], depth - 1):
            turn = turn_of(choice)
            if choice.action is Action.RUN:
                gone = turn not in still | moved
            else:
                gone = turn != taken and (worker_of(taken) != taken or taken == choice.worker)
            if gone:
                self._try_one_of(path, depth - 1, [turn])

    def _reverse(self, race: Race, path: Path) -> None:
        owner, depth, rival = path.owners[race.at], race.at, race.rival
        if any(owner.child(depth, w) is not None or w in path.sleeps[depth] for w in race.first):
            return
        child = owner.child(depth, rival)
        if child is not None or rival in path.sleeps[depth]:
            if isinstance(child, Pending):
                if race.rival_first:
                    child.owed.add((race.between, race.first))
                    return
            else:
                effect = path.sleeps[depth][rival] if child is None else owner.effect_of(depth, rival)
                if self._effects.independent_of_all(effect, race.between):
                    return
        elif race.rival_first and self._can(owner, depth, rival):
            self._schedule(path, owner, depth, rival)
            child = owner.child(depth, rival)
            if isinstance(child, Pending) and race.between:
                child.owed.add((race.between, race.first))
            return
        self._try_one_of(path, depth, race.first)

    def _try_one_of(self, path: Path, depth: int, workers: Sequence[str]) -> None:
        """Have one of them tried at the node. Where none is possible what is known of effects is not the whole truth:
        then all that is."""
        owner = path.owners[depth]
        if any(owner.child(depth, w) is not None or w in path.sleeps[depth] for w in workers):
            return
        possible = [w for w in workers if self._can(owner, depth, w)][:1]
        for worker in possible or [turn_of(c) for c in self._enabled(owner, depth)]:
            if owner.child(depth, worker) is None and worker not in path.sleeps[depth]:
                self._schedule(path, owner, depth, worker)

    def _schedule(self, path: Path, owner: Segment, depth: int, worker: str) -> None:
        owner.branches.setdefault(depth, {})[worker] = Pending()
        cost = path.cost(depth, worker, self._enabled(owner, depth))
        self._scheduled += 1
        heapq.heappush(self._waiting, (cost, self._scheduled, owner, depth, worker))

    def _reconsider(self) -> bool:
        """Where effects have grown since, go through all executions again; whether that asked for branches."""
        if not self._stale:
            return False
        self._stale = False
        for segment in self._segments:
            self._analyse(segment, self._path(segment, segment.end))
        return bool(self._waiting)

    def _path(self, segment: Segment, end: int) -> Path:
        """From the root to the node of ``segment`` at depth ``end``."""
        path, segments = Path(), []
        above: Segment | None = segment
        while above is not None:
            segments.append(above)
            above = above.parent
        at = segments.pop()
        for depth, worker in enumerate(segment.route(end)):
            cost = path.cost(depth, worker, self._enabled(at, depth))
            path.take(at, worker, at.effect_of(depth, worker), cost, self._effects)
            if segments and segments[-1].start == depth + 1:
                at = segments.pop()
        return path

    def _enabled(self, owner: Segment, depth: int) -> tuple[Choice, ...]:
        return self._choices[owner.enabled[depth - owner.start]]

    def _step(self, owner: Segment, depth: int, turn: str) -> Choice:
        """The choice that ``turn`` was, or would be, from the node at ``depth``."""
        return next(c for c in self._enabled(owner, depth) if turn_of(c) == turn)

    def _can(self, owner: Segment, depth: int, worker: str) -> bool:
        return any(turn_of(c) == worker for c in self._enabled(owner, depth))


def _pends(segment: Segment, depth: int, worker: str) -> bool:
    return isinstance(segment.child(depth, worker), Pending)


def _by_content(owed: tuple[frozenset[int], tuple[str, ...]]) -> tuple[list[int], tuple[str, ...]]:
    between, first = owed
    return sorted(between), first
