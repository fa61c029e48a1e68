"""What the runbook says is true: its commands run, its queries see what they are to see, in both languages alike."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from harness.targets.embedded import EmbeddedTarget

ROOT = Path(__file__).parents[2]
ALICE = "a0000000-0000-0000-0000-000000000001"
PAGES = [ROOT / "docs" / name for name in ("runbook.md", "runbook.uk.md")]


def blocks(kind: str, page: Path = PAGES[0]) -> list[str]:
    return re.findall(rf"^ *```{kind}\n(.*?)^ *```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


COMMANDS, QUERIES = blocks("sh"), blocks("sql")


@pytest.mark.parametrize("kind", ["sh", "sql", "console"])
def test_both_languages_have_the_same_commands(kind: str) -> None:
    assert blocks(kind, PAGES[0]) == blocks(kind, PAGES[1]) != []


def test_both_languages_have_the_same_shape() -> None:
    shapes = [
        re.findall(r"^(#+|- \[ \]|\|(?:-|(?= T\d))|\d\.)", p.read_text(encoding="utf-8"), re.MULTILINE) for p in PAGES
    ]
    assert shapes[0] == shapes[1]


def test_the_files_that_it_names_are_there() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert all((ROOT / file).exists() for file in re.findall(r"\bsql/[\w/.]+", text))
        assert all((page.parent / file).exists() for file in re.findall(r"\]\(([\w.]+)\)", text))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: " ".join(c.split()[1:3]))
def test_a_command_runs(command: str, tmp_path: Path) -> None:
    for name in ("sql", "scenarios"):
        (tmp_path / name).symlink_to(ROOT / name)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-e", "-c", command], cwd=tmp_path, env={**os.environ, "PATH": path}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    if "double_workers" in command:
        said = (tmp_path / "reports" / "latest" / "results.json").read_text()
        assert "very interleaving of the" in said  # as the page says
        assert "was covered by" in said


# ----------------------------------------------------------------------------------------------- on the database


@pytest.fixture(scope="module")
def database() -> Iterator[psycopg.Connection[Any]]:
    """The migrations, and an account of alice that paid for one job."""
    with EmbeddedTarget() as target, closing(psycopg.connect(target.conninfo("postgres"), autocommit=True)) as found:
        for file in sorted((ROOT / "sql" / "migrations").glob("*.sql")):
            found.execute(file.read_text())
        found.execute(f"INSERT INTO user_balances (user_id, balance) VALUES ('{ALICE}', 6000)")
        start(found, "good")
        yield found


def start(database: psycopg.Connection[Any], job: str) -> None:
    database.execute("INSERT INTO story_jobs (job_id, user_id, status) VALUES (%s, %s, 'processing')", (job, ALICE))
    metadata = psycopg.types.json.Jsonb({"job_id": job})
    database.execute("SELECT deduct_balance_atomic(%s, 1000, 'Story generation', %s)", (ALICE, metadata))


def refund(database: psycopg.Connection[Any], job: str) -> Any:
    row = database.execute("SELECT refund_job_atomic(%s, %s, 1000, 'x')", (job, ALICE)).fetchone()
    assert row is not None
    return row[0]["success"]


def asked(database: psycopg.Connection[Any], about: str) -> list[tuple[Any, ...]]:
    """What the block that has ``about`` in it answers: the rows of its last statement that has any."""
    [text] = [query for query in QUERIES if about in query]
    rows: list[tuple[Any, ...]] = []
    for statement in filter(str.strip, text.split(";\n")):
        cursor = database.execute(statement)
        rows = cursor.fetchall() if cursor.description else rows
    return rows


def test_the_checks_after_the_deploy(database: psycopg.Connection[Any]) -> None:
    assert asked(database, "information_schema.routines") == [("public", "refund_job_atomic", "FUNCTION")]
    may = {"anon": False, "authenticated": False, "service_role": True}
    assert dict(asked(database, "has_function_privilege")) == may
    [(answer,)] = asked(database, "no-such-job")
    assert answer["error"] == "Job not found"


def test_it_sees_a_double_refund(database: psycopg.Connection[Any]) -> None:
    assert (refund(database, "good"), refund(database, "good")) == (True, False)
    assert asked(database, "HAVING count(*) > 1") == []
    start(database, "twice")
    for _ in range(2):  # as the old worker pays
        metadata = psycopg.types.json.Jsonb({"job_id": "twice"})
        database.execute("SELECT refund_balance_atomic(%s, 1000, 'x', %s)", (ALICE, metadata))
    assert asked(database, "HAVING count(*) > 1") == [("twice", 2, 2000)]
    database.execute("UPDATE story_jobs SET status = 'failed' WHERE job_id = 'twice'")


def test_it_sees_a_lost_refund(database: psycopg.Connection[Any]) -> None:
    assert asked(database, "AND NOT EXISTS") == []
    start(database, "lost")
    database.execute("UPDATE story_jobs SET status = 'failed' WHERE job_id = 'lost'")
    assert [row[0] for row in asked(database, "AND NOT EXISTS")] == ["lost"]


def test_it_sees_a_job_that_is_stuck(database: psycopg.Connection[Any]) -> None:
    start(database, "stuck")
    assert asked(database, "interval '1 hour'") == []
    database.execute("UPDATE story_jobs SET started_at = now() - interval '61 minutes' WHERE job_id = 'stuck'")
    assert [row[0] for row in asked(database, "interval '1 hour'")] == ["stuck"]


def test_it_sees_the_highest_balances_and_nobody_waiting(database: psycopg.Connection[Any]) -> None:
    assert [str(row[0]) for row in asked(database, "LIMIT 20")] == [ALICE]
    assert asked(database, "pg_blocking_pids") == []


def test_the_rollback_takes_the_function_away(database: psycopg.Connection[Any]) -> None:
    asked(database, "DROP FUNCTION")
    assert asked(database, "information_schema.routines") == []
    database.execute((ROOT / "sql" / "migrations" / "migration_atomic_job_refund.sql").read_text())
    assert len(asked(database, "information_schema.routines")) == 1
