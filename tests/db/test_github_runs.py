"""A real run where GitHub Actions looks on."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import Done, harness

REFUND = """\
CREATE TABLE jobs (id text PRIMARY KEY, status text NOT NULL);
CREATE TABLE balances (id int PRIMARY KEY, balance int NOT NULL);
INSERT INTO jobs VALUES ('j1', 'processing');
INSERT INTO balances VALUES (1, 4000);
CREATE FUNCTION refund(p text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF (SELECT status FROM jobs WHERE id = p) = 'failed' THEN RETURN; END IF;
  UPDATE balances SET balance = balance + 1000 WHERE id = 1;
  UPDATE jobs SET status = 'failed' WHERE id = p;
END $$;
"""


def check(folder: Path, **environment: str) -> Done:
    (folder / "refund.sql").write_text(REFUND)
    calls = ["--call", "SELECT refund('j1')", "--workers", "2", "--save", "refund.yaml", "--json", "r.json"]
    return harness("check", "--sql", "refund.sql", *calls, cwd=folder, **environment)


def test_a_double_refund_is_on_the_page_of_the_job(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    done = check(tmp_path, GITHUB_ACTIONS="true", GITHUB_WORKSPACE=str(tmp_path.parent), GITHUB_STEP_SUMMARY=str(page))
    assert (done.returncode, done.stderr) == (1, "")
    command, notice = [line for line in done.stdout.splitlines() if line.startswith("::")]
    place = f"{tmp_path.name}/refund.sql"
    assert command.startswith(f"::error file={place},line=8,title=refund%3A serial_equivalence::balance 6000; every")
    assert notice.startswith(f"::notice file={tmp_path.name}/refund.yaml,line=1,title=refund::")
    text = page.read_text()
    assert text.count("\n## ✗ 1 of 1 scenario shows a violation: refund.") == 1
    [again] = [line for line in text.splitlines() if line.startswith("harness replay ")]
    assert f"%0Aagain: {again}" in command
    assert "| turn | w1 | w2 | balance |" in text


def test_elsewhere_nothing_is_added(tmp_path: Path) -> None:
    done = check(tmp_path, GITHUB_ACTIONS="false", GITHUB_STEP_SUMMARY="")
    assert done.returncode == 1
    assert "::" not in done.stdout
    assert {p.name for p in tmp_path.iterdir()} == {"refund.sql", "refund.yaml", "r.json", "reports"}


def test_a_page_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    done = check(tmp_path, GITHUB_STEP_SUMMARY=str(tmp_path))
    assert (done.returncode, done.stderr) == (4, "")
    said = f"cannot write {tmp_path}: Is a directory"
    assert said.lower() in " ".join(done.stdout.split()).lower()
    for results in (tmp_path / "r.json", tmp_path / "reports" / "latest" / "results.json"):
        assert f'"trouble": "{said}"' in results.read_text()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device here")
def test_a_page_says_what_else_could_not_be_written(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    (tmp_path / "r.json").symlink_to("/dev/full")
    done = check(tmp_path, GITHUB_STEP_SUMMARY=str(page))
    assert done.returncode == 4
    [head] = [line for line in page.read_text().splitlines() if line.startswith("## ")]
    assert head.startswith("## ! Cannot write r.json: No space left on device; 1 of 1 scenario shows a violation")
