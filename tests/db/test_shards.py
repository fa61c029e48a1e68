"""A campaign over several processes finds what it finds alone, and leaves nothing: not when one of them is killed, not
when it is interrupted."""

from __future__ import annotations

import os
import pickle
import pickletools
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import psycopg
import pytest
from servers import lives
from struck import ENDLESS, Command, meanings, scenario

from harness import campaign
from harness.campaign import Options
from harness.errors import TargetError
from harness.model import LEVELS, RunResult
from harness.run import SilentReporter, run_scenarios
from harness.scenario import load_scenario
from harness.sharding.host import Host
from harness.sharding.local import LocalShards
from harness.sharding.work import Batch, Place, Play
from harness.strategies.random_walk import RandomWalk
from harness.targets.cleaning import clean_after
from harness.targets.embedded import EmbeddedTarget
from harness.targets.server import ServerTarget

SCENARIOS = Path(__file__).parents[2] / "scenarios"
STRATEGIES = ["auto", "random_walk"]
"""For the others see tests/unit/test_foresight.py."""
BYTES_PER_SCHEDULE, OBJECTS_PER_SCHEDULE = 250, 9


@pytest.fixture
def from_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """No search is so short that it is done alone."""
    monkeypatch.setattr(campaign, "ALONE", 3)


@pytest.fixture(scope="module")
def shards() -> Iterator[LocalShards]:
    made = LocalShards(Place(), 2)
    yield made
    pids = made.pids
    made.close()
    assert len(pids) == 2
    assert [pid for pid in pids if psutil.pid_exists(pid)] == []


def run(
    target: EmbeddedTarget, names: list[str], folder: Path, shards: LocalShards | None, strategy: str = "auto"
) -> RunResult:
    scenarios = [load_scenario(SCENARIOS / f"{name}.yaml") for name in names]
    options = Options(strategy=strategy, schedules=40, folder=folder, shards=shards)
    return run_scenarios(scenarios, target, options, SilentReporter(), jobs=1)


def told(found: RunResult) -> list[object]:
    """All but times, and when in an execution something was."""
    return [
        replace(s, elapsed_s=0.0, seconds_to_first_violation=None, passing=None, counterexamples=())
        for s in found.scenarios
    ]


def schedules(folder: Path) -> dict[str, str]:
    """What was saved to be replayed."""
    return {path.name: path.read_text() for path in folder.glob("*.schedule")}


@pytest.mark.usefixtures("from_the_start")
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_it_finds_the_same(target: EmbeddedTarget, shards: LocalShards, tmp_path: Path, strategy: str) -> None:
    names = ["unlocked_inside", "two_jobs_one_user"]
    alone, together = tmp_path / "alone", tmp_path / "together"
    alone.mkdir()
    together.mkdir()
    expected = run(target, names, alone, None, strategy)
    found = run(target, names, together, shards, strategy)
    assert told(found) == told(expected)
    assert schedules(together) == schedules(alone)
    passing = [s.passing and [d.choice for d in s.passing.schedule.decisions] for s in found.scenarios]
    assert passing == [s.passing and [d.choice for d in s.passing.schedule.decisions] for s in expected.scenarios]


@pytest.mark.usefixtures("from_the_start")
def test_what_a_dead_shard_had_in_hand_is_done_by_another(target: EmbeddedTarget, tmp_path: Path) -> None:
    class Killing(LocalShards):
        batches = 0

        def submit(self, batch: Batch) -> object:  # type: ignore[override]
            future = super().submit(batch)
            Killing.batches += 1
            if Killing.batches % 3 == 0 and self.pids:
                os.kill(self.pids[0], signal.SIGKILL)
            return future

    expected = run(target, ["three_workers_one_job"], tmp_path, None, "random_walk")
    shards = Killing(Place(), 2)
    found = run(target, ["three_workers_one_job"], tmp_path, shards, "random_walk")
    shards.close()
    assert told(found) == told(expected)
    assert shards.died
    assert Killing.batches > 3


def batch(tmp_path: Path) -> Batch:
    found = load_scenario(scenario(tmp_path, "purse"))
    play = Play.of(found, inside=True, isolation=None, seed=0)
    return Batch(play=play, guides=tuple(RandomWalk(0).foresee(4)), passing=True)


def test_a_shard_elsewhere_leaves_no_database_there(target: EmbeddedTarget, tmp_path: Path) -> None:
    dsn = f"postgresql://postgres@/postgres?host={target.folder}&port=5432"
    with psycopg.connect(target.conninfo("postgres"), autocommit=True) as conn:
        ours = "SELECT count(*) FROM pg_database WHERE shobj_description(oid, 'pg_database') ~ 'refund-harness: dispos'"
        with Host(Place(target=dsn, server_version=target.server_version)) as host:
            assert len(host.execute(batch(tmp_path))) == 4
            assert conn.execute(ours).fetchone() != (0,)
        assert conn.execute(ours).fetchone() == (0,)


def test_what_a_killed_shard_has_left_elsewhere_is_dropped(target: EmbeddedTarget, tmp_path: Path) -> None:
    server = ServerTarget(f"postgresql://postgres@/postgres?host={target.folder}&port=5432")
    asked = batch(tmp_path)
    shards = LocalShards(Place(target=server.conninfo("postgres")), 1)
    before = shards.submit(asked).result()
    [killed] = shards.pids
    os.kill(killed, signal.SIGKILL)
    after = shards.submit(asked).result()
    shards.close()
    assert [r.effects for r in after] == [r.effects for r in before]
    assert shards.died == [killed]
    ours = "SELECT count(*) FROM pg_database WHERE shobj_description(oid, 'pg_database') ~ %s"
    with psycopg.connect(target.conninfo("postgres"), autocommit=True) as conn:
        assert conn.execute(ours, [f"of process {killed} "]).fetchone() != (0,)
        clean_after(server, shards.died)
        assert conn.execute(ours, [f"of process {killed} "]).fetchone() == (0,)


def test_another_version_of_the_server_is_no_help() -> None:
    with pytest.raises(TargetError, match=r"PostgreSQL \S+ here, 9\.6 where the campaign is"):
        Host(Place(server_version="9.6"))


def test_what_a_shard_sends_back_is_small(tmp_path: Path) -> None:
    """A guard on what does not vary: a schedule of some ten turns is a few hundred bytes, and few objects to unpack."""
    asked = replace(batch(tmp_path), guides=tuple(RandomWalk(0, most={"one": 9, "two": 9}).foresee(16)), passing=False)
    with Host(Place()) as host:
        answer = pickle.dumps(host.execute(asked))
    assert len(answer) / 16 < BYTES_PER_SCHEDULE
    made = sum(opcode.name in ("NEWOBJ", "NEWOBJ_EX") for opcode, _, _ in pickletools.genops(answer))
    assert made / 16 < OBJECTS_PER_SCHEDULE


@pytest.mark.parametrize("level", [None, "serializable"])
def test_a_shard_does_what_the_guides_say(tmp_path: Path, level: str | None) -> None:
    asked = batch(tmp_path)
    play = replace(asked.play, isolation=LEVELS[level] if level else None)
    with Host(Place()) as host:
        first, again = (host.execute(replace(asked, play=play)) for _ in range(2))
    assert [r.effects for r in first] == [r.effects for r in again]
    assert [r.judged.decisions for r in first] == [r.judged.decisions for r in again]
    assert {len(r.judged.decisions) == len(r.effects) > 4 for r in first} == {True}
    assert any(r.judged.execution for r in first)
    snapshots = any(e.snapshot for r in first for e in r.effects)
    assert snapshots == (level is not None)


def test_an_interrupted_campaign_says_how_far_it_came(tmp_path: Path) -> None:
    file = scenario(tmp_path, "endless", ENDLESS)
    with Command("run", "--jobs", "2", file, out=tmp_path / "out") as command:
        command.is_at("endless")
        command.awaits(lambda: len(shards_of(command.process.pid)) == 2)
        shards = shards_of(command.process.pid)
        family = [child for shard in shards for child in shard.children(recursive=True)]
        command.look()
        command.process.send_signal(signal.SIGINT)
        code, _, errors = command.ended()
    assert (code, errors) == (130, "harness: interrupted\n")
    found = command.results()
    assert found["verdict"] == "error"
    assert found["scenarios"][0]["schedules"] > 200
    assert meanings(found)["endless"].startswith("cut short: interrupted; ")
    assert meanings(found)["endless"].endswith(" schedules executed, no check had failed by then")
    assert [p for p in (*shards, *family) if lives(p)] == []
    command.left_nothing()


def shards_of(pid: int) -> list[psutil.Process]:
    """Those that have a server by now."""
    found = []
    for child in psutil.Process(pid).children():
        if any("harness.sharding" in word for word in child.cmdline()) and len(child.children(recursive=True)) > 8:
            found.append(child)
    return found
