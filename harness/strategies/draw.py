"""Schedules drawn by Hypothesis, which also steers: towards executions with more overlap and more waiting for locks.

Here for campaigns on fixed inputs, where executions are asked for one by one; `harness.draw` lets Hypothesis draw the
inputs too, and shrink both together. Hypothesis wants to call, and a campaign wants to call as well: so Hypothesis runs
in a thread of its own, which hands over one list of numbers at a time and sleeps until it is told how that went.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Sequence
from queue import SimpleQueue

from harness.dependence import WAIT
from harness.model import Choice, Effect
from harness.strategies.drawn import Drawn
from harness.strategies.protocol import Facts

LENGTH = 64
"""Numbers per execution; beyond them nobody is interrupted any more."""

_Lists = SimpleQueue[Sequence[int] | None]
_Scores = SimpleQueue[dict[str, float] | None]


class Draw:
    """``limit``: executions at most; ``workers``: names. The same seed draws the same lists, as long as executions go
    the same way (and Hypothesis is the same version)."""

    name = "draw"

    def __init__(self, seed: int, *, limit: int, workers: Sequence[str]) -> None:
        self.explored = 0
        self._lists: _Lists = SimpleQueue()
        self._scores: _Scores = SimpleQueue()
        self._thread = threading.Thread(
            target=_draw, args=(self._lists, self._scores, seed, limit, len(workers)), name="draw", daemon=True
        )
        # A campaign ends when it has found something, and forgets its strategy: the thread must not wait for ever.
        weakref.finalize(self, self._scores.put, None)
        self._over = False
        self._drawn = Drawn(())
        self._overlap = self._waits = 0
        self._last = ""

    @property
    def exhausted(self) -> bool:
        return False

    def start(self) -> bool:
        if self._over:
            return False
        if self._thread.ident is None:
            self._thread.start()
        else:
            self.explored += 1
            self._scores.put({"overlap": self._overlap, "waits": self._waits})
        numbers = self._lists.get()
        if numbers is None:
            self._over = True
            return False
        self._drawn = Drawn(numbers)
        self._overlap = self._waits = 0
        self._last = ""
        return True

    def choose(self, enabled: tuple[Choice, ...]) -> Choice | None:
        choice = self._drawn.choose(enabled)
        if choice is not None:
            self._overlap += choice.worker != self._last and any(c.worker == self._last for c in enabled)
            self._last = choice.worker
        return choice

    def observe(self, effect: Effect) -> None:
        self._waits += WAIT in effect.footprint.writes

    def ahead(self) -> int:
        return self._drawn.ahead()

    def facts(self) -> Facts:
        return {"explored": self.explored}


class _Over(Exception):
    """Nobody asks for more."""


def _draw(lists: _Lists, scores: _Scores, seed: int, limit: int, workers: int) -> None:
    """Hypothesis's thread: hand over lists until it has no more, or the campaign is over."""
    import hypothesis
    from hypothesis import strategies as st

    over = False

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=limit,
        database=None,  # what an earlier campaign found must not change this one
        deadline=None,
        phases=(hypothesis.Phase.generate, hypothesis.Phase.target),
        suppress_health_check=tuple(hypothesis.HealthCheck),
    )
    @hypothesis.given(st.lists(st.integers(0, max(workers - 1, 1)), min_size=LENGTH, max_size=LENGTH))
    def execute(numbers: list[int]) -> None:
        nonlocal over
        score = None
        if not over:  # told once: Hypothesis will try the same again, to see whether it fails again
            lists.put(numbers)
            score = scores.get()
        if score is None:
            over = True
            raise _Over
        for label, value in score.items():
            hypothesis.target(value, label=label)

    try:
        execute()
    except _Over:
        return
    finally:
        lists.put(None)
