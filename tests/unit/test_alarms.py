"""A waiter's deadlock check is over before another step may close a cycle, however late its alarm would ring."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from harness.driver.client import State
from harness.driver.locks import Locks
from harness.errors import DriverError

# Its alarm would ring in an hour. When it is rung, it looks at the clock and checks, for a while.
SLEEPER = """
import signal, time
def check(*_):
    until = time.monotonic() + 0.05
    while time.monotonic() < until:
        pass
    print("checked", flush=True)
signal.signal(signal.SIGALRM, check)
signal.setitimer(signal.ITIMER_REAL, 3600)
print("asleep", flush=True)
while True:
    signal.pause()
"""


class Asked:
    """What the lock table says of a wait. ``answers``: whether it has lasted, one by one; then True."""

    def __init__(self, answers: Sequence[bool] = ()) -> None:
        self.answers = list(answers)

    def waited(self, *_: object) -> bool:
        return self.answers.pop(0) if self.answers else True

    def waits(self, pids: Sequence[int]) -> dict[int, tuple[int, ...]]:
        return dict.fromkeys(pids, (1,))


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen([sys.executable, "-c", SLEEPER], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "asleep\n"
        yield process
        process.kill()


def locks_of(process: subprocess.Popen[str], observer: Asked, *, owned: bool = True) -> tuple[Locks, Any]:
    client = SimpleNamespace(
        name="w1", backend=process.pid, state=State.BLOCKED, checked=False, blocked_since=time.monotonic()
    )
    doubles: Any = observer, [client]
    return Locks(*doubles, owned=owned), client


def checks(process: subprocess.Popen[str]) -> str:
    """All that the sleeper has said by now."""
    assert process.stdout is not None
    process.kill()
    return process.stdout.read()


def test_who_sleeps_over_a_late_alarm_is_rung_and_waited_for(sleeper: subprocess.Popen[str]) -> None:
    locks, client = locks_of(sleeper, Asked())
    locks.await_checks()
    assert client.checked
    assert checks(sleeper) == "checked\n"


def test_and_not_before_its_check_is_due(sleeper: subprocess.Popen[str]) -> None:
    observer = Asked([False, False])
    locks, _ = locks_of(sleeper, observer)
    locks.await_checks()
    assert not observer.answers
    assert checks(sleeper) == "checked\n"


def test_who_was_checked_is_left_in_peace(sleeper: subprocess.Popen[str]) -> None:
    locks, client = locks_of(sleeper, Asked())
    client.checked = True
    locks.await_checks()
    assert checks(sleeper) == ""


def test_on_a_server_of_others_nobody_is_rung(sleeper: subprocess.Popen[str]) -> None:
    locks, client = locks_of(sleeper, Asked(), owned=False)
    locks.await_checks()
    assert client.checked
    assert locks.waits_on(sleeper.pid)
    assert checks(sleeper) == ""


def test_whoever_is_to_lose_its_answer_waits_only_when_it_has_checked(sleeper: subprocess.Popen[str]) -> None:
    locks, _ = locks_of(sleeper, Asked())
    assert locks.waits_on(sleeper.pid)
    assert checks(sleeper) == "checked\n"


def test_a_backend_that_never_comes_to_rest_is_an_error(
    sleeper: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.driver.locks._QUIET_BOUND_S", 0.01)
    locks, _ = locks_of(sleeper, Asked([False] * 1_000_000))
    with pytest.raises(DriverError, match="neither sleep nor go on"):
        locks.await_checks()
