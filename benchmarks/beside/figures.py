"""What a part of the benchmark gives: figures, each with its goal where there is one."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Any

import psutil


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """``value`` in ``unit``; ``goal``: at least (or, where less is better, at ``most``) so much, None: none was set."""

    name: str
    value: float | None
    unit: str
    goal: float | None = None
    most: bool = False
    note: str = ""

    @property
    def met(self) -> bool | None:
        if self.goal is None or self.value is None:
            return None
        return self.value <= self.goal if self.most else self.value >= self.goal

    def __str__(self) -> str:
        said = "not measured" if self.value is None else f"{self.value:,.4g} {self.unit}"
        if self.goal is not None:
            said += f" (goal {'≤' if self.most else '≥'} {self.goal:g})"
        mark = {True: "✓", False: "✗", None: " "}[self.met]
        return f"  {mark} {self.name:58} {said}{'  ' + self.note if self.note else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """``pids``: of the worker processes, each the operating system's own."""

    title: str
    figures: tuple[Figure, ...]
    pids: tuple[int, ...] = ()
    absent: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            "title": self.title,
            "figures": [asdict(f) | {"met": f.met} for f in self.figures],
            "worker_pids": list(self.pids),
            "absent": list(self.absent),
        }

    def __str__(self) -> str:
        lines = [self.title, *map(str, self.figures)]
        if self.pids:
            lines.append("    worker processes: " + ", ".join(map(str, self.pids)))
        lines += [f"    absent: {name}" for name in self.absent]
        return "\n".join(lines)


def in_turns(rounds: int, *sides: Callable[[], float]) -> list[list[float]]:
    """Each side ``rounds`` times, A B A B …, so that a machine whose speed drifts slows all alike. Their figures."""
    found: list[list[float]] = [[] for _ in sides]
    for _ in range(rounds):
        for side, mine in zip(sides, found, strict=True):
            mine.append(side())
    return found


def ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """The median of the ratios of runs that were neighbours."""
    return median(a / b for a, b in zip(above, below, strict=True))


def processor_time(postmaster: int) -> float:
    """Seconds of processor time so far of this process, of all that it has started, and of the server's processes,
    those that are over included: what a busy machine changes far less than the time on a clock."""
    own = psutil.Process(os.getpid())
    times = [own.cpu_times()]
    total = times[0].children_user + times[0].children_system
    for process in own.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            times.append(process.cpu_times())
            if process.pid == postmaster:
                total += times[-1].children_user + times[-1].children_system
    return total + sum(t.user + t.system for t in times)


def machine(server: str) -> dict[str, Any]:
    """What the figures depend on."""
    load = os.getloadavg()[0]
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processors": os.cpu_count(),
        "load": round(load, 1),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "server": server,
    }
