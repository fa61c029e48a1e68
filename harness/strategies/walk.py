"""One execution of the search: along known nodes of the tree as planned, then on into new ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import takewhile

from harness.errors import NondeterminismError
from harness.model import Action, Choice, Effect
from harness.strategies.effects import UNKNOWN, Effects
from harness.strategies.protocol import TO_THE_END
from harness.strategies.tree import Choices, Path, Segment, turn_of, worker_of

Policy = Callable[[tuple[Choice, ...], str], Choice]
"""Which of the choices (never empty), after a turn of that worker ("" at first)."""


def current_first(choices: tuple[Choice, ...], current: str) -> Choice:
    """The worker goes on as long as it can; then the first one."""
    return next((c for c in choices if c.worker == current), choices[0])


class Walk:
    """``plan``: its first turns; then ``policy`` chooses, among the workers that are not asleep unless it ``insists``,
    and no fault as long as a step is left.

    ``path``: the turns so far, up to where it became redundant. ``new``: the segment that it adds to the tree.
    ``redundant``: at some point all that was possible (or insisted on) was asleep: what followed repeats an earlier
    execution in another order. ``over``: it came to its end. ``grew``: a repeated turn did more than it had before.
    """

    def __init__(
        self,
        root: Segment | None,
        plan: Sequence[str],
        policy: Policy,
        *,
        insists: bool,
        effects: Effects,
        choices: Choices,
    ) -> None:
        self._at, self._plan, self._policy, self._insists = root, plan, policy, insists
        self._effects, self._choices = effects, choices
        self._current = ""
        self._turn = ""
        self._cost: int | None = None
        """Of the turn in hand; None between turns, and where nothing is kept any more."""
        self._last: dict[str, int] = {}
        self.path = Path()
        self.new = Segment(None, 0, "") if root is None else None
        self.redundant = self.over = self.grew = False

    def choose(self, enabled: tuple[Choice, ...]) -> Choice | None:
        self._close_turn(UNKNOWN)  # nobody has observed the last one
        if not self.redundant:
            self._arrive(enabled)
        if not enabled:
            self.over = True
            return None
        choice = self._pick(enabled)
        if not self.redundant:
            self._set_out(turn_of(choice), enabled)
        self._current = choice.worker
        return choice

    def observe(self, effect: Effect) -> None:
        self._close_turn(self._effects.number(effect))

    def ahead(self) -> int:
        """How many of the next turns go to the worker chosen last, if it can act and nobody waits: its next turns are
        never asleep, because they depend on this one, and both policies go on with it."""
        following = self._plan[self._depth + 1 :] if not self.redundant else ()
        same = sum(1 for _ in takewhile(lambda worker: worker == self._current, following))
        return same if same < len(following) else TO_THE_END

    # ------------------------------------------------------------------------------------------------ internals

    @property
    def _depth(self) -> int:
        return len(self.path.workers)

    def _arrive(self, enabled: tuple[Choice, ...]) -> None:
        """Compare with what was possible at this node before, or note it."""
        if self._at is None:
            assert self.new is not None
            self.new.enabled.append(self._choices.number(enabled))
            return
        known = self._choices[self._at.enabled[self._depth - self._at.start]]
        if known != enabled and set(known) != set(enabled):
            raise NondeterminismError(
                f"T{self._depth}: the same choices led to {_list(enabled)} in place of {_list(known)}"
            )

    def _pick(self, enabled: tuple[Choice, ...]) -> Choice:
        if self._depth < len(self._plan) and not self.redundant:
            return next(c for c in enabled if turn_of(c) == self._plan[self._depth])
        steps = tuple(c for c in enabled if c.action is Action.RUN)
        if self.redundant or self._insists:
            return self._policy(steps, self._current)
        asleep = self.path.sleeps[self._depth]
        awake = tuple(c for c in enabled if turn_of(c) not in asleep)
        return self._policy(tuple(c for c in steps if c in awake) or awake or steps, self._current)

    def _set_out(self, worker: str, enabled: tuple[Choice, ...]) -> None:
        """Begin a turn: along the tree, or out of it."""
        if worker in self.path.sleeps[self._depth]:
            self.redundant = True
            return
        self._cost = self.path.cost(self._depth, worker, enabled)
        if self._at is not None and not isinstance(self._at.child(self._depth, worker), Segment):
            self.new = Segment(self._at, self._depth + 1, worker)
        self._turn = worker

    def _close_turn(self, effect: int) -> None:
        if self._cost is None:
            return
        depth, worker = self._depth, self._turn
        owner = self._at or self.new
        assert owner is not None
        if self._at is not None and self.new is None:
            known = owner.effect_of(depth, worker)
            effect = self._effects.union(known, effect)
            if effect != known:
                self.grew = True
                owner.set_effect(depth, worker, effect)
        self.path.take(owner, worker, effect, self._cost, self._effects)
        self._cost = None
        self._step(depth, worker, effect)
        self._note_waits(depth, worker, effect)

    def _step(self, depth: int, worker: str, effect: int) -> None:
        """Move on to the next node."""
        if self._at is None:
            assert self.new is not None
            self.new.taken.append(worker)
            self.new.effects.append(effect)
        elif self.new is not None:
            self.new.entry = effect
            self._at = None
        else:
            child = self._at.child(depth, worker)
            assert isinstance(child, Segment)
            self._at = child

    def _note_waits(self, depth: int, worker: str, effect: int) -> None:
        """Who is moved on in another's turn must have begun to wait in the last one that it moved in. Where that turn
        did not say so, it does from now on."""
        moved, name = self._effects.workers(effect), worker_of(worker)
        for woken in moved - {name}:
            turn = self._last.get(woken)
            if turn is None:
                continue
            grown = self._effects.waiting(self.path.turns[turn])
            if grown != self.path.turns[turn]:
                self.grew = True
                self._amend(turn, grown)
        for mover in (*moved, name):
            self._last[mover] = depth

    def _amend(self, turn: int, effect: int) -> None:
        self.path.turns[turn] = effect
        new = self.new
        if new is not None and turn >= new.start:
            new.effects[turn - new.start] = effect
        elif new is not None and turn == new.start - 1:
            new.entry = effect
        else:
            self.path.owners[turn].set_effect(turn, self.path.workers[turn], effect)


def _list(choices: tuple[Choice, ...]) -> str:
    return "{" + ", ".join(sorted(map(str, choices))) + "}"
