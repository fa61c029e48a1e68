"""A wheel, installed somewhere else, has everything it needs: scenarios and SQL included."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(*command: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_a_wheel_runs_the_shipped_scenarios_from_an_empty_folder(tmp_path: Path) -> None:
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path / "dist"), cwd=ROOT)
    [wheel] = (tmp_path / "dist").glob("*.whl")
    inside = zipfile.ZipFile(wheel).namelist()
    assert "harness/_shipped/scenarios/legacy_double_refund.yaml" in inside
    assert "harness/_shipped/sql/migrations/migration_atomic_job_refund.sql" in inside
    assert "harness/report/templates/report.html.j2" in inside
    assert "harness/scenario/refund-harness.schema.json" in inside
    assert not [name for name in inside if name.startswith(("tests", "reports"))]
    site, empty = tmp_path / "site", tmp_path / "empty"
    empty.mkdir()
    run(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(wheel), cwd=empty)
    done = run(
        sys.executable,
        "-m",
        "harness",
        "run",
        "legacy_double_refund",
        "double_workers",
        cwd=empty,
        PYTHONPATH=str(site),
    )
    assert "2 scenarios" in done.stdout
    assert (empty / "reports" / "latest" / "index.html").is_file()
    again = subprocess.run(
        [sys.executable, "-m", "harness", "replay", "reports/latest/legacy_double_refund-1.schedule"],
        cwd=empty,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert again.returncode == 1, again.stderr
    assert str(site) in (empty / "reports" / "latest" / "legacy_double_refund-1.schedule").read_text()
