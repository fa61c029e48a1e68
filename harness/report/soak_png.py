"""A picture of a soak over time: answers per second, latency, waits for locks, and the faults as marks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.report.canvas import png
from harness.report.strip import INK
from harness.report.words import plural, server_words
from harness.soaked import Fault, SoakResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FILE = "soak.png"
SIZE = (9.0, 6.5)
"""Inches."""
_MOST_MARKS = 400
"""More would be a solid bar: of more faults, every so-manieth is drawn."""
_BLUE, _ORANGE, _GREEN = "#0072b2", "#e69f00", "#009e73"
_MARKS = {Fault.KILL: ("#d55e00", "v"), Fault.TERMINATE: ("#cc79a7", "s"), Fault.CANCEL: ("#56b4e9", "o")}


def soak_png(result: SoakResult) -> bytes:
    """The picture as PNG bytes. Equal results give equal bytes."""

    def draw(figure: Figure) -> None:
        rate, latency, waits, faults = figure.subplots(4, sharex=True, height_ratios=(3, 3, 2, 1.4))
        _draw(result, rate, latency, waits)
        _faults(result, faults)
        text = f"{plural(result.operations, 'operation')} of {plural(result.workers, 'worker')}"
        title = f"{text}, {server_words(result.server_version)}: {result.verdict.value}"
        rate.set_title(title, color=INK, loc="left", parse_math=False)

    return png(SIZE, draw, constrained=True)


def _draw(result: SoakResult, rate: Axes, latency: Axes, waits: Axes) -> None:
    at = [s.at_s for s in result.samples]
    rate.plot(at, [s.rate for s in result.samples], color=_BLUE)
    rate.set_ylabel("answers/s", color=INK)
    nothing = float("nan")
    latency.plot(at, [nothing if s.p95_ms is None else s.p95_ms for s in result.samples], color=_ORANGE, label="p95")
    latency.plot(
        at, [nothing if s.p50_ms is None else s.p50_ms for s in result.samples], color=_GREEN, linestyle="--",
        label="p50",
    )  # fmt: skip
    latency.set_ylabel("latency, ms", color=INK)
    latency.legend(loc="upper right", frameon=True, framealpha=0.9)
    waits.step(at, [s.lock_waits for s in result.samples], where="pre", color=INK)
    waits.set_ylabel("waiting for\na lock, at most", color=INK)
    for axes in (rate, latency, waits):
        axes.set_ylim(bottom=0)
        axes.grid(visible=True, color="#d0d5dd", linewidth=0.6)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)


def _faults(result: SoakResult, axes: Axes) -> None:
    step = max(1, len(result.marks) // _MOST_MARKS)
    kinds = list(_MARKS)
    for row, kind in enumerate(kinds):
        at = [m.at_s for m in result.marks[::step] if m.fault is kind]
        colour, marker = _MARKS[kind]
        axes.plot(at, [row] * len(at), color=colour, marker=marker, linestyle="none", markersize=4)
    axes.set_yticks(range(len(kinds)), [k.value for k in kinds])
    axes.set_ylim(len(kinds) - 0.4, -0.6)
    axes.set_xlim(left=0)
    axes.set_xlabel("seconds", color=INK)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
