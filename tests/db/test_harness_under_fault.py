"""The harness itself under fault: a clear line, exit code 4, what was done is saved, and nothing is left."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from struck import ENDLESS, Command, meanings, scenario, verdicts

from harness.db import apply_script
from harness.driver.observer import Observer
from harness.errors import DriverError, TargetError
from harness.model import Schedule, Script
from harness.schedule import SavedSchedule, encode
from harness.targets.embedded import EmbeddedTarget

OBSERVER = "application_name = 'refund-harness observer'"


def _kill(*processes: int) -> Callable[[Command], None]:
    """These of its workers, all at once."""

    def strike(command: Command) -> None:
        workers = command.workers()
        for number in processes:
            with suppress(psutil.NoSuchProcess):  # once the first is gone, the harness ends the other one itself
                workers[number].kill()

    return strike


def _nursery_and_worker(command: Command) -> None:
    workers = command.workers()
    command.nursery.kill()
    with suppress(psutil.NoSuchProcess):
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
    "its_databases": (_sessions(f"starts_with(application_name, 'refund-harness databases') OR {OBSERVER}"), LOST),
    "a_crash": (_crash, LOST),
}
"""Scenario → what strikes it, and what is said then (in which words depends on what the run was at)."""


def test_what_strikes_one_scenario_ends_that_one_only(tmp_path: Path) -> None:
    files = [scenario(tmp_path, name, ENDLESS) for name in STRIKES]
    first, last = scenario(tmp_path, "first"), scenario(tmp_path, "last")
    full = scenario(tmp_path, "full_disk", call="meet_a_full_disk()")
    with Command("run", "--jobs", "1", first, full, *files, last, out=tmp_path / "out") as command:
        for name, (strike, _) in STRIKES.items():
            command.is_at(name)
            strike(command)
        code, _, errors = command.ended()
    assert (code, errors) == (4, "")
    found = command.results()
    struck = ["full_disk", *STRIKES]
    assert verdicts(found) == {"first": "pass", **dict.fromkeys(struck, "error"), "last": "pass"}
    assert meanings(found)["full_disk"] == "the server failed at two.select: no space (53100)"
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
    assert meanings(found)["last"].startswith("not run: the server does not answer: cannot connect")
    command.left_nothing()


# ------------------------------------------------------------------------------------------- somebody ends the command


@pytest.mark.parametrize(
    ("numbers", "code", "said"),
    [
        ([signal.SIGINT, signal.SIGINT], 130, "harness: interrupted\n"),
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


# --------------------------------------------------------------------------------------- somebody else's server fails


def _dsn(server: EmbeddedTarget) -> str:
    return f"postgresql://postgres@/postgres?host={server.folder}&port=5432"


def test_a_crash_of_another_server_leaves_no_database_there(tmp_path: Path) -> None:
    with EmbeddedTarget() as server:
        files = [scenario(tmp_path, "struck", ENDLESS), scenario(tmp_path, "last")]
        arguments = ["--jobs", "1", "--target", _dsn(server)]
        with Command("run", *arguments, *files, out=tmp_path / "out", server=server.folder) as command:
            command.is_at("struck")
            _crash(command)
            code, _, errors = command.ended()
        assert (code, errors) == (4, "")
        assert verdicts(command.results()) == {"struck": "error", "last": "pass"}
        with psycopg.connect(server.conninfo("postgres")) as conn:
            names = "SELECT datname FROM pg_database WHERE starts_with(datname, 'refund_harness_')"
            assert conn.execute(names).fetchall() == []


def test_a_server_without_room_is_not_the_sqls_fault(tmp_path: Path, target: EmbeddedTarget) -> None:
    """Others have all its connections but two."""
    file = scenario(tmp_path, "crowded")
    with ExitStack() as others:
        with suppress(psycopg.OperationalError):
            while True:
                last = others.enter_context(psycopg.connect(target.conninfo("postgres")))
        last.close()
        others.enter_context(psycopg.connect(target.conninfo("postgres"))).close()
        with Command("run", "--target", _dsn(target), file, out=tmp_path / "out", server=target.folder) as command:
            code, _, errors = command.ended()
    assert (code, errors) == (4, "")
    assert "too many" in meanings(command.results())["crowded"]


@pytest.mark.parametrize("sqlstate", ["53100", "53200", "58030"])
def test_an_install_script_that_meets_a_full_disk_is_no_bad_script(
    new_database: Callable[..., psycopg.Connection[Any]], sqlstate: str
) -> None:
    text = f"DO $$ BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = '{sqlstate}'; END $$"
    with pytest.raises(TargetError, match=r"the server failed at a\.sql: no room"):
        apply_script(new_database(), Script(name="a.sql", text=text))


def test_a_server_that_was_stopped_does_not_stop_us(target: EmbeddedTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    """Straight through libpq, and by psycopg: neither has a bound of its own."""
    monkeypatch.setattr("harness.driver.observer.BOUND_S", 0.1)
    observers = Observer(target.conninfo("postgres")), Observer(target.conninfo("postgres"))
    backends = [observer.connection.info.backend_pid for observer in observers]
    for pid in backends:
        os.kill(pid, signal.SIGSTOP)
    with closing(observers[0]), closing(observers[1]):
        with pytest.raises(DriverError, match="does not answer"):
            observers[0].waits([1])
        with pytest.raises(DriverError, match="does not answer"):
            observers[1].session(1)
    for pid in backends:
        os.kill(pid, signal.SIGCONT)


# --------------------------------------------------------------------------------------------------- the disk is full


@pytest.mark.parametrize(
    ("bytes_per_file", "saved", "said"),
    [
        pytest.param(8_000, True, "index.html: File too large", id="no room for the page"),
        pytest.param(100, False, "history.jsonl: File too large", id="no room at all"),
    ],
)
def test_no_room_for_reports(
    tmp_path: Path, target: EmbeddedTarget, bytes_per_file: int, saved: bool, said: str
) -> None:
    out = tmp_path / "out"
    arguments = ["--target", _dsn(target), scenario(tmp_path, "first")]
    with Command("run", *arguments, out=out, server=target.folder, bytes_per_file=bytes_per_file) as command:
        code, printed, errors = command.ended()
    assert (code, errors) == (4, "")
    assert said in " ".join(printed.split())
    [folder] = out.glob("2*")
    names = {p.name for p in folder.iterdir()}
    assert not [n for n in names if n.startswith(".") and n != ".refund-harness-run"]
    assert not (out / "latest").exists()
    assert ("results.json" in names) == saved
    if saved:
        found = json.loads((folder / "results.json").read_text())
        assert (found["verdict"], verdicts(found)) == ("error", {"first": "pass"})
        assert said in found["trouble"]


# ------------------------------------------------------------------------------------------------- the other commands

CALLS = ["--call", "SELECT take(1)", "--call", "SELECT take(2)"]


def test_check(tmp_path: Path) -> None:
    scenario(tmp_path, "unused")
    endless = ["--strategy", "random_walk", "--schedules", "1000000"]
    with Command("check", "--sql", tmp_path / "tiny.sql", *CALLS, *endless, out=tmp_path / "out") as command:
        command.awaits(lambda: any((tmp_path / "out").glob("2*/*.history.jsonl")))
        command.look()
        command.postmaster.kill()
        code, _, errors = command.ended()
    assert (code, errors) == (4, "")
    assert list(verdicts(command.results()).values()) == ["error"]
    command.left_nothing()


def test_soak(tmp_path: Path) -> None:
    with Command("soak", "--seconds", "900", "--workers", "2", "--faults", "none", out=tmp_path / "out") as command:
        command.awaits(lambda: len(command.workers()) == 2 and bool(command.backends("query ~ 'refund'")))
        command.look()
        command.workers()[0].kill()
        code, out, errors = command.ended()
    assert (code, errors) == (4, "")
    assert "died" in out
    saved = json.loads((tmp_path / "out" / "latest" / "soak.json").read_text())
    assert (saved["verdict"], saved["exit_code"]) == ("error", 4)
    assert "died" in saved["trouble"]
    command.left_nothing()


def test_mutants(tmp_path: Path) -> None:
    common = ["--strategy", "random_walk", "--schedules", "100000", "--jobs", "1"]
    with Command("mutants", "for_share", "found_not_checked", *common, out=tmp_path / "out") as command:
        command.awaits(lambda: bool(command.backends(OBSERVER)))
        command.look()
        command.postmaster.kill()
        code, out, errors = command.ended()
    assert (code, errors) == (4, "")
    assert "environment failed" in out
    saved = json.loads((tmp_path / "out" / "latest" / "mutants.json").read_text())
    assert saved["exit_code"] == 4
    command.left_nothing()


def test_replay(tmp_path: Path) -> None:
    file = scenario(tmp_path, "again")
    saved = SavedSchedule(
        scenario="again", file=str(file), hash="of another", server="", order=0, checks=("some",),
        schedule=Schedule(seed=0, decisions=()),
    )  # fmt: skip
    (tmp_path / "again.schedule").write_text(encode(saved))
    with Command("replay", tmp_path / "again.schedule", "--times", "1000000") as command:
        command.awaits(lambda: bool(command.backends("application_name = 'refund-harness worker'")))
        command.look()
        for worker in command.workers():
            worker.kill()
        code, out, errors = command.ended()
    assert (code, out, errors.count("\n")) == (4, "", 1)
    assert "died" in errors
    command.left_nothing()
