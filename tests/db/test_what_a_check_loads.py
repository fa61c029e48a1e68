"""What a command that finds nothing loads, and how many processes and databases it makes: unlike its seconds, the same
anywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("matplotlib", "numpy", "pydantic", "ruamel", "hypothesis", "harness.scenario.schema")
"""Each takes as long as a good part of all else that is loaded."""
WATCHED = f"""
import atexit, collections, json, sys
begun = collections.Counter()
sys.addaudithook(lambda event, _: begun.update([event]) if event in ("subprocess.Popen", "os.fork") else None)
atexit.register(lambda: print(
    json.dumps({{"begun": begun, "loaded": [name for name in {HEAVY!r} if name in sys.modules]}}), file=sys.stderr))
from harness.cli import main
from harness.targets.databases import Databases
create = Databases._create
Databases._create = lambda *given: begun.update(["database"]) or create(*given)
main()
"""
FUNCTION = """
CREATE TABLE wallets (owner text PRIMARY KEY, balance int);
INSERT INTO wallets VALUES ('ann', 100);
CREATE FUNCTION spend(amount int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
  UPDATE wallets SET balance = balance - amount WHERE owner = 'ann';
  RETURN amount;
END $$;
"""
CALL = ("--sql", "spend.sql", "--call", "SELECT spend(1)", "--workers", "2")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "spend.sql").write_text(FUNCTION)
    return tmp_path


def watched(place: Path, *arguments: str, program: str = WATCHED) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=place, env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stderr)
    return found


def test_a_check_that_finds_nothing_loads_and_starts_nothing_that_it_does_not_need(place: Path) -> None:
    found = watched(place, "check", *CALL)
    assert found["loaded"] == []
    if sys.platform == "linux":
        # Which server is it, its data copied, the server; what makes workers; the SQL, a trial of it, gates, a stage.
        assert found["begun"] == {"subprocess.Popen": 3, "os.fork": 1, "database": 4}
    [folder] = (path for path in (place / "reports").iterdir() if path.is_dir() and not path.is_symlink())
    assert {path.name for path in folder.iterdir()} >= {"index.html", "results.json", "run.json.gz", "spend.yaml",
                                                        "spend-coverage.png"}  # fmt: skip


def test_what_is_loaded_is_seen(place: Path) -> None:
    program = WATCHED.replace("main()", "import pydantic, numpy; main()")
    assert {"numpy", "pydantic"} <= set(watched(place, "list", program=program)["loaded"])
