"""A picture of a mutation run: which share of the mutants each strategy had found after how many schedules."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.mutation import BASELINES, PLAIN, MutationRun
from harness.report.canvas import png
from harness.report.strip import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FILE = "mutants.png"
SIZE = (9.0, 5.0)
"""Inches."""

# Okabe and Ito's palette, told apart by all common kinds of colour vision; lines also differ in their dashes.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#7f6000", "#666666")
_DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), (0, (7, 2, 2, 2)), (0, (2, 4)))


def mutants_png(run: MutationRun, path: Path | None = None) -> bytes:
    """The picture as PNG bytes, also written to ``path`` when one is given. Equal trials give equal bytes."""
    picture = png(SIZE, lambda figure: _curves(figure.add_subplot(), run), constrained=True)
    if path is not None:
        path.write_bytes(picture)
    return picture


def _curves(axes: Axes, run: MutationRun) -> None:
    longest = max([t.executed for m in run.mutants for t in m.trials], default=1)
    end = max(10, longest)
    for i, score in enumerate(run.strategies):
        trials = [t for m in run.mutants for t in m.of(score.strategy) if t.reached]
        if not trials:
            continue
        found = sorted(t.schedules for t in trials if t.schedules is not None)
        x = [1.0, *(float(n) for n in found), float(end)]
        share = [100 * (n + 1) / len(trials) for n in range(len(found))]
        y = [0.0, *share, share[-1] if share else 0.0]
        label = f"{score.strategy}  {score.killed} of {score.trials}"
        baseline = score.strategy in BASELINES or score.strategy == PLAIN
        axes.step(
            x, y, where="post", label=label, color=_COLOURS[i % len(_COLOURS)], linestyle=_DASHES[i % len(_DASHES)],
            linewidth=1.4 if baseline else 2.2,
        )  # fmt: skip
    axes.set_xscale("log")
    axes.set_xlim(0.9, end * 1.05)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_ylim(-2, 103)
    axes.set_xlabel("schedules executed (baselines: runs)", color=INK)
    axes.set_ylabel("mutants found, %", color=INK)
    mutants = len(run.mutants)
    axes.set_title(f"{mutants} mutants, PostgreSQL {run.server_version}", color=INK, loc="left", parse_math=False)
    axes.grid(visible=True, which="major", color="#d0d5dd", linewidth=0.6)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    if run.strategies:
        axes.legend(loc="lower right", frameon=True, framealpha=0.9)
