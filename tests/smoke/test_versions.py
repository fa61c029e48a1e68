"""What a person does first, on each version that is supported: run, check, replay, faults, soak."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from harness.targets.embedded import EmbeddedTarget

ROOT = Path(__file__).parents[2]
VERSIONS = (14, 15, 16, 17, 18)
RACY = """
CREATE TABLE balances (id integer PRIMARY KEY, balance integer NOT NULL, paid boolean NOT NULL);
INSERT INTO balances VALUES (1, 4000, false);
CREATE FUNCTION refund() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  IF (SELECT paid FROM balances WHERE id = 1) THEN RETURN false; END IF;
  UPDATE balances SET balance = balance + 1000, paid = true WHERE id = 1;
  RETURN true;
END $$;
"""


def _harness(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness", *map(str, arguments)],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def _expect(code: int, done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == code, done.stdout + done.stderr


@pytest.mark.parametrize("major", VERSIONS)
def test_run_with_gates_and_faults(major: int, programs: dict[int, Path], tmp_path: Path) -> None:
    where = ("--pg-bin", programs[major], "--out", tmp_path)
    _expect(0, _harness("run", "double_workers", "unlocked_inside", *where))
    _expect(0, _harness("run", "two_terminals", "--faults", "crash,run_on,terminate,lost_ack", *where))


@pytest.mark.parametrize("major", VERSIONS)
def test_check_finds_a_race_and_replay_shows_it(major: int, programs: dict[int, Path], tmp_path: Path) -> None:
    file = tmp_path / "racy.sql"
    file.write_text(RACY)
    pg_bin = ("--pg-bin", programs[major])
    _expect(1, _harness("check", "--sql", file, "--call", "SELECT refund()", *pg_bin, "--out", tmp_path))
    [saved] = (tmp_path / "latest").glob("*-1.schedule")
    again = _harness("replay", saved, *pg_bin)
    _expect(1, again)
    assert "reproduced 1 of 1" in again.stdout


@pytest.mark.parametrize("major", VERSIONS)
def test_soak(major: int, programs: dict[int, Path], tmp_path: Path) -> None:
    where = ("--pg-bin", programs[major], "--out", tmp_path)
    _expect(0, _harness("soak", "--operations", 100, "--workers", 4, "--users", 10, *where))


@pytest.mark.parametrize("major", VERSIONS)
def test_a_database_is_made_with_its_mark_at_once(major: int, programs: dict[int, Path]) -> None:
    """Two statements in one message are two transactions only since a late minor version of the oldest ones."""
    from harness.targets.databases import Databases
    from harness.targets.server import ServerTarget

    with EmbeddedTarget(pg_bin=programs[major]) as server:
        assert server.server_version.startswith(str(major))
        there = ServerTarget(f"postgresql://postgres@/postgres?host={server.folder}")
        with Databases(there) as made, psycopg.connect(server.conninfo("postgres")) as conn:
            name = made.clone(made.template([]))
            query = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s"
            [mark] = conn.execute(query, [name]).fetchone() or ()
            assert mark.startswith("refund-harness: disposable, of process ")
