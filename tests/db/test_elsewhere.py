"""On somebody else's server: what suffices, what is refused in one line, and that all of theirs stays as it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from commands import harness
from elsewhere import SETTINGS, TAKEN, as_, databases_of, dsn, everything, sessions_of, settle
from rotating_front import RotatingFront
from servers import PATIENCE_S, within
from standbys import PRIMARY, Standby
from tls_front import TlsFront

from harness.errors import UsageError
from harness.targets import open_target
from harness.targets.cleaning import clean_server
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget
from harness.targets.fitness import require_fit
from harness.targets.marks import Mark
from harness.targets.server import ServerTarget

ROOT = Path(__file__).parents[2]
REFUND = """
CREATE TABLE jobs (id text PRIMARY KEY, status text NOT NULL);
CREATE TABLE balances (id text PRIMARY KEY, balance integer NOT NULL);
INSERT INTO jobs VALUES ('j1', 'open'); INSERT INTO balances VALUES ('u1', 4000);
CREATE FUNCTION refund(p text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM jobs WHERE id = p AND status = 'open' {lock};
  IF NOT FOUND THEN RETURN false; END IF;
  UPDATE balances SET balance = balance + 1000 WHERE id = 'u1';
  UPDATE jobs SET status = 'failed' WHERE id = p;
  RETURN true;
END $$;
"""


@pytest.fixture(scope="module")
def theirs() -> Iterator[EmbeddedTarget]:
    """Their server."""
    with EmbeddedTarget(settings={**PRIMARY, **SETTINGS}) as server:
        settle(server)
        yield server


def _check(folder: Path, where: str, *, lock: str = "FOR UPDATE", **environment: str) -> Any:
    file = folder / "refund.sql"
    file.write_text(REFUND.format(lock=lock))
    return harness(
        "check", "--sql", str(file), "--call", "SELECT refund('j1')", "--workers", "2", "--target", where,
        "--schedules", "30", "--out", str(folder / "reports"), **environment,
    )  # fmt: skip


def test_a_plain_role_finds_the_lost_refund_and_nothing_of_theirs_changes(
    theirs: EmbeddedTarget, tmp_path: Path
) -> None:
    before = everything(theirs)
    found = _check(tmp_path, dsn(theirs, "plain"), lock="")
    assert found.returncode == 1, found.stdout + found.stderr
    assert _check(tmp_path, dsn(theirs, "plain")).returncode == 0
    assert everything(theirs) == before


def test_a_run_and_a_soak_change_nothing_of_theirs(theirs: EmbeddedTarget, tmp_path: Path) -> None:
    before = everything(theirs)
    where = ("--target", dsn(theirs, "supa"), "--out", str(tmp_path))
    ran = harness("run", "double_workers", "execute_privilege", *where, "--schedules", "20")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    soaked = harness("soak", "--operations", "60", "--workers", "3", "--users", "5", *where)
    assert soaked.returncode == 0, soaked.stdout + soaked.stderr
    assert everything(theirs) == before


def test_a_killed_run_is_cleaned_up_and_nothing_else(theirs: EmbeddedTarget, tmp_path: Path) -> None:
    before = everything(theirs)
    run = subprocess.Popen(
        [sys.executable, "-m", "harness", "run", "double_workers", "--target", dsn(theirs, "supa"), "--out", tmp_path,
         "--strategy", "random_walk", "--schedules", "100000"],
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    assert within(PATIENCE_S, lambda: len(databases_of(theirs)) >= 2)
    with as_(theirs, "supa") as target:
        assert all(c.ok and "stays" in c.said for c in clean_server(target, dry_run=False))
        run.send_signal(signal.SIGKILL)
        run.wait()
        assert within(PATIENCE_S, lambda: sessions_of(theirs, "supa") == 0)  # what it had asked for is done
        left = databases_of(theirs)
        assert left
        assert within(PATIENCE_S, lambda: all("would be dropped" in c.said for c in clean_server(target, dry_run=True)))
        assert databases_of(theirs) == left
    done = harness("doctor", "--clean", "--target", dsn(theirs, "supa"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(" dropped") == len(left)
    assert databases_of(theirs) == []
    assert everything(theirs) == before


def test_what_is_not_surely_ours_stays(theirs: EmbeddedTarget) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    here = Mark.own().host
    marks = {
        "refund_harness_00000001_1": "somebody's own words",
        "refund_harness_00000002_1": str(Mark(pid=dead.pid, host=here)),  # and somebody is in it
        "refund_harness_00000003_1": str(Mark.own()),
        "refund_harness_prices": str(Mark(pid=dead.pid, host=here)),
        "refund_harness_00000004_1": str(Mark(pid=dead.pid, host=here)),
        "refund_harness_00000005_1": str(Mark(pid=os.getpid(), host="another-machine")),
    }
    with psycopg.connect(theirs.conninfo("postgres"), autocommit=True) as conn:
        for name, mark in marks.items():
            conn.execute(f"CREATE DATABASE {name} OWNER plain".encode())
            conn.execute(f"COMMENT ON DATABASE {name} IS '{mark.replace(chr(39), chr(39) * 2)}'".encode())
        conn.execute("ALTER DATABASE refund_harness_00000004_1 OWNER TO supa")
        try:
            with psycopg.connect(dsn(theirs, "plain", "refund_harness_00000002_1")), as_(theirs, "plain") as target:
                said = [c.said for c in clean_server(target, dry_run=False)]
            assert [s for s in said if s.endswith(" dropped")] == [
                f"refund_harness_00000005_1 of process {os.getpid()} on another-machine dropped"
            ]
            assert [s.partition(" stays: ")[2] for s in said if " stays: " in s] == [
                "it has our name, but not our mark",
                "its run is connected",
                f"process {os.getpid()} of this machine, which made it, lives",
                "it belongs to role supa",
            ]
        finally:
            for name in marks:
                conn.execute(f"DROP DATABASE IF EXISTS {name}".encode())


def test_every_database_has_its_mark_however_early_its_maker_dies(theirs: EmbeddedTarget) -> None:
    program = (
        "import os, sys, signal, threading; from harness.targets.server import ServerTarget; "
        "from harness.targets.databases import Databases; made = Databases(ServerTarget(sys.argv[1])); "
        "threading.Timer(float(sys.argv[2]), os.kill, (os.getpid(), signal.SIGKILL)).start(); "
        "[made.clone('template1') for _ in range(100)]"
    )
    for moment in (0.0, 0.01, 0.03, 0.05):
        subprocess.run([sys.executable, "-c", program, dsn(theirs, "plain"), str(moment)], cwd=ROOT, check=False)
    # The server carries out what a dead client has asked for, and nobody sees a database that is still being made.
    assert within(PATIENCE_S, lambda: sessions_of(theirs, "plain") == 0)
    with as_(theirs, "plain") as target:
        assert within(
            PATIENCE_S, lambda: not [c for c in clean_server(target, dry_run=False) if "dropped" not in c.said]
        )
    assert databases_of(theirs) == []


def test_missing_roles_are_named_with_what_makes_them(theirs: EmbeddedTarget, tmp_path: Path) -> None:
    before = everything(theirs)
    done = harness("run", "double_workers", "--target", dsn(theirs, "plain"), "--out", str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert '"plain" may not take the role anon, authenticated, service_role' in done.stderr
    assert 'run GRANT "anon" TO "plain"; GRANT "authenticated" TO "plain"; GRANT "service_role"' in done.stderr
    with Databases(as_(theirs, "supa")) as made, pytest.raises(UsageError, match=r"no role nobody_yet on .*: run CREA"):
        made.template([_script("DO $$ BEGIN CREATE ROLE nobody_yet; END $$")])
    assert everything(theirs) == before


def test_a_role_that_may_not_create_databases_learns_what_to_grant(theirs: EmbeddedTarget, tmp_path: Path) -> None:
    done = _check(tmp_path, dsn(theirs, "reader"))
    assert done.returncode == 2
    assert done.stderr.endswith('let its administrator run ALTER ROLE "reader" CREATEDB\n')


def test_a_standby_is_refused(theirs: EmbeddedTarget, tmp_path: Path) -> None:
    with Standby(theirs) as standby:
        assert within(PATIENCE_S, lambda: _answers(standby.dsn("theirs")))
        done = _check(tmp_path, standby.dsn("theirs"))
    assert done.returncode == 2
    assert done.stderr.endswith("is a standby, which takes no writes: name its primary\n")


def test_a_server_that_is_too_old_is_refused(theirs: EmbeddedTarget) -> None:
    old: Any = SimpleNamespace(info=SimpleNamespace(server_version=130023))
    with as_(theirs, "plain") as target, pytest.raises(UsageError, match=r"14 is the oldest that will do$"):
        require_fit(target, old)


@pytest.mark.parametrize(("sessions", "latest"), [(1, True), (2, False), (3, True), (3, False)])
def test_a_pooler_per_transaction_is_refused(theirs: EmbeddedTarget, sessions: int, latest: bool) -> None:
    socket = f"{theirs.folder}/.s.PGSQL.5432"
    with RotatingFront(socket, sessions=sessions, latest=latest) as front:
        target = ServerTarget(front.conninfo(theirs.conninfo("theirs")))
        with pytest.raises(UsageError, match=r"behind a pooler that gives each transaction another session"):
            Databases(target)


def test_a_service_file_says_where(theirs: EmbeddedTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "services").write_text(f"[shop]\nhost={theirs.folder}\nuser=plain\ndbname=theirs\n")
    passwords = tmp_path / "passwords"
    passwords.write_text("*:*:theirs:plain:s3cret\n")
    passwords.chmod(0o600)
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    monkeypatch.setenv("PGPASSFILE", str(passwords))
    monkeypatch.setenv("SHOP", "service=shop")
    for where in ("service=shop", "postgresql:///?service=shop", "env:SHOP"):
        with open_target(where) as target:
            assert target.description == f"postgresql:///theirs?host={theirs.folder}&port=5432"
    done = _check(tmp_path, "service=shop")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_password_file_for_one_database_serves_those_to_come(
    theirs: EmbeddedTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hba = theirs.data_directory / "pg_hba.conf"
    old = hba.read_text()
    passwords = tmp_path / "passwords"
    passwords.write_text("*:*:theirs:keyed:s3cret\n")
    passwords.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(passwords))
    with psycopg.connect(theirs.conninfo("postgres"), autocommit=True) as conn:
        conn.execute("CREATE ROLE keyed LOGIN CREATEDB PASSWORD 's3cret'")
        try:
            hba.write_text(f"local all keyed scram-sha-256\n{old}")
            conn.execute("SELECT pg_reload_conf()")
            assert within(PATIENCE_S, lambda: _refused_without_password(theirs))
            with Databases(as_(theirs, "keyed")) as made:
                made.clone(made.template([_script("CREATE TABLE t ()")]))
        finally:
            hba.write_text(old)
            conn.execute("SELECT pg_reload_conf()")
            conn.execute("DROP ROLE keyed")


def test_tls_options_go_to_the_server(theirs: EmbeddedTarget, tmp_path: Path) -> None:
    (tmp_path / "right").mkdir()
    (tmp_path / "wrong").mkdir()
    socket = f"{theirs.folder}/.s.PGSQL.5432"
    with TlsFront(socket, tmp_path / "right") as front, TlsFront(socket, tmp_path / "wrong"):
        where = f"postgresql://plain@127.0.0.1:{front.port}/theirs?sslmode=verify-ca&sslrootcert={tmp_path}"
        trusted = _check(tmp_path, f"{where}/right/certificate.pem")
        assert trusted.returncode == 0, trusted.stdout + trusted.stderr
        refused = _check(tmp_path, f"{where}/wrong/certificate.pem")
    assert refused.returncode == 4
    assert "certificate verify failed" in refused.stderr


def test_shipped_roles_are_those_that_the_page_names() -> None:
    page = (ROOT / "docs" / "targets.md").read_text()
    assert [role for role in TAKEN if f"CREATE ROLE {role};" not in page] == []


def test_another_target_has_no_programs_of_ours(theirs: EmbeddedTarget) -> None:
    for spec in (dsn(theirs, "plain"), "service=shop", "container"):
        with pytest.raises(UsageError, match=r"--pg-bin goes with --target embedded only"):
            open_target(spec, pg_bin=Path("/nowhere"))


def _beside_a_server(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "tests/db/with_server.py"), sys.executable, *command],
        cwd=ROOT, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip


def test_tests_run_where_the_variable_says_but_for_those_that_need_a_server_of_ours() -> None:
    files = ("tests/db/test_driver.py::test_a_role_is_set_and_reset", "tests/db/test_db.py")
    done = _beside_a_server("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *files)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[1] tests/conftest.py" in done.stdout
    assert "needs a server of ours: it makes roles" in done.stdout


@pytest.mark.parametrize(
    ("program", "code"),
    [
        ("import sys; sys.exit(3)", 3),
        ("import os, psycopg; made = psycopg.connect(os.environ['HARNESS_TEST_TARGET'], autocommit=True); "
         "made.execute('CREATE DATABASE refund_harness_0_1')", 4),
    ],
)  # fmt: skip
def test_a_command_must_leave_the_server_as_it_was(program: str, code: int) -> None:
    done = _beside_a_server("-c", program)
    assert done.returncode == code, done.stderr
    assert ("the server is not as it was" in done.stderr) == (code == 4)


def _answers(where: str) -> bool:
    try:
        psycopg.connect(where).close()
    except psycopg.OperationalError:
        return False
    return True


def _refused_without_password(theirs: EmbeddedTarget) -> bool:
    try:
        psycopg.connect(dsn(theirs, "keyed", "postgres")).close()
    except psycopg.OperationalError:
        return True
    time.sleep(0.05)
    return False


def _script(text: str) -> Any:
    from harness.model import Script

    return Script(name="script", text=text)
