"""`harness spec` on the command line: streams, exit codes, files, nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
from spec_runs import EXPECTED, SPECS, expected

from harness.cli.spec import Asked, run_specs
from harness.errors import UsageError
from harness.targets.embedded import EmbeddedTarget

ROOT = Path(__file__).parents[2]


COMMAND = [sys.executable, "-m", "harness", "spec"]


def url(target: EmbeddedTarget) -> str:
    return f"postgresql:///postgres?host={target.folder}&user=postgres"


def spec(*arguments: Any, cwd: Path = ROOT) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=600,
        check=False,
    )


def test_it_prints_to_both_streams_what_isolationtester_does() -> None:
    done = spec(SPECS / "unused_steps.spec")
    assert done.returncode == 0
    assert done.stderr + done.stdout == expected("unused_steps")
    assert done.stderr.startswith(b"unused step name: Another\n")


def test_it_compares_with_what_is_expected(tmp_path: Path) -> None:
    (tmp_path / "smallest.out").write_bytes(expected("smallest").replace(b"  1\n", b"  2\n"))
    (tmp_path / "nowait.out").write_bytes(expected("nowait"))
    done = spec(SPECS / "smallest.spec", SPECS / "nowait.spec", "--expected", tmp_path)
    lines = done.stdout.decode().splitlines()
    assert done.returncode == 1
    assert lines[0] == f"differs {SPECS}/smallest.spec"
    assert lines[1:3] == [f"--- {tmp_path}/smallest.out", "+++ smallest.spec"]
    assert [line for line in lines[3:] if line[0] in "+-"] == ["-  2", "+  1"]
    assert lines[-1] == f"same {SPECS}/nowait.spec"
    assert spec(SPECS / "nowait.spec", "--expected", EXPECTED / "nowait.out").returncode == 0


def test_it_writes_outputs(tmp_path: Path) -> None:
    done = spec(SPECS / "smallest.spec", "--out", tmp_path)
    assert (done.returncode, done.stdout.decode()) == (0, f"wrote {tmp_path}/smallest.out\n")
    assert (tmp_path / "smallest.out").read_bytes() == expected("smallest")


@pytest.mark.parametrize(
    ("files", "options", "told"),
    [
        (["no.spec"], {}, "no.spec: cannot be read: No such file or directory"),
        (["empty"], {}, "empty: no *.spec file in this folder"),
        (["good.spec", "bad.spec"], {}, "bad.spec:2:6: there is a step a already, in line 1"),
        (["good.spec"], {"expected": Path()}, ".: no expected output of good.spec: there is no good.out"),
        (["good.spec"] * 2, {"expected": Path("bad.spec")}, "--expected bad.spec: of several specs give the folder"),
        (["good.spec"], {"out": Path("gone")}, "--out gone: there is no such folder"),
        (["good.spec"] * 2, {"out": Path()}, "--out .: two specs are called good"),
        (["fails.spec"], {}, 'fails.spec:1:16: setup failed: column "x" does not exist'),
    ],
)
def test_a_mistake_is_told(
    files: list[str],
    options: dict[str, Path],
    told: str,
    target: EmbeddedTarget,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "good.spec").write_text("session s step a { }")
    (tmp_path / "bad.spec").write_text("session s step a { }\nstep a { }")
    (tmp_path / "fails.spec").write_text("setup { SELECT x; } session s step a { }")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    given = {"expected": None, "out": None, **options}
    asked = Asked(files=[Path(file) for file in files], target=url(target), pg_bin=None, **given)
    with pytest.raises(UsageError) as error:
        run_specs(asked)
    assert str(error.value).startswith(told)
    assert "\n" not in str(error.value)


def test_a_mistake_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "bad.spec").write_text("session s step a { }\nstep a { }")
    done = spec("bad.spec", cwd=tmp_path)
    told = "harness: bad.spec:2:6: there is a step a already, in line 1\n"
    assert (done.returncode, done.stdout, done.stderr.decode()) == (2, b"", told)


@pytest.mark.parametrize(
    "written", ["session s step a { SELECT pg_sleep(600); }", "setup { SELECT pg_sleep(600); } session s step a { }"]
)
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_when_it_is_told_to(
    written: str, ending: signal.Signals, target: EmbeddedTarget, tmp_path: Path
) -> None:
    (tmp_path / "long.spec").write_text(written)
    with psycopg.connect(target.conninfo("postgres"), autocommit=True) as conn:
        before = conn.execute("SELECT datname FROM pg_database ORDER BY 1").fetchall()
        with subprocess.Popen([*COMMAND, str(tmp_path / "long.spec"), "--target", url(target)], cwd=ROOT) as process:
            while not conn.execute("SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600);'").fetchone():
                assert process.poll() is None
            process.send_signal(ending)
            assert process.wait(timeout=600) == 128 + ending
        assert conn.execute("SELECT datname FROM pg_database ORDER BY 1").fetchall() == before


def test_nothing_stays_on_a_server_that_is_not_ours(target: EmbeddedTarget, tmp_path: Path) -> None:
    (tmp_path / "fails.spec").write_text("setup { SELECT x; } session s step a { }")
    with psycopg.connect(target.conninfo("postgres"), autocommit=True) as conn:
        before = conn.execute("SELECT datname FROM pg_database ORDER BY 1").fetchall()
        assert spec(SPECS / "smallest.spec", "--target", url(target)).stdout == expected("smallest")
        assert spec(tmp_path / "fails.spec", "--target", url(target)).returncode == 2
        assert conn.execute("SELECT datname FROM pg_database ORDER BY 1").fetchall() == before
        left = conn.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name ~ '/s$|observer|/only$|control connection'"
        )
        assert left.fetchone() == (0,)
