"""The figures that have a goal, as bars: how far each is from it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure as Canvas

from beside.figures import Part
from harness.report.palette import BLUE, INK, MUTED, RULE, VERMILION


def draw(parts: Sequence[Part], file: Path) -> None:
    """A bar a figure, on a logarithmic scale; the line in the middle is the goal, to its right all is well."""
    found = [f for part in parts for f in part.figures if f.goal and f.value]
    shares = [f.goal / f.value if f.most else f.value / f.goal for f in found if f.goal and f.value]
    canvas = Canvas(figsize=(10, 1.2 + 0.4 * len(found)), layout="constrained")
    axes = canvas.subplots()
    colours = [BLUE if f.met else VERMILION for f in found]
    axes.barh(range(len(found)), [s - 1 for s in shares], left=1, color=colours, height=0.6)
    axes.set_xscale("log")
    axes.axvline(1, color=INK, linewidth=1)
    axes.set_yticks(range(len(found)), [f.name for f in found], color=INK, fontsize=9)
    axes.invert_yaxis()
    axes.set_xlabel("times as good as the goal (left of the line: missed)", color=MUTED)
    axes.grid(axis="x", color=RULE, linewidth=0.6)
    axes.set_axisbelow(True)
    for row, (figure, share) in enumerate(zip(found, shares, strict=True)):
        axes.annotate(f"{figure.value:,.3g} {figure.unit}", (max(share, 1), row), xytext=(4, 0),
                      textcoords="offset points", va="center", fontsize=8, color=INK)  # fmt: skip
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    canvas.savefig(file, dpi=110)
