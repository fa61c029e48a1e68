"""What one execution costs a campaign whose shards execute it, and what it costs a shard: how far one campaign reaches.

    benchmarks/campaign_cost.py [BATCHES]

Prints, for two calls of the shipped refund function: processor time a schedule in the campaign's process (foresee,
send, receive, choose again, count), bytes that travel for it, and processor time and wall time of one shard that
executes it, with all its processes. Wall times depend on what else the machine does; processor times hardly.
"""

from __future__ import annotations

import os
import pickle
import sys
import time
from concurrent.futures import Future
from pathlib import Path

import psutil

from harness.resources import shipped
from harness.scenario import load_scenario
from harness.sharding.foresight import BATCH, Foresight
from harness.sharding.host import Host
from harness.sharding.work import Batch, Place, Play, Recorded
from harness.strategies.random_walk import RandomWalk
from harness.tally import Tally


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


def main() -> None:
    count = BATCH * (int(sys.argv[1]) if len(sys.argv) > 1 else 60)
    scenario = load_scenario(Path(shipped("scenarios")) / "double_workers.yaml")
    play = Play(scenario=scenario, inside=True, isolation=None, seed=0)
    with Host(Place()) as host:
        shards = Replayed(host)
        campaign(shards, play, count)
        shards.known_only = True
        seconds = min(campaign(shards, play, count) for _ in range(5))
        n = shards.executed
        print(f"random_walk, {n} schedules")
        rate = count / seconds
        print(f"  campaign  {1e6 * seconds / count:7.0f} us of processor time: {rate:,.0f} schedules/s at most")
        print(f"  travel    {shards.sent / n:8.0f} bytes out, {shards.received / n:.0f} bytes back")
        print(
            f"  shard     {1e3 * shards.cpu / n:8.2f} ms of processor time, {1e3 * shards.wall / n:.2f} ms of wall time"
        )


if __name__ == "__main__":
    main()
