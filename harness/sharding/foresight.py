"""Lets shards execute what a strategy is going to ask for, and has the strategy ask for it all the same.

An execution is a function of its choices. So whatever shards have done is taken only when the strategy, asked for one
choice after the other with what was possible then and told what each turn did, chooses the same; where it does not,
the execution is done here, from that choice on by the strategy. What a campaign finds is therefore the same with any
number of shards, and with none.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from concurrent.futures import Future, wait

from harness.errors import DriverError, HarnessError
from harness.model import Decision
from harness.sharding.judged import Judged
from harness.sharding.work import Batch, Play, Recorded, Shards
from harness.strategies.foreseen import Foreseeing
from harness.strategies.protocol import Strategy
from harness.strategies.rewound import Rewound

BATCH = 16
"""Executions that travel together: enough to make a message cheap, few enough to be there soon."""
FIRST = 6
"""Per shard, of what is foreseen at first."""
BATCHES = 3
"""Per shard: one in work, others on the way."""

FAILURES = 3
"""So many batches in a row may fail, and are executed here; with the next one that is an error."""
LISTEN_S = 0.2


class OverError(Exception):
    """The campaign is to end before the shard has answered."""


class Foresight:
    """``taken``, ``missed``: executions that shards had done, and that they had not, since `look` was first called.
    ``over``: whether the campaign is to end, however long a shard takes."""

    def __init__(
        self, strategy: Foreseeing, shards: Shards, play: Play, over: Callable[[], bool] = lambda: False
    ) -> None:
        self._strategy, self._shards, self._play, self._over = strategy, shards, play, over
        self._futures: dict[Hashable, tuple[Future[list[Recorded]], int]] = {}
        self._head: Hashable | None = None
        self._failed: list[Future[list[Recorded]]] = []
        self.taken = self.missed = 0

    def look(self, left: int, *, passing: bool) -> None:
        """Before the strategy starts its next execution: have what is foreseen executed, as far as ``left`` more are
        wanted. ``passing``: see `Batch`."""
        # At first a strategy learns, and much of what it foresees is soon not what it wants any more.
        window = min(self._shards.width * BATCHES * BATCH, self._shards.width * FIRST + 2 * self.taken)
        self._head = next((guide.key for guide in self._strategy.foresee(1)), None)
        if self._head is None or (self._head in self._futures and len(self._futures) > window // 2):
            return
        foreseen = self._strategy.foresee(min(window, left))
        self._forget(but={guide.key for guide in foreseen})
        # What has come up just now is done here: behind all that shards have in hand it would come late.
        new = [guide for guide in foreseen[1:] if guide.key not in self._futures]
        for start in range(0, len(new), BATCH):
            guides = tuple(new[start : start + BATCH])
            future = self._shards.submit(Batch(play=self._play, guides=guides, passing=passing))
            for i, guide in enumerate(guides):
                self._futures[guide.key] = (future, i)

    def take(self, strategy: Strategy) -> tuple[Judged | None, Strategy]:
        """The execution that ``strategy`` (the one that is foreseen, perhaps by another name) has just started, if a
        shard has done it; else with what to execute it here. Raises `OverError`, and a `HarnessError` when shards fail
        time after time."""
        recorded = self._recorded()
        if recorded is None:
            self.missed += 1
            return None, strategy
        taken: list[Decision] = []
        for decision, effect in zip(recorded.judged.decisions, recorded.effects, strict=True):
            choice = strategy.choose(decision.enabled)
            if choice is None:
                raise DriverError(f"no choice where {', '.join(map(str, decision.enabled))} could be chosen")
            taken.append(Decision(choice=choice, enabled=decision.enabled))
            if choice != decision.choice:
                self.missed += 1
                return None, Rewound(strategy, taken)
            strategy.observe(effect)
        strategy.choose(())
        self.taken += 1
        return recorded.judged, strategy

    def _recorded(self) -> Recorded | None:
        """What a shard has done of it. One that failed may have met what nobody is going to ask for: what is wrong with
        this execution shows when it is done here."""
        if (ahead := self._futures.pop(self._head, None)) is None:
            return None
        future, index = ahead
        while not wait([future], LISTEN_S).done:
            if self._over():
                raise OverError
        try:
            done = future.result()
        except HarnessError:
            if future not in self._failed:
                self._failed.append(future)
            if len(self._failed) > FAILURES:
                raise
            return None
        self._failed.clear()
        return done[index] if index < len(done) else None

    def close(self) -> None:
        """Nobody wants any more of it."""
        self._forget(but=set())

    def _forget(self, but: set[Hashable]) -> None:
        stale = [key for key in self._futures if key not in but]
        dropped = [self._futures.pop(key)[0] for key in stale]
        wanted = {id(future) for future, _ in self._futures.values()}
        for future in dropped:
            if id(future) not in wanted:
                future.cancel()
