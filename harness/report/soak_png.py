"""A picture of a soak: over time its answers, latencies, waits for locks, faults and violations; below, how the
latencies of each kind of call and the waits are distributed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from harness.model import Verdict
from harness.report.canvas import Picture, plain_axes
from harness.report.palette import BLUE, BLUISH_GREEN, GREEN, INK, MUTED, ORANGE, PURPLE, RED, SKY, VERMILION
from harness.report.soak import headline
from harness.report.text import one_line
from harness.report.words import plural, server_words
from harness.soaked import Fault, Latency, SoakResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FILE = "soak.png"
SIZE = (10.0, 10.5)
"""Inches."""
_MOST_MARKS = 400
"""More would be a solid bar: of more faults, every so-manieth is drawn."""
_MARKS = {Fault.KILL: (VERMILION, "v"), Fault.TERMINATE: (PURPLE, "s"), Fault.CANCEL: (SKY, "o")}
_PERCENTILES = (
    ("p99_ms", "p99", VERMILION, ":"), ("p95_ms", "p95", ORANGE, "-"), ("p50_ms", "p50", BLUISH_GREEN, "--"),
)  # fmt: skip
_KINDS = ((BLUE, "-"), (BLUISH_GREEN, "--"), (ORANGE, "-."), (PURPLE, (0, (5, 1))))
ALL = "all"
"""The name of the latencies of all kinds together."""


def soak_picture(result: SoakResult) -> Picture | None:
    """None when nothing was sampled. Equal results give equal pictures."""
    if not result.samples:
        return None

    def draw(figure: Figure) -> None:
        over_time, spread = figure.subfigures(2, 1, height_ratios=(7, 3.4))  # type: ignore[misc]  # two of them
        rate, latency, waits, events = over_time.subplots(4, sharex=True, height_ratios=(3, 3, 2, 1.7))
        _draw(result, rate, latency, waits)
        _events(result, events)
        for axes in (rate, latency, waits, events):
            _moments(result, axes)
        title = f"soak of {server_words(result.server_version)}: {result.verdict.value}"
        over_time.suptitle(title, x=0.012, ha="left", size=12.5, weight="bold", color=INK)
        colour = {Verdict.PASS: GREEN, Verdict.INCONCLUSIVE: MUTED}.get(result.verdict, RED)
        rate.set_title(one_line(headline(result), 118), color=colour, loc="left", size=9.5)
        _spread(result, *spread.subplots(1, 2, width_ratios=(3, 2)))

    return Picture(size=SIZE, draw=draw, constrained=True)


def _draw(result: SoakResult, rate: Axes, latency: Axes, waits: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    at = [s.at_s for s in result.samples]
    # One sample makes no line.
    marker = "o" if len(at) < 30 else None
    rate.plot(at, [s.rate for s in result.samples], color=BLUE, marker=marker, ms=4, gid="rate")
    rate.set_ylabel("answers/s", color=INK)
    for name, label, colour, dashes in _PERCENTILES:
        values = [getattr(s, name) for s in result.samples]
        known = [float("nan") if v is None else v for v in values]
        latency.plot(at, known, color=colour, linestyle=dashes, marker=marker, ms=4, label=label, gid=label)
    latency.set_ylabel("latency, ms", color=INK)
    latency.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, handlelength=2.4)
    waits.step(at, [s.lock_waits for s in result.samples], where="pre", color=INK, marker=marker, ms=4, gid="waits")
    waits.set_ylabel("waiting for\na lock, at most", color=INK)
    waits.yaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in (rate, latency, waits):
        axes.set_ylim(0, max(1.2, axes.dataLim.y1 * 1.12))
        plain_axes(axes)


def _events(result: SoakResult, axes: Axes) -> None:
    """A row per kind of fault, and one for deadlocks, as samples count them."""
    step = max(1, len(result.marks) // _MOST_MARKS)
    for row, kind in enumerate(_MARKS):
        at = [m.at_s for m in result.marks[::step] if m.fault is kind]
        colour, marker = _MARKS[kind]
        axes.plot(at, [row] * len(at), color=colour, marker=marker, linestyle="none", ms=5, gid=kind.value)
    counts = [0, *(s.deadlocks for s in result.samples)]
    met = [s.at_s for s, (before, now) in zip(result.samples, pairwise(counts), strict=True) if now > before]
    axes.plot(met, [len(_MARKS)] * len(met), color=RED, marker="X", linestyle="none", ms=7, gid="deadlock")
    axes.set_yticks(range(len(_MARKS) + 1), [*(k.value for k in _MARKS), "deadlock"])
    axes.set_ylim(len(_MARKS) + 0.6, -0.6)
    axes.set_xlim(left=0)
    axes.set_xlabel("seconds", color=INK)
    plain_axes(axes)


def _moments(result: SoakResult, axes: Axes) -> None:
    """When the load ended, and when the last call that belongs to a finding did."""
    if result.elapsed_s < result.samples[-1].at_s:
        axes.axvline(result.elapsed_s, color=MUTED, lw=1, ls="--", gid="load ends")
        if axes.get_subplotspec().is_first_row():  # type: ignore[union-attr]  # all stand in one grid
            _word(axes, result.elapsed_s, "load ends", MUTED)
    ends = sorted({max(o.end_s for o in f.history) for f in result.findings if f.history})
    for number, at in enumerate(ends[:20]):
        axes.axvline(at, color=RED, lw=1.4, gid="violation")
        if number == 0 and axes.get_subplotspec().is_first_row():  # type: ignore[union-attr]
            _word(axes, at, f"✗ {one_line(', '.join(result.findings[0].checks), 40)}", RED, low=True)


def _word(axes: Axes, at: float, text: str, colour: str, *, low: bool = False) -> None:
    """Beside a line, on the side where there is room."""
    left = at > axes.dataLim.x1 / 2
    axes.annotate(
        text, (at, 0.08 if low else 0.28), xycoords=("data", "axes fraction"), xytext=(-5 if left else 5, 0),
        textcoords="offset points", ha="right" if left else "left", color=colour, weight="bold",
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1, "alpha": 0.85},
    )  # fmt: skip


def _spread(result: SoakResult, slower: Axes, waits: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    known = [one for one in result.latencies if one.buckets and one.kind != ALL]
    for one, (colour, dashes) in zip(known, _KINDS, strict=False):
        x, y = _tail(one)
        label = f"{one_line(one.kind, 20)} ({one.count:,})"
        slower.step(x, y, where="post", color=colour, linestyle=dashes, linewidth=1.8, label=label)
    slower.set_title("latency by call: the share that took longer", color=INK, loc="left", size=10, weight="bold")
    slower.set_xlabel("milliseconds", color=INK)
    if known:
        slower.set_xscale("log")
        slower.set_yscale("log")
        slower.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
        slower.yaxis.set_major_formatter(lambda value, _: f"{value:g} %")
        slower.legend(loc="lower left", frameon=True, framealpha=0.95)
    looks = sum(n for _, n in result.lock_waits)
    shares = [100 * n / looks for _, n in result.lock_waits]
    waits.bar([w for w, _ in result.lock_waits], shares, color=SKY, edgecolor=BLUE, width=0.8)
    for (waiting, looked), share in zip(result.lock_waits, shares, strict=True):
        waits.text(waiting, share, f"{looked:,}", ha="center", va="bottom", color=INK)
    waits.set_xlim(-0.6, max([3, *(w for w, _ in result.lock_waits)]) + 0.6)
    waits.set_ylim(0, 110)
    waits.set_title("sessions waiting at once: share of looks", color=INK, loc="left", size=10, weight="bold")
    waits.set_xlabel(f"sessions waiting for a lock ({plural(looks, 'look')})", color=INK)
    waits.yaxis.set_major_formatter(lambda value, _: f"{value:g} %")
    waits.xaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in (slower, waits):
        plain_axes(axes)


def _tail(latency: Latency) -> tuple[Sequence[float], Sequence[float]]:
    """Milliseconds, and how many per cent took longer; without the last, as none did, which no logarithm shows."""
    total, left = latency.count, latency.count
    x, y = [latency.buckets[0][0] * 0.9], [100.0]
    for upper, count in latency.buckets:
        left -= count
        if left > 0:
            x.append(upper)
            y.append(100 * left / total)
    return [*x, latency.max_ms], [*y, y[-1]]
