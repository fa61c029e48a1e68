"""Several shards on one server: schedules per second in all, and the memory that each takes."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Self

from beside.figures import Figure, Part
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget


class Fleet:
    """``count`` shards of a kind (see `beside.shard`), ready to run. A context manager."""

    def __init__(self, count: int, kind: str, seconds: float, target: EmbeddedTarget, databases: Databases) -> None:
        self.pids: tuple[int, ...] = ()
        self.memory: list[float] = []
        self._stack = ExitStack()
        self._shards: list[subprocess.Popen[str]] = []
        with ExitStack() as until_ready:
            until_ready.callback(self._stack.close)
            for _ in range(count):
                database = databases.clone(databases.template(()))
                self._stack.callback(databases.drop, database)
                command = [sys.executable, "-m", "beside.shard", kind, target.conninfo(database), str(seconds)]
                shard = subprocess.Popen(
                    command, cwd=Path(__file__).parents[1], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
                )
                self._stack.callback(self._end, shard)
                self._shards.append(shard)
            for shard in self._shards:
                self.pids += tuple(map(int, self._line(shard).split()[1:]))
            until_ready.pop_all()

    def rate(self) -> float:
        """Schedules per second, all shards together, each for its ``seconds`` at the same time."""
        for shard in self._shards:
            assert shard.stdin is not None
            shard.stdin.write("go\n")
            shard.stdin.flush()
        return sum(float(self._line(shard)) for shard in self._shards)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _line(self, shard: subprocess.Popen[str]) -> str:
        assert shard.stdout is not None
        if not (line := shard.stdout.readline()):
            raise SystemExit("a shard has ended by itself")
        return line

    def _end(self, shard: subprocess.Popen[str]) -> None:
        """It hears the end of its input, and its workers that of their controller."""
        assert shard.stdin is not None
        assert shard.stdout is not None
        shard.stdin.close()
        if rest := shard.stdout.read().split():
            self.memory.append(float(rest[-1]))
        shard.wait()


MOST = 4


def measure(rounds: int, seconds: float) -> Part:
    """From one shard up, as long as one more pays, of each kind."""
    figures: list[Figure] = []
    pids: tuple[int, ...] = ()
    with EmbeddedTarget() as target, Databases(target) as databases:
        for kind, goal in (("non-blocking", 1000.0), ("auto", None)):
            rates: list[float] = []
            memory = 0.0
            for count in range(1, MOST + 1):
                with Fleet(count, kind, seconds, target, databases) as fleet:
                    rates.append(median(fleet.rate() for _ in range(rounds)))
                    pids += fleet.pids
                memory = max(fleet.memory)
                if count > 1 and rates[-1] < rates[-2]:
                    break
            each = ", ".join(f"{i}: {r:.0f}/s" for i, r in enumerate(rates, 1))
            what = "orders of BEGIN, call, COMMIT" if kind != "auto" else "auto, held at seven gates"
            figures.append(
                Figure(name=f"{what}: schedules/s in all", value=max(rates), unit="/s", goal=goal, note=each)
            )
            figures.append(Figure(name=f"{what}: memory of a shard", value=memory, unit="MiB"))
    return Part(title="Shards on one server", figures=tuple(figures), pids=pids)
