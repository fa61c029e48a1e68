"""One campaign over shards: what an execution costs the campaign and what it costs a shard (how far one campaign
reaches), and a whole campaign by one job and by two.

Processor times depend little on what else the machine does, wall times a lot.
"""

from __future__ import annotations

import os
import pickle
import time
from concurrent.futures import Future
from dataclasses import replace
from statistics import median

import psutil

from beside.figures import Figure, Part
from harness.campaign import Options
from harness.model import Scenario, Search
from harness.resources import shipped
from harness.run import SilentReporter, run_scenarios
from harness.scenario import load_scenario
from harness.sharding.foresight import BATCH, Foresight
from harness.sharding.host import Host
from harness.sharding.work import Batch, Place, Play, Recorded
from harness.strategies.random_walk import RandomWalk
from harness.tally import Tally
from harness.targets.embedded import EmbeddedTarget


class Replayed:
    """Shards that answer with what was pickled before, and count the bytes. ``width``: 1."""

    width = 1

    def __init__(self, host: Host) -> None:
        self.host = host
        self.known: dict[bytes, bytes] = {}
        self.cpu = self.wall = 0.0
        self.executed = self.sent = self.received = 0
        self.known_only = False

    def submit(self, batch: Batch) -> Future[list[Recorded]]:
        asked = pickle.dumps(batch.guides)
        if asked not in self.known:
            assert not self.known_only, "the second time it is asked for the same"
            cpu, wall = _cpu(), time.monotonic()
            self.known[asked] = pickle.dumps(self.host.execute(batch))
            self.cpu += _cpu() - cpu
            self.wall += time.monotonic() - wall
            self.executed += len(batch.guides)
            self.sent += len(asked)
            self.received += len(self.known[asked])
        future: Future[list[Recorded]] = Future()
        future.set_result(pickle.loads(self.known[asked]))
        return future

    def close(self) -> None:
        """Nothing is open."""


def _cpu() -> float:
    """Of this process and all that it has started, in seconds."""
    me = psutil.Process()
    total = sum(os.times()[:4])
    for child in me.children(recursive=True):
        try:
            times = child.cpu_times()
        except psutil.Error:
            continue
        total += times.user + times.system
    return total


def campaign(shards: Replayed, play: Play, count: int) -> float:
    """Processor time of this thread, in seconds, for ``count`` executions."""
    strategy = RandomWalk(0, most={worker.name: 20 for worker in play.scenario.workers})
    foresight = Foresight(strategy, shards, play)
    tally = Tally()
    begin = time.thread_time()
    for done in range(count):
        [head] = strategy.foresee(1)
        foresight.look(count - done, passing=False)
        strategy.start()
        judged, _ = foresight.take(strategy)
        if judged is None:  # the first one
            [one] = shards.submit(Batch(play=play, guides=(head,), passing=False)).result()
            judged = one.judged
            for decision in judged.decisions:
                strategy.choose(decision.enabled)
        tally.add(judged.results)
        tally.coverage.add([d.choice for d in judged.decisions])
    assert foresight.missed == 1
    return time.thread_time() - begin


def measure(batches: int, schedules: int, rounds: int) -> Part:
    """``batches``: for the costs; ``schedules`` of each whole campaign, which is run ``rounds`` times by each number of
    jobs, in turns."""
    scenario = load_scenario(shipped("scenarios") / "double_workers.yaml")
    with Host(Place()) as host:
        shards = Replayed(host)
        play = Play.of(scenario, inside=True, isolation=None, seed=0)
        campaign(shards, play, BATCH * batches)
        shards.known_only = True
        cost = min(campaign(shards, play, BATCH * batches) for _ in range(5)) / (BATCH * batches)
    n = shards.executed
    rates: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(rounds):
        for jobs, found in rates.items():
            found.append(whole(scenario, schedules, jobs))
    one, two = (median(found) for found in rates.values())
    said = f"{one:.0f}/s, {two:.0f}/s; shards' start-up included"
    return Part(
        title="One campaign over shards (random_walk, held at seven gates each)",
        figures=(
            Figure(name="processor time in the campaign's process, a schedule", value=1e6 * cost, unit="us"),
            Figure(name="so it keeps pace with shards that do in all", value=1 / cost, unit="schedules/s"),
            Figure(name="bytes back from a shard, a schedule", value=shards.received / n, unit="B"),
            Figure(name="processor time of all a shard's processes, a schedule", value=1e3 * shards.cpu / n, unit="ms"),
            Figure(name=f"{schedules} schedules, --jobs 2 over --jobs 1", value=two / one, unit="times", note=said),
        ),
    )


def whole(scenario: Scenario, schedules: int, jobs: int) -> float:
    """Schedules per second of a campaign, all of it."""
    alone = replace(scenario, interleavings=(Search(strategy="random_walk"),))
    with EmbeddedTarget() as target:
        begin = time.monotonic()
        run_scenarios([alone], target, Options(schedules=schedules), SilentReporter(), jobs=jobs)
        return schedules / (time.monotonic() - begin)
