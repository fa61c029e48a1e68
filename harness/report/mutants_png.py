"""A picture of a mutation run: after how many schedules each strategy had found which share of the mutants, and, below,
every mutant as a dot. What was missed stands at the right edge."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

from harness.mutation import BASELINES, PLAIN, MutationRun, Trial
from harness.report.canvas import Picture, plain_axes
from harness.report.palette import BLACK, BLUE, BLUISH_GREEN, INK, MUTED, ORANGE, PALE, PURPLE, RED, SKY, VERMILION
from harness.report.text import one_line
from harness.report.words import plural, server_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FILE = "mutants.png"
_WIDTH, _CURVES, _STRIP, _REST = 10.0, 3.6, 0.62, 1.5
"""Inches."""
_BASELINE = "#666666"
_COLOURS = (BLUE, VERMILION, BLUISH_GREEN, PURPLE, ORANGE, SKY, "#7f6000", BLACK)
_DASHES = ("-", "--", "-.", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), (0, (7, 2, 2, 2)), (0, (2, 4)))
_BINS = 28
"""Of a dot's place, per decade: dots that would lie on each other are piled up."""
_PILE = 0.7


def mutants_picture(run: MutationRun) -> Picture | None:
    """None when nothing was tried. Equal trials give equal pictures."""
    trials = {s.strategy: [t for m in run.mutants for t in m.of(s.strategy) if t.reached] for s in run.strategies}
    # The baselines last, beside each other: what they do is no schedule, and what others do.
    names = sorted((name for name, mine in trials.items() if mine), key=lambda name: name in BASELINES)
    if not names:
        return None
    looks = {name: _look(name, i) for i, name in enumerate(names)}
    end = max(10.0, *(float(t.executed) for mine in trials.values() for t in mine))

    def draw(figure: Figure) -> None:
        ratios = (_CURVES, _STRIP * len(names))
        curves, dots = figure.subplots(2, sharex=True, height_ratios=ratios)
        for row, name in enumerate(names):
            _curve(curves, name, trials[name], looks[name], end)
            _dots(dots, row, trials[name], looks[name], end)
        _frame(curves, dots, names, trials, end)
        version = server_words(run.server_version)
        title = f"schedules to detection · {plural(len(run.mutants), 'mutant')}, {version}"
        curves.set_title(title, color=INK, loc="left", size=12.5, weight="bold")

    return Picture(size=(_WIDTH, _CURVES + _REST + _STRIP * len(names)), draw=draw, constrained=True)


def _look(name: str, number: int) -> dict[str, Any]:
    if name in BASELINES:
        return {"color": _BASELINE, "linestyle": ":" if BASELINES.index(name) else "--", "linewidth": 2.4}
    look = {"color": _COLOURS[number % len(_COLOURS)], "linestyle": _DASHES[number % len(_DASHES)]}
    return {**look, "linewidth": 1.4 if name == PLAIN else 2.2}


def _curve(axes: Axes, name: str, trials: list[Trial], look: dict[str, Any], end: float) -> None:
    found = sorted(t.schedules for t in trials if t.schedules is not None)
    share = [100 * (n + 1) / len(trials) for n in range(len(found))]
    x, y = [1.0, *map(float, found), end], [0.0, *share, share[-1] if share else 0.0]
    axes.step(x, y, where="post", label=one_line(name, 40), **look)


def _dots(axes: Axes, row: int, trials: list[Trial], look: dict[str, Any], end: float) -> None:
    found = sorted(t.schedules for t in trials if t.schedules is not None)
    places = [round(math.log10(n) * _BINS) for n in found]
    most = max(Counter(places).values(), default=1)
    step, piled, y = min(0.1, _PILE / most), Counter[int](), []
    for place in places:
        y.append(row + 0.3 - step * piled[place])
        piled[place] += 1
    face = "white" if look["color"] == _BASELINE else look["color"]
    axes.plot(found, y, linestyle="none", marker="o", ms=4.5, color=look["color"], mfc=face, mew=0.9, gid="found")
    if found:
        middle = found[(len(found) - 1) // 2]
        axes.plot([middle], [row + 0.47], linestyle="none", marker="^", ms=6, color=INK, zorder=4, gid="median")
    missed = sum(t.survived for t in trials)
    if missed:
        axes.plot([end * 1.28], [row], linestyle="none", marker="x", ms=8, mew=2, color=RED, gid="missed")
        axes.text(end * 1.5, row, f"{missed:,}", va="center", color=RED, weight="bold")
    else:
        axes.text(end * 1.5, row, "none", va="center", color=MUTED)


def _frame(curves: Axes, dots: Axes, names: list[str], trials: dict[str, list[Trial]], end: float) -> None:
    for axes in (curves, dots):
        plain_axes(axes)
        axes.set_xscale("log")
        axes.axvline(end, color=MUTED, lw=0.8)
    curves.tick_params(axis="x", which="both", length=0)
    curves.set_ylim(-2, 103)
    curves.set_ylabel("mutants found, %", color=INK)
    curves.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, handlelength=3)
    dots.set_xlim(0.85, end * 2.4)
    dots.grid(visible=False, axis="y")
    dots.text(end * 1.2, -0.75, "missed", color=INK, va="bottom")
    dots.set_ylim(len(names) - 0.4, -0.6)
    labels = []
    for row, name in enumerate(names):
        killed = sum(t.killed for t in trials[name])
        labels.append(f"{one_line(name, 40)}\n{killed:,} of {len(trials[name]):,}")
        if name in BASELINES:
            dots.axhspan(row - 0.5, row + 0.5, color=PALE, zorder=-1)
    dots.set_yticks(range(len(names)), labels)
    dots.tick_params(axis="y", length=0)
    dots.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}" if value <= end else "")
    dots.tick_params(axis="x", which="minor", length=0)
    dots.set_xlabel("schedules executed until a mutant was found (grey: runs without control) · ▲ median", color=INK)
