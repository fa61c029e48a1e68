"""`harness audit` as people's CI sees it: exit codes, files, one clear line, and no password anywhere."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import jsonschema
import pytest
from audit_ledgers import CATCH_UP, PLANTS, uuid_of
from audits import Ledgers, audited
from commands import harness
from servers import PATIENCE_S, within

from harness.audit.mapping import read_mapping
from harness.cli.entry import run_command as run
from harness.errors import UsageError
from harness.report.audit_json import SCHEMA_FILE
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget

pytestmark = pytest.mark.own_server("ledgers are owned, granted and replicated as only a superuser may")

ROOT = Path(__file__).parents[2]
SECRET = "hunter2-not-to-be-seen"


@pytest.fixture
def ledgers(target: EmbeddedTarget, databases: Databases) -> Iterator[Ledgers]:
    made = Ledgers(target, databases)
    yield made
    made.close()


def test_findings_are_1_and_nobody_is_named(ledgers: Ledgers, tmp_path: Path) -> None:
    connection = ledgers.opened(20, CATCH_UP)
    PLANTS[0].planted(connection, 7)
    where = ledgers.dsn(connection).replace("postgres@", f"postgres:{SECRET}@")
    copy = tmp_path / "a.json"
    done = harness("audit", "--target", "env:LEDGER", "--out", str(tmp_path / "r"), "--json", str(copy), LEDGER=where)
    assert (done.returncode, done.stderr) == (1, "")
    assert "✗ one_refund_per_job       1 of 242 jobs" in done.stdout
    assert "✗ 1 finding in 1 of " in done.stdout
    folder = tmp_path / "r" / "latest"
    assert {p.name for p in folder.iterdir() if not p.name.startswith(".")} == {"index.html", "audit.json"}
    found = json.loads(copy.read_text())
    assert json.loads((folder / "audit.json").read_text()) == found
    jsonschema.validate(found, json.loads(SCHEMA_FILE.read_text()))
    assert (found["verdict"], found["findings"], found["ids_hidden"]) == ("violation", 1, True)
    for text in (done.stdout, copy.read_text(), (folder / "index.html").read_text()):
        assert SECRET not in text
        assert uuid_of(7)[:-2] not in text
        assert "bull:7:3a" in text


def test_nothing_found_is_0(ledgers: Ledgers, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ledgers.dsn(ledgers.opened(20))
    assert run(["audit", "--target", where, "--out", str(tmp_path), "--show-ids", "-v"]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    assert "✓ Nothing wrong in " in told.out
    assert uuid_of(7) in told.out  # among the highest balances


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--target", "embedded"), 2, "give postgresql://USER@HOST/DATABASE or env:NAME"),
        (("--target", "env:NOT_SET"), 2, "the variable 'NOT_SET' is not set"),
        (("--target", f"postgresql://me:{SECRET}@localhost:1/x"), 4, "cannot connect"),
        (("--target", "env:X", "--since", "soon"), 2, "--since 'soon'"),
        (("--target", "env:X", "--map", "/nowhere.yaml"), 2, "/nowhere.yaml:1:1: cannot be read"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_no_folder(
    arguments: tuple[str, ...], code: int, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("X", "postgresql://nobody@localhost:1/x")
    assert run(["audit", *arguments, "--out", str(tmp_path / "r")]) == code
    told = capsys.readouterr()
    assert message in told.err
    assert told.err.count("\n") == 1
    assert SECRET not in told.err + told.out
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_query_too(number: signal.Signals, code: int, ledgers: Ledgers, tmp_path: Path) -> None:
    connection = ledgers.opened(20, SLOW)
    under_way = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'refund-harness audit'"
    process = subprocess.Popen(
        [sys.executable, "-m", "harness", "audit", "--target", ledgers.dsn(connection), "--out", str(tmp_path)],
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    wait_for(lambda: connection.execute(f"{under_way} AND state = 'active'").fetchone() == (1,))
    process.send_signal(number)
    _, told = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == code, told
    wait_for(lambda: connection.execute(under_way).fetchone() == (0,))
    assert [p for p in tmp_path.iterdir() if p.is_dir()] == []


SLOW = """ALTER TABLE public.story_jobs RENAME TO kept;
CREATE VIEW public.story_jobs AS SELECT k.* FROM public.kept AS k WHERE pg_sleep(600) IS NOT NULL"""


def wait_for(condition: Callable[[], bool]) -> None:
    assert within(PATIENCE_S, condition)


MISSING = """CREATE TABLE public.story_jobs (job_id text, user_id uuid, status text);
CREATE TABLE public.user_balances (user_id uuid, balance money);
CREATE TABLE public.balance_transactions (user_id uuid, kind text, amount integer, metadata text)"""


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ("", "there is no table public.story_jobs in this database; a ledger with other names needs --map FILE"),
        ("version: 1\njobs: {table: jobs}\n", "m.yaml:2:8: there is no table public.jobs in this database"),
    ],
)
def test_a_table_that_is_not_there(mapping: str, message: str, ledgers: Ledgers, tmp_path: Path) -> None:
    assert message in refused(ledgers, "", mapping, tmp_path)


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ("", "public.user_balances.balance is money: it must be smallint, integer, bigint or numeric"),
        ("version: 1\nbalances: {balance: user_id}\n", "m.yaml:2:12: public.user_balances.user_id is uuid"),
        ("version: 1\njobs: {started: began}\n", "m.yaml:2:8: there is no column began in public.story_jobs"),
        ("version: 1\ntransactions: {seq: kind}\n", "m.yaml:2:16: public.balance_transactions.kind is text"),
        ("version: 1\nbalances: {user: user}\n", "no column user in public.user_balances; did you mean 'user_id'?"),
        (
            "version: 1\nbalances: {table: story_jobs, balance: status}\n",
            "m.yaml:2:31: public.story_jobs.status is text: it must be",
        ),
    ],
)  # fmt: skip
def test_a_column_that_does_not_fit(mapping: str, message: str, ledgers: Ledgers, tmp_path: Path) -> None:
    chained = "; ALTER TABLE public.balance_transactions ADD balance_before integer, ADD balance_after integer"
    assert message in refused(ledgers, MISSING + chained, mapping, tmp_path)


def test_a_path_into_what_is_no_json(ledgers: Ledgers, tmp_path: Path) -> None:
    more = MISSING.replace("money", "integer")
    mapping = "version: 1\ntransactions: {before: null, after: null, type: kind}\n"
    expected = "public.balance_transactions.metadata is text: it must be json or jsonb"
    assert expected in refused(ledgers, more, mapping, tmp_path)


def refused(ledgers: Ledgers, tables: str, mapping: str, folder: Path) -> str:
    """What an audit says of a ledger that it cannot read, in one line."""
    path = folder / "m.yaml"
    path.write_text(mapping)
    connection = ledgers.opened(0, tables) if tables else ledgers.opened(0)
    with pytest.raises(UsageError) as caught:
        audited(ledgers.dsn(connection), read_mapping(path if mapping else None))
    assert "\n" not in str(caught.value)
    return str(caught.value)
