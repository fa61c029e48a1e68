"""What is under way, as lines for a terminal of any width: one per campaign, and how far the run is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text

from harness.model import Going
from harness.report.grid import fit
from harness.report.pace import Pace, at_most
from harness.report.text import one_line
from harness.report.words import plural

Look = Callable[[], Going]
_NAME = 28
_BAR = 24


class Watched:
    """One campaign that is under way. ``looks``: of each of its interleavings so far."""

    def __init__(self, name: str, now: float) -> None:
        self.name = name
        self.done = self.found = 0
        self.going: Going | None = None
        self.looks: list[Look] = []
        self._before = 0
        self._beyond = False
        self._pace = Pace(now)

    def began(self, look: Look) -> None:
        """Another interleaving."""
        self.looks.append(look)
        self._before = self.done
        self.look()

    def look(self) -> None:
        """See how far it is. Only on the thread of the campaign."""
        if self.looks:
            self.going = self.looks[-1]()
            # What follows a campaign (faults, single calls) counts on, and is not of its limit.
            self._beyond = self.done - self._before > self.going.executed

    def tick(self, now: float) -> None:
        """Read the clock, about as often as it is drawn."""
        self._pace.read(now, self.done)

    def line(self, width: int, budget_s: float | None) -> Text:
        """Name, schedules of at most how many, rate, time left, coverage; red what was found. What has no room is left
        out, the least telling first."""
        parts = [
            Part(text=fit(self.name, min(_NAME, max(width // 2, 12))), style="", rank=0),
            Part(text=self._count(), style="", rank=1),
            *self._findings(),
            *self._speed(budget_s),
            *self._covered(),
        ]
        return joined(parts, width)

    def _most(self) -> int | None:
        """Of the whole campaign, None beyond it (faults, single calls)."""
        if self.going is None or self._beyond:
            return None
        return self._before + self.going.limit + self.going.after

    def _count(self) -> str:
        most = self._most()
        return plural(self.done, "schedule") if most is None else f"{self.done:,}/{most:,}"

    def _findings(self) -> list[Part]:
        # What is documented seldom comes alone: the same double refund breaks several rules at once.
        if self.going is not None and (known := self.going.documented):
            return [Part(text=f"as documented: {one_line(', '.join(known), 60)}", style="yellow", rank=6)]
        if self.going is not None and (red := self.going.violated):
            return [Part(text=f"✗ {one_line(', '.join(red), 60)}", style="bold red", rank=2)]
        return [Part(text=plural(self.found, "finding"), style="bold red", rank=2)] if self.found else []

    def _speed(self, budget_s: float | None) -> list[Part]:
        rate, most = self._pace.rate, self._most()
        found = [Part(text=f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s", style="dim", rank=3)] if rate else []
        left = at_most(most - self.done, rate, budget_s) if most is not None and rate else budget_s
        return [*found, *([] if left is None else [Part(text=f"at most {clock_text(left)}", style="dim", rank=4)])]

    def _covered(self) -> list[Part]:
        going = self.going
        if going is None or going.covered is None or not going.covered.possible:
            return []
        seen, points = going.covered, plural(going.covered.points, "point")
        pairs = f"{seen.pairs:,} of {seen.possible:,} ordered pairs"
        return [
            Part(text=pairs, style="dim", rank=5),
            Part(text=points, style="dim", rank=7),
            Part(text=one_line(going.strategy, 40), style="dim", rank=8),
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a line. The higher its ``rank``, the sooner it gives way."""

    text: str
    style: str
    rank: int


def overall(
    finished: int, total: int, red: int, elapsed_s: float, width: int, noun: str = "scenario", found: str = "finding"
) -> Text:
    """A bar of how many are finished, how many of them are red, and the time."""
    room = max(min(_BAR, width // 4), 1)
    full = room * finished // max(total, 1)
    parts = [
        Part(text=f"{'━' * full}{'╌' * (room - full)}", style="green", rank=3),
        Part(text=f"{finished:,} of {plural(total, noun)}", style="", rank=0),
        *([Part(text=plural(red, found), style="bold red", rank=1)] if red else []),
        Part(text=clock_text(elapsed_s), style="dim", rank=2),
    ]
    return joined(parts, width)


def joined(parts: Sequence[Part], width: int) -> Text:
    """As many of ``parts`` as fit into ``width`` cells, in their order."""
    kept = list(parts)
    while len(kept) > 1 and sum(cell_len(p.text) + 2 for p in kept) > width:
        kept.remove(max(kept, key=lambda p: p.rank))
    line = Text("", no_wrap=True, overflow="ignore")
    for part in kept:
        line.append("  ")
        line.append(fit(part.text, max(width - 2, 1)), part.style)
    return line


def clock_text(seconds: float) -> str:
    """`12 s`, `3:05 min`, `1:02 h`: no finer than people read it."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes}:{rest:02d} min" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d} h"


def searched(going: Going) -> str:
    """One interleaving that is over, in words: how much of what was allowed."""
    if going.strategy == "fixed":
        return "fixed: an exact order"
    if going.exhausted:
        return f"{one_line(going.strategy, 40)}: {plural(going.executed, 'schedule')}, all there are"
    return f"{one_line(going.strategy, 40)}: {going.executed:,} of at most {plural(going.limit, 'schedule')}"
