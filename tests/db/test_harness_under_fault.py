"""The harness itself under fault: a clear line, exit code 4, what was done is saved, and nothing is left."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from struck import ENDLESS, Command, meanings, scenario, verdicts

OBSERVER = "application_name = 'refund-harness observer'"


def _kill(*processes: int) -> Callable[[Command], None]:
    """These of its workers, all at once."""

    def strike(command: Command) -> None:
        workers = command.workers()
        for number in processes:
            workers[number].kill()

    return strike


def _nursery_and_worker(command: Command) -> None:
    workers = command.workers()
    command.nursery.kill()
    workers[0].kill()


def _sessions(condition: str) -> Callable[[Command], None]:
    return lambda command: command.terminate(condition)


def _crash(command: Command) -> None:
    """A backend dies by SIGKILL: the postmaster ends all others, recovers and lets us in again."""
    [pid, *_] = command.backends(OBSERVER)
    os.kill(pid, signal.SIGKILL)


LOST = "server|connection|cannot"
STRIKES: dict[str, tuple[Callable[[Command], None], str]] = {
    "a_worker": (_kill(0), "died by itself"),
    "two_workers": (_kill(0, 1), "died by itself"),
    "nursery_and_worker": (_nursery_and_worker, "died"),
    "observer": (_sessions(OBSERVER), LOST),
    "gatekeeper": (_sessions("application_name = '' AND query ~ 'pg_advisory'"), LOST),
    "restorer": (_sessions("application_name = 'refund-harness restorer'"), LOST),
    "its_databases": (_sessions(f"application_name = 'refund-harness databases' OR {OBSERVER}"), LOST),
    "a_crash": (_crash, LOST),
}
"""Scenario → what strikes it, and what is said then (in which words depends on what the run was at)."""


def test_what_strikes_one_scenario_ends_that_one_only(tmp_path: Path) -> None:
    files = [scenario(tmp_path, name, ENDLESS) for name in STRIKES]
    first, last = scenario(tmp_path, "first"), scenario(tmp_path, "last")
    with Command("run", "--jobs", "1", first, *files, last, out=tmp_path / "out") as command:
        for name, (strike, _) in STRIKES.items():
            command.is_at(name)
            strike(command)
        code, _, errors = command.ended()
    assert (code, errors) == (4, "")
    found = command.results()
    assert verdicts(found) == {"first": "pass", **dict.fromkeys(STRIKES, "error"), "last": "pass"}
    for name, (_, words) in STRIKES.items():
        assert re.search(words, meanings(found)[name])
    command.left_nothing()


# ---------------------------------------------------------------------------------------- the server is gone for good


def _postmaster(number: signal.Signals, *, observer: bool = False) -> Callable[[Command], None]:
    """``observer``: its session ends, too. A server that is only stopped, or waits for its sessions to end, goes on
    with those that it has."""

    def strike(command: Command) -> None:
        observing = command.backends(OBSERVER)
        command.postmaster.send_signal(number)
        for pid in observing if observer else ():
            os.kill(pid, signal.SIGTERM)

    return strike


@pytest.mark.parametrize(
    "strike",
    [
        pytest.param(_postmaster(signal.SIGKILL), id="SIGKILL"),
        pytest.param(_postmaster(signal.SIGQUIT), id="SIGQUIT"),
        pytest.param(_postmaster(signal.SIGTERM, observer=True), id="SIGTERM"),
        pytest.param(_postmaster(signal.SIGSTOP, observer=True), id="SIGSTOP"),
    ],
)
def test_without_a_server_the_rest_is_not_run(tmp_path: Path, strike: Callable[[Command], None]) -> None:
    files = [scenario(tmp_path, "first"), scenario(tmp_path, "struck", ENDLESS), scenario(tmp_path, "last")]
    with Command("run", "--jobs", "1", *files, out=tmp_path / "out") as command:
        command.is_at("struck")
        strike(command)
        code, _, errors = command.ended()
    assert (code, errors) == (4, "")
    found = command.results()
    assert verdicts(found) == {"first": "pass", "struck": "error", "last": "error"}
    assert meanings(found)["last"].startswith("not run: the server is gone: cannot connect")
    command.left_nothing()


# ------------------------------------------------------------------------------------------- somebody ends the command


@pytest.mark.parametrize(
    ("numbers", "code", "said"),
    [
        ([signal.SIGINT, signal.SIGINT], 130, "harness: interrupted\n"),
        ([signal.SIGTERM, signal.SIGINT], 143, ""),
        ([signal.SIGHUP], 129, ""),
    ],
)
def test_what_was_done_when_it_was_ended_is_kept(
    tmp_path: Path, numbers: list[signal.Signals], code: int, said: str
) -> None:
    files = [scenario(tmp_path, "first"), scenario(tmp_path, "struck", ENDLESS), scenario(tmp_path, "last")]
    with Command("run", "--jobs", "1", *files, out=tmp_path / "out") as command:
        command.is_at("struck")
        for number in numbers:  # a second one does not cut the tidying up short
            command.process.send_signal(number)
        ended = command.ended()
    assert (ended[0], ended[2]) == (code, said)
    found = command.results()
    assert (found["verdict"], verdicts(found)["first"]) == ("error", "pass")
    assert re.match("cut short: ", meanings(found)["struck"])
    assert re.match("not run: ", meanings(found)["last"])
    command.left_nothing()
