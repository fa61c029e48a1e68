"""What the pages show of a run of `docs/examples/redeem.sql` is what one sees."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def blocks(page: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(r"^```(?:sh)?\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def carried_out(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    words = shlex.split(command)[1:]
    return subprocess.run(
        [sys.executable, "-m", "harness", *words], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "docs" / "examples").mkdir(parents=True)
    shutil.copy(ROOT / "docs" / "examples" / "redeem.sql", tmp_path / "docs" / "examples")
    return tmp_path


def alike(text: str) -> list[str]:
    """Without what differs from run to run: server, times, the run's folder."""
    text = re.sub(r"PostgreSQL [\d.]+ ", "PostgreSQL ", re.sub(r" +[\d.]+ s$", " … s", text, flags=re.MULTILINE))
    return re.sub(r"reports/\d{8}T\d{6}Z-\w+", "reports/…", text).strip().splitlines()


def test_the_readme_shows_what_the_command_prints(folder: Path) -> None:
    [shown] = [block for block in blocks("README.md") if "$ harness check" in block]
    command, _, printed = shown.removeprefix("$ ").replace("\\\n", " ").partition("\n")
    done = carried_out(command, folder)
    assert (done.returncode, done.stderr) == (1, "")
    assert alike(printed) == alike(done.stdout)


def test_the_function_of_the_guide_to_reports_is_mended_by_a_lock_on_line_6(folder: Path) -> None:
    [command] = [block for block in blocks("docs/report.md") if block.startswith("harness check")]
    file = folder / "docs" / "examples" / "redeem.sql"
    line = "FROM coupons WHERE code = p_code;"
    function = file.read_text().partition("AS $$\n")[2].splitlines()
    assert function[4].endswith(line)  # the server counts the rest of the line of AS $$ as the first
    file.write_text(file.read_text().replace(line, f"{line[:-1]} FOR UPDATE;"))
    done = carried_out(f"{command.strip()} -v", folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Every interleaving of the " in " ".join(done.stdout.split())
