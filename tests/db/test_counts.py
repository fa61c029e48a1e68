"""What an execution costs in round trips and bytes, which does not depend on how fast the machine is.

A number here that grows is time lost in every schedule of every campaign. Looks (is a silent worker waiting?) are not
counted: how many it takes is the machine's business.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from harness.driver.gatekeeper import Gatekeeper
from harness.driver.observer import Observer
from harness.driver.pool import WorkerPool, WorkerProcess
from harness.driver.wire import Message, Wire
from harness.model import Execution
from harness.resources import shipped
from harness.scenario import load_scenario
from harness.stage import Stage
from harness.strategies.protocol import Strategy
from harness.strategies.registry import make
from harness.strategies.serial import Serial
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget

EXECUTIONS = 12


@pytest.fixture(scope="module")
def stage(target: EmbeddedTarget, databases: Databases, pool: WorkerPool) -> Iterator[Stage]:
    scenario = load_scenario(Path(shipped("scenarios")) / "double_workers.yaml")
    with closing(Stage(scenario, target, databases, pool, inside=True)) as made:
        yield made


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """``told``: messages to workers. ``keys``: messages to the server that move gates' keys. ``asked``: round trips of
    the observer. ``bytes``: of what workers say."""
    counts = Counter[str]()

    def counting(owner: type, method: str, count: str) -> None:
        real = getattr(owner, method)

        def counted(self: Any, *given: Any, **named: Any) -> Any:
            counts[count] += 1
            return real(self, *given, **named)

        monkeypatch.setattr(owner, method, counted)

    counting(WorkerProcess, "send", "told")
    counting(WorkerProcess, "caught_up", "pings")
    counting(Gatekeeper, "_send", "keys")
    counting(Observer, "_patience", "trips")
    counting(Observer, "waits", "looks")
    counting(Observer, "waited", "looks")
    receive = Wire.receive

    def received(self: Wire) -> Message | None:
        message = receive(self)
        if message is not None and "pong" not in message:
            counts["bytes"] += len(str({k: v for k, v in message.items() if k != "waits"}))
        return message

    monkeypatch.setattr(Wire, "receive", received)
    return counts


def cost(counts: Counter[str], executions: list[Execution]) -> dict[str, float]:
    """Of an execution on average; bytes of an event."""
    events = sum(len(e.history.events) for e in executions)
    told = counts["told"] - counts["pings"]
    return {
        "told": told / len(executions),
        "keys": counts["keys"] / len(executions),
        "asked": (counts["trips"] - counts["looks"]) / len(executions),
        "bytes": counts["bytes"] / events,
    }


def run(stage: Stage, counted: Counter[str], strategies: Iterable[Strategy], first: int) -> dict[str, float]:
    """What these executions cost, in sessions that are there already."""
    stage.execute(started(Serial([w.name for w in stage.scenario.workers])), first, seed=0)
    counted.clear()
    done = []
    for number, strategy in enumerate(strategies, first + 1):
        done.append(stage.execute(started(strategy), number, seed=0))
        stage.invariants(number)
    return cost(counted, done)


def started(strategy: Strategy) -> Strategy:
    assert strategy.start()
    return strategy


def test_calls_one_after_the_other(stage: Stage, counted: Counter[str]) -> None:
    """Each worker is given, in one message, all of its statements, and told to begin; asked is for the set-up, the
    ledger before it and after each of two commits, and along with the last one for locks and invariants."""
    workers = [w.name for w in stage.scenario.workers]
    found = run(stage, counted, [Serial(workers) for _ in range(EXECUTIONS)], 0)
    assert found.pop("bytes") < 36
    assert found == {"told": 2, "keys": 4, "asked": 4}


@pytest.mark.parametrize(
    ("strategy", "told", "keys"), [("preemption_bounded", 4.6, 6.6), ("pct", 4.6, 6.6), ("random_walk", 5.9, 9.2)]
)
def test_searches(stage: Stage, counted: Counter[str], strategy: str, told: float, keys: float) -> None:
    """Where steps wait, the server is asked once more now and then: about a deadlock that nobody saw."""
    workers = [w.name for w in stage.scenario.workers]
    chosen = make(strategy, seed=0, limit=100, workers=workers)
    found = run(stage, counted, [chosen] * EXECUTIONS, 1000)
    assert found["told"] <= told
    assert found["keys"] <= keys
    assert found["asked"] < 5
    assert found["bytes"] < 36


def test_schedules_explored(stage: Stage) -> None:
    workers = [w.name for w in stage.scenario.workers]
    search = make("auto", seed=0, limit=1000, workers=workers)
    number = 2000
    while search.start():
        number += 1
        stage.execute(search, number, seed=0)
    assert search.exhausted
    assert number - 2000 == 9
