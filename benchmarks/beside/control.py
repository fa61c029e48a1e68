"""What control costs: schedules held at gates, over the same calls by the same processes with COMMIT and no gate."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

from beside.figures import Figure, Part, in_turns, processor_time, ratio
from beside.held import SERIAL, Held
from harness.driver.pool import WorkerPool
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget

GOALS = {"preemption_bounded": 2.5, "random_walk": 4.0, "auto": None, "pct": None}


def measure(rounds: int, times: int) -> Part:
    """``times``: schedules of each kind in a round."""
    with EmbeddedTarget() as target, Databases(target) as databases, WorkerPool() as pool:
        template = databases.template(())
        names = (SERIAL, *GOALS)
        held = {name: Held(name, target.conninfo(databases.clone(template)), pool) for name in names}
        cpu: dict[str, list[float]] = {name: [] for name in names}

        def one(name: str) -> Callable[[], float]:
            def seconds() -> float:
                held[name].once()  # the workers go over to its database
                spent, begin = processor_time(target.pid), time.perf_counter()
                for _ in range(times):
                    held[name].once()
                took = (time.perf_counter() - begin) / times
                cpu[name].append((processor_time(target.pid) - spent) / times)
                return took

            return seconds

        took = dict(zip(names, in_turns(rounds, *map(one, names)), strict=True))
        pids = tuple(w.pid for w in pool.take(2))
        for each in held.values():
            each.controller.close()
        pool.disconnect()
    figures = [
        Figure(
            name=f"{name}: times as long as plain calls, one after the other",
            value=ratio(took[name], took[SERIAL]),
            unit="times",
            goal=goal,
            most=True,
            note=f"{1 / median(took[name]):.0f}/s to {1 / median(took[SERIAL]):.0f}/s; "
            f"processor time {ratio(cpu[name], cpu[SERIAL]):.2f} times",
        )
        for name, goal in GOALS.items()
    ]
    figures.append(Figure(name="processor time of a schedule in all processes, auto", value=1000 * median(cpu["auto"]),
                          unit="ms", note=f"plain calls {1000 * median(cpu[SERIAL]):.2f} ms"))  # fmt: skip
    return Part(title="Control inside a function, seven gates", figures=tuple(figures), pids=pids)
