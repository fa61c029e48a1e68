"""`harness run` on a real pseudo-terminal: what shows while it goes on, and what is left when it ends."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from screens import Screen

from harness.campaign import Options
from harness.model import Going, ScenarioResult
from harness.run import SilentReporter, run_scenarios
from harness.scenario.find import find_scenarios, load_all
from harness.targets.embedded import EmbeddedTarget

PATIENCE_S = 300.0
ENDLESS = ["run", "double_workers", "--strategy", "random_walk", "--schedules", "1000000"]
UNDER_WAY = re.compile(
    r"^  double_worker\S*  \d[\d,]*/2,000,001(  .*)?\n  (━|╌|#|\.)+  0 of 1 scenario  ", re.MULTILINE
)


class Terminal:
    """A command whose standard streams are a terminal of ``width`` columns; ``screen`` is what it shows."""

    def __init__(self, arguments: list[str], width: int, folder: Path, **environment: str) -> None:
        self.screen, self._raw = Screen(width), ""
        self._master, slave = pty.openpty()
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
        kept = {k: v for k, v in os.environ.items() if k not in ("CI", "NO_COLOR", "COLUMNS", "LINES")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "harness", *arguments, "--out", str(folder)],
            stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            env={**kept, "TERM": "xterm-256color", "PYTHONUTF8": "1", **environment},
        )  # fmt: skip
        os.close(slave)

    def until(self, enough: Callable[[], object]) -> None:
        """Show what comes until it is enough. Fails when it is over before."""
        deadline = time.monotonic() + PATIENCE_S
        while not enough():
            text = self._read(deadline)
            assert text, self.screen.text
            self.screen.write(text)

    def end(self) -> int:
        """Show the rest; the exit code."""
        deadline = time.monotonic() + PATIENCE_S
        while text := self._read(deadline):
            self.screen.write(text)
        return self.process.wait(PATIENCE_S)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._master)

    def _read(self, deadline: float) -> str:
        """Up to the end of a character and of a control sequence; "" when it is over."""
        while time.monotonic() < deadline:
            if not select.select([self._master], [], [], 1.0)[0]:
                continue
            with suppress(OSError):  # how Linux says that nobody has it open any more
                if chunk := os.read(self._master, 65536):
                    self._raw += chunk.decode("utf-8", "surrogateescape")
                    if not re.search(r"[\udc80-\udcff]|\x1b(\[[0-9;?]*)?\Z|\r\Z", self._raw):
                        text, self._raw = self._raw, ""
                        return text
                    continue
            return ""
        return ""


@contextmanager
def terminal(arguments: list[str], width: int, folder: Path, **environment: str) -> Iterator[Terminal]:
    found = Terminal(arguments, width, folder, **environment)
    try:
        yield found
    finally:
        found.close()


@pytest.mark.parametrize(
    ("width", "environment", "ending"),
    [(40, {"PYTHONIOENCODING": "ascii"}, signal.SIGTERM), (100, {"NO_COLOR": "1"}, signal.SIGINT)],
)
def test_what_is_cut_short_leaves_what_was_done_by_then_and_no_picture(
    tmp_path: Path, width: int, environment: dict[str, str], ending: signal.Signals
) -> None:
    with terminal(ENDLESS, width, tmp_path, **environment) as shown:
        # What has come may be the half of a picture: both lines are waited for.
        shown.until(lambda: len(shown.screen.pictures) > 10 and UNDER_WAY.search(shown.screen.text))
        os.kill(shown.process.pid, ending)
        assert shown.end() == 128 + ending
        text = shown.screen.text
    said = [line.split()[0] for line in text.splitlines() if line.strip()]
    assert said[:2] == ["PostgreSQL", "!"]
    assert (said[-1] == "harness:") == (ending == signal.SIGINT)
    assert "no check had failed by then" in " ".join(text.split())
    assert not UNDER_WAY.search(text)
    assert ("32" in shown.screen.colours) == ("NO_COLOR" not in environment)
    assert (tmp_path / "latest" / "index.html").is_file()


def test_what_stays_on_a_terminal_is_what_a_pipe_gets(tmp_path: Path) -> None:
    command = ["run", "execute_privilege"]
    with terminal(command, 240, tmp_path, NO_COLOR="1") as shown:
        assert shown.end() == 0
    environment = {k: v for k, v in os.environ.items() if k != "CI"} | {"PYTHONUTF8": "1"}
    piped = subprocess.run(
        [sys.executable, "-m", "harness", *command, "--out", str(tmp_path)],
        env=environment, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "\x1b" not in piped
    assert timeless(shown.screen.text) == timeless(piped)


def timeless(text: str) -> str:
    return " ".join(re.sub(r"[\d.]+ s\b", "… s", text).split())  # the last line is broken where the time is long


class Told(SilentReporter):
    """Keeps what each interleaving says of itself, as it begins and when all is over."""

    def __init__(self) -> None:
        self.looks: list[Callable[[], Going]] = []
        self.began: list[Going] = []
        self.over: list[str] = []

    def interleaving_started(self, name: str, look: Callable[[], Going]) -> None:  # noqa: ARG002
        self.looks.append(look)
        self.began.append(look())

    def campaign_over(self, result: ScenarioResult) -> None:
        self.over.append(result.name)


def test_a_campaign_says_how_far_it_is() -> None:
    told = Told()
    names = ["double_workers", "legacy_double_refund"]
    with EmbeddedTarget() as target:
        run = run_scenarios(load_all(find_scenarios(names)), target, Options(), told, jobs=1)
    fixed, every, auto, bad = told.began
    assert [(g.strategy, g.executed, g.limit, g.after) for g in told.began] == [
        ("fixed", 0, 1, 7000), ("exhaustive", 0, 5000, 2000), ("auto", 0, 2000, 0), ("fixed", 0, 1, 0),
    ]  # fmt: skip
    assert (fixed.covered, every.covered, bad.covered) == (None, None, None)
    assert auto.covered is not None
    over = [look() for look in told.looks]
    assert [g.exhausted for g in over] == [False, True, True, False]
    assert sum(g.executed for g in over[:3]) == run.scenarios[0].schedules
    assert over[2].covered == run.scenarios[0].covered
    assert over[2].violated == ()
    assert over[3].documented == ("one_refund_per_job",)
    assert {"one_refund_per_job", "serial_equivalence"} < set(over[3].violated)
    assert told.over == names
