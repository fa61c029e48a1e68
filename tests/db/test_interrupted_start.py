"""Ctrl-C at the worst moment of a server's start, when Python is about to unlock something around a fork."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing of Python's runs around that fork")

PROGRAM = """
import logging, os, signal, sys, threading
from pathlib import Path
from harness.cli.ending import ended_once
from harness.targets.embedded import EmbeddedTarget

ended_once()
os.register_at_fork(after_in_parent=lambda: signal.raise_signal(getattr(signal, sys.argv[1])))
try:
    EmbeddedTarget(place=Path(sys.argv[2]), cache=Path(sys.argv[3]))
except BaseException as error:
    print(type(error).__mro__[-3].__name__)
    logging.getLogger("a name that is new")
print(threading.active_count(), os.listdir(sys.argv[2]))
"""


@pytest.mark.parametrize(("number", "raised"), [("SIGINT", "KeyboardInterrupt"), ("SIGTERM", "SystemExit")])
def test_it_is_heard_and_nothing_is_left(number: str, raised: str, open_folder: Path, cache: Path) -> None:
    place = open_folder / "runs"
    place.mkdir(mode=0o777)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, number, str(place), str(cache)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout == f"{raised}\n1 []\n"
