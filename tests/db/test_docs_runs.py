"""What the pages show of a run of `docs/examples/redeem.sql` is what one sees."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from commands import Done, harness

ROOT = Path(__file__).parents[2]


def blocks(page: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    every = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [block for kind, block in every if kind in ("", "sh")]


def carried_out(command: str, folder: Path) -> Done:
    return harness(*shlex.split(command)[1:], cwd=folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "docs" / "examples", tmp_path / "docs" / "examples")
    return tmp_path


def alike(text: str) -> list[str]:
    """Without what differs from run to run: server, times, the run's folder."""
    text = re.sub(r"PostgreSQL [\d.]+ ", "PostgreSQL ", re.sub(r" +[\d.]+ s$", " … s", text, flags=re.MULTILINE))
    return re.sub(r"reports/\d{8}T\d{6}Z-\w+", "reports/…", text).strip().splitlines()


def shown(command: str) -> tuple[str, str]:
    """A command of the README, and what it is said to print."""
    [block] = [block for block in blocks("README.md") if block.startswith(f"$ {command}")]
    first, _, printed = block.removeprefix("$ ").replace("\\\n", " ").partition("\n")
    return first, printed


def test_the_readme_shows_what_a_check_prints(folder: Path) -> None:
    command, printed = shown("harness check")
    done = carried_out(command, folder)
    assert (done.returncode, done.stderr) == (1, "")
    assert alike(printed) == alike(done.stdout)


def test_the_readme_shows_what_the_score_of_invariants_prints(folder: Path) -> None:
    command, printed = shown("harness mutants")
    done = carried_out(command, folder)
    assert (done.returncode, done.stderr) == (1, "")
    said = [line.partition(" (16.1 s)")[0] for line in printed.splitlines() if line not in ("", "…")]
    assert [line for line in said if f"\n{line}" not in f"\n{done.stdout}"] == []


def test_the_function_of_the_guide_to_reports_is_mended_by_a_lock_on_line_6(folder: Path) -> None:
    [command] = [block for block in blocks("docs/report.md") if block.startswith("harness check")]
    racy, locked = ((folder / f"docs/examples/{name}.sql").read_text() for name in ("redeem", "redeem_locked"))
    bodies = [text.partition("AS $$")[2].splitlines() for text in (racy, locked)]
    assert [n for n, lines in enumerate(zip(*bodies, strict=True), 1) if lines[0] != lines[1]] == [6]
    done = carried_out(f"{command.strip().replace('redeem.sql', 'redeem_locked.sql')} -v", folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Every interleaving of the " in " ".join(done.stdout.split())
