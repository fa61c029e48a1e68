"""A nursery that is forked from a command has nothing of the command's, and goes with it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from servers import PATIENCE_S, within

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere pools start their nurseries")

PARENT = """
import json, os, signal, sys, threading
from harness.cli.ending import ended_once
from harness.driver import pool

ended_once()
file = open("kept", "w")
if sys.argv[1] == "thread":
    threading.Thread(target=threading.Event().wait, daemon=True).start()
pool.fork_nurseries(2)
pids = [nursery.pid for nursery, _ in pool._forked]
if sys.argv[1] == "unused":
    print(json.dumps({"forked": pids}), flush=True)
    sys.exit()
made = pool.WorkerPool()
workers = [w.pid for w in made.take(2)]
print(json.dumps({"forked": pids, "nursery": made._nursery.pid, "workers": workers}), flush=True)
sys.stdin.read()
made.close()
print("closed", flush=True)
"""


class Parent:
    """A process that forks two nurseries, and uses one of them."""

    def __init__(self, folder: Path, what: str = "used") -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PARENT, what],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.said = json.loads(self.process.stdout.readline())

    def end(self) -> None:
        self.process.communicate(timeout=PATIENCE_S)


def there(*pids: int) -> list[int]:
    found = []
    for pid in pids:
        with suppress(psutil.NoSuchProcess):  # it has just gone
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                found.append(pid)
    return found


def test_a_pool_takes_one_and_the_other_ends_with_the_process(tmp_path: Path) -> None:
    parent = Parent(tmp_path)
    forked, nursery, workers = (parent.said[key] for key in ("forked", "nursery", "workers"))
    assert nursery in forked
    assert len(there(*forked)) == 2
    assert {psutil.Process(pid).ppid() for pid in workers} == {nursery}
    parent.end()
    assert parent.process.returncode == 0
    assert there(*forked, *workers) == []


def test_it_holds_no_file_of_the_command_and_answers_signals_in_its_own_way(tmp_path: Path) -> None:
    parent = Parent(tmp_path)
    nursery = psutil.Process(parent.said["nursery"])
    assert os.getsid(nursery.pid) == nursery.pid
    assert [file.path for file in nursery.open_files() if file.path != os.devnull] == []
    status = Path(f"/proc/{nursery.pid}/status").read_text()
    masks = {key: int(line.split()[1], 16) for line in status.splitlines() for key in [line.partition(":")[0]]
             if key in ("SigBlk", "SigIgn", "SigCgt")}  # fmt: skip
    assert masks["SigBlk"] == 0
    assert masks["SigCgt"] == 0
    assert masks["SigIgn"] & 1 << signal.SIGINT - 1
    assert not masks["SigIgn"] & 1 << signal.SIGTERM - 1  # SIGHUP is ignored where the suite is (nohup)
    parent.end()


def test_after_sigkill_of_the_command_it_goes_by_itself(tmp_path: Path) -> None:
    parent = Parent(tmp_path)
    pids = [*parent.said["forked"], *parent.said["workers"]]
    parent.process.kill()
    parent.process.wait()
    assert within(PATIENCE_S, lambda: there(*pids) == [])
    parent.end()


def test_what_no_pool_takes_is_gone_when_the_command_is(tmp_path: Path) -> None:
    parent = Parent(tmp_path, "unused")
    parent.end()
    assert len(parent.said["forked"]) == 2
    assert there(*parent.said["forked"]) == []


def test_a_process_with_threads_forks_none_and_its_pools_start_their_own(tmp_path: Path) -> None:
    parent = Parent(tmp_path, "thread")
    assert parent.said["forked"] == []
    assert "-c" in psutil.Process(parent.said["nursery"]).cmdline()
    assert len(there(*parent.said["workers"])) == 2
    parent.end()
