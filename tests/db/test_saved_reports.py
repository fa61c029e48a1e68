"""`harness report`: from the folder of a real run the same files again, byte by byte, and no server is needed."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from commands import harness

from harness.cli.rebuilding import rebuild
from harness.errors import UsageError
from harness.report.saved import read_run

EVERYTHING = """\
version: 1
name: everything
install: [shop.sql]
workers:
  payer: {statements: ["INSERT INTO paid VALUES (10) RETURNING odd() AS odd, 123456789012345678901234567890 AS big"]}
  other: {statements: ["SELECT count(*) FROM paid", "INSERT INTO paid VALUES (11)"]}
orders: [auto, [other.select, payer.insert, other.insert]]
faults: [lost_answer]
isolation: [serializable]
cases:
  - {name: reads, call: "SELECT 'NaN'::float8 AS n, odd() AS odd", expect: {n: "NaN"}}
invariants: [paid_once.sql]
"""
SHOP = """\
CREATE TABLE paid (amount numeric);
CREATE FUNCTION odd() RETURNS json LANGUAGE sql IMMUTABLE AS
$$ SELECT '{"lone": "\\ud800", "markup": "<b>&amp;</b>", "huge": 1e400, "escape": "\\u001b[31m"}'::json $$;
"""
ONCE = "SELECT amount, count(*) FROM paid GROUP BY amount HAVING count(*) > 1\n"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of reports of one run that has everything."""
    place = tmp_path_factory.mktemp("saved")
    (place / "everything.yaml").write_text(EVERYTHING)
    (place / "shop.sql").write_text(SHOP)
    (place / "paid_once.sql").write_text(ONCE)
    done = harness("run", "everything.yaml", "--junit", "j.xml", "--json", "r.json", cwd=place)
    assert (done.returncode, done.stderr) == (1, ""), done.stdout
    return place


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_what_is_read_is_the_whole_run(run: Path) -> None:
    found = read_run(run / "reports" / "latest")
    [everything] = found.scenarios
    assert everything.faults is not None
    assert everything.levels
    assert everything.cases
    assert everything.counterexamples[0].story.nearest is not None
    assert "\\ud800" in repr(everything)
    assert "123456789012345678901234567890" in repr(everything)


def test_made_again_in_a_copy_it_is_the_same_byte_by_byte(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    shutil.copytree(run / "reports" / "latest", folder)
    before = contents(folder)
    for path in folder.iterdir():
        if path.suffix in (".html", ".png", ".json"):
            path.unlink()
    done = harness("report", str(folder), "--junit", "j.xml", "--json", "r.json", cwd=tmp_path, fresh=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert contents(folder) == before
    assert len([name for name in before if name.endswith(".png")]) >= 2, "a counterexample, and the matrix"
    assert (tmp_path / "j.xml").read_bytes() == (run / "j.xml").read_bytes()
    assert (tmp_path / "r.json").read_bytes() == (run / "r.json").read_bytes() == before["results.json"]
    assert re.match(r"report  .*elsewhere/index.html\n✗ 1 of 1 scenario shows a violation: everything", done.stdout)


def test_a_new_folder_is_like_the_old_one(run: Path) -> None:
    assert rebuild(run / "reports", run / "copy", None, None) == 0
    before = contents(run / "reports" / "latest")
    assert before.pop(".refund-harness-run") == b"complete\n"
    assert contents(run / "copy") == before
    with pytest.raises(UsageError, match="copy: is there already: name a new folder"):
        rebuild(run / "reports", run / "copy", None, None)
    inside = run / "reports" / "latest" / "x"
    with pytest.raises(UsageError, match="lies in the run's own folder"):
        rebuild(run / "reports", inside, None, None)
    assert not inside.exists()


def test_a_run_compared_with_itself_differs_in_nothing(run: Path) -> None:
    done = harness("report", "--compare", "reports", "r.json", cwd=run)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"✓ 1 as before; [0-9.]+ s\n", done.stdout)
