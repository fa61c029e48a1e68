"""`harness init` as people type it: what is written, and one clear line for a mistake."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from proposed import found, proposed

from harness.cli.entry import run_command
from harness.driver.pool import WorkerPool
from harness.model import Verdict
from harness.scaffold.init import init_on, read_sources
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget

TABLES = """\
-- Dumped from database version 16.4
CREATE TABLE wallets (owner text PRIMARY KEY, balance int NOT NULL);
CREATE TABLE entries (id bigserial PRIMARY KEY, owner text NOT NULL REFERENCES wallets, amount int NOT NULL);
"""
SPEND = """\
CREATE FUNCTION spend(p_owner text, p_amount int) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE had int;
BEGIN
  SELECT balance INTO had FROM wallets WHERE owner = p_owner;
  IF NOT FOUND OR had < p_amount THEN RETURN false; END IF;
  UPDATE wallets SET balance = had - p_amount WHERE owner = p_owner;
  INSERT INTO entries (owner, amount) VALUES (p_owner, -p_amount);
  RETURN true;
END $$;
CREATE FUNCTION shown(p_owner text) RETURNS int LANGUAGE sql STABLE AS 'SELECT balance FROM wallets WHERE owner = $1';
"""
LOCKED = SPEND.replace("owner = p_owner;\n  IF", "owner = p_owner FOR UPDATE;\n  IF")


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


Init = Callable[..., Ended]


@pytest.fixture
def init(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Init:
    """``harness init`` with these arguments, in `tmp_path`."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Ended:
        code = run_command(["init", *arguments])
        said = capsys.readouterr()
        return Ended(code, said.out, said.err)

    return run


def contents(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): p.read_text() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_migrations_become_scenarios_and_a_configuration(tmp_path: Path, init: Init) -> None:
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "01_tables.sql").write_text(TABLES)
    (tmp_path / "migrations" / "02_spend.sql").write_text(SPEND)
    before = contents(tmp_path)
    done = init("migrations")
    assert (done.code, done.err) == (0, "")
    written = contents(tmp_path)
    assert {name: written.pop(name) for name in before} == before
    assert all(name == "harness.toml" or name.startswith("concurrency/") for name in written)
    assert {"concurrency/spend.yaml", "concurrency/spend_retry.yaml"} <= written.keys()
    assert '  - "../migrations"\n' in written["concurrency/spend.yaml"]
    said = tomllib.loads(written["harness.toml"])
    assert said == {"scenarios": ["concurrency"], "sql": ["migrations"], "server_major": 16}
    lines = done.out.splitlines()
    assert lines[-1] == "next  harness run concurrency"
    assert "left out: shown() (STABLE or IMMUTABLE: it changes nothing)" in lines
    [edit] = {line for line in lines if "edit" in line and "spend.yaml:" in line}
    place = int(edit.rsplit(":", 1)[1])
    assert written["concurrency/spend.yaml"].splitlines()[place - 1] == "workers:"

    again = init("migrations")
    assert (again.code, again.out) == (2, "")
    assert again.err == (
        "harness: concurrency is there and not empty: give another folder with --into DIR, or --force\n"
    )
    (tmp_path / "harness.toml").write_text("# mine\n")
    (tmp_path / "concurrency" / "spend.yaml").write_text("changed\n")
    forced = init("migrations", "--force")
    assert forced.code == 0
    assert contents(tmp_path) == {**before, **written, "harness.toml": "# mine\n"}


def test_a_configuration_in_force_says_what_is_read_and_gets_none_beside_it(
    tmp_path: Path, init: Init, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "spend.sql").write_text(TABLES + SPEND)
    (tmp_path / "pyproject.toml").write_text('[tool.refund-harness]\nsql = "migrations"\n')
    (tmp_path / "app").mkdir()
    monkeypatch.chdir(tmp_path / "app")
    done = init()
    assert (done.code, done.err) == (0, "")
    assert "written into concurrency; ../pyproject.toml was there and stays as it is" in done.out
    written = contents(tmp_path / "app")
    assert "harness.toml" not in written
    assert '  - "../../migrations"\n' in written["concurrency/spend.yaml"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "nothing to read: give SQL files or folders (supabase/migrations, a dump), or --target DSN"),
        (("absent.sql",), "harness: PATH: absent.sql cannot be read: No such file or directory"),
        (("bad.sql",), "bad.sql:2:8: syntax error"),
        (("bad.sql", "--target", "postgresql://x"), "--target and SQL files: one of the two"),
        (("--target", "postgresql://x"), "--target needs --schema NAME"),
        (("--target", "oracle", "--schema", "x"), "a live database is postgresql://… or env:NAME"),
        (("bad.sql", "--schema", "x"), "--schema goes with --target"),
        (("bad.sql", "--into", "bad.sql"), "bad.sql is no folder"),
        (("unknown.sql",), 'unknown.sql:1:49: type "nope" does not exist'),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, init: Init, arguments: tuple[str, ...], said: str) -> None:
    (tmp_path / "bad.sql").write_text("SELECT 1;\nCREATE TABEL x ();\n")
    (tmp_path / "unknown.sql").write_text("CREATE TABLE accounts (id int, owner text, kind nope);\n")
    before = contents(tmp_path)
    done = init(*arguments)
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert said in done.err
    assert contents(tmp_path) == before


def test_where_nothing_can_be_proposed_nothing_is_written(tmp_path: Path, init: Init) -> None:
    (tmp_path / "a.sql").write_text(
        "CREATE TYPE pair AS (a int, b int); CREATE TABLE t (p pair);\n"
        "CREATE FUNCTION put(p pair) RETURNS void LANGUAGE sql AS 'INSERT INTO t VALUES (p)';\n"
    )
    done = init("a.sql")
    assert done.code == 3
    assert "no value of type pair could be guessed" in done.out
    assert [p.name for p in tmp_path.iterdir()] == ["a.sql"]


def test_a_live_schema_is_only_read(target: EmbeddedTarget, databases: Databases, tmp_path: Path, init: Init) -> None:
    name = databases.clone(databases.template(()))
    with psycopg.connect(target.conninfo(name), autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA app; SET search_path = app; {TABLES} {LOCKED}".encode())
        connection.execute(b"INSERT INTO wallets VALUES ('ann', 7)")
        done = init("--target", target.conninfo(name), "--schema", "app", "--into", "here")
        assert (done.code, done.err) == (0, "")
        assert connection.execute(b"SELECT * FROM wallets").fetchall() == [("ann", 7)]
        connection.execute(b"CREATE SCHEMA empty")
        nothing = init("--target", target.conninfo(name), "--schema", "empty", "--into", "there")
        absent = init("--target", target.conninfo(name), "--schema", "nope", "--into", "there")
    assert (absent.code, absent.err) == (2, "harness: --schema nope: no such schema in this database\n")
    assert nothing.code == 3
    assert not (tmp_path / "there").exists()
    assert "CREATE FUNCTION app.spend" in (tmp_path / "here" / "sql" / "schema.sql").read_text()
    assert "'ann'" not in "".join(contents(tmp_path).values())
    assert "search_path" in (tmp_path / "here" / "spend.yaml").read_text()


def test_the_same_sql_gives_the_same_files(target: EmbeddedTarget, databases: Databases, tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text(TABLES + SPEND)
    made = []
    for folder in ("one", "two"):
        init_on(target, databases, read_sources([str(tmp_path / "a.sql")]), tmp_path / folder, tmp_path, force=False)
        made.append(contents(tmp_path / folder))
    assert made[0] == made[1]


@pytest.mark.parametrize(("sql", "broken"), [(SPEND, True), (LOCKED, False)], ids=["unlocked", "locked"])
def test_a_cached_sum_is_proposed_and_trips(
    sql: str, broken: bool, target: EmbeddedTarget, databases: Databases, pool: WorkerPool, tmp_path: Path
) -> None:
    (tmp_path / "a.sql").write_text(TABLES + sql)
    done, scenarios = proposed([str(tmp_path / "a.sql")], target, databases, tmp_path)
    names = {i.name for a in done.answers for p in a.proposals for i in p.invariants if i.holds}
    assert "wallets_balance_and_entries" in names
    told = found(scenarios, target, databases, pool)
    if broken:
        [checks] = [checks for verdict, checks in told.values() if verdict is Verdict.VIOLATION]
        assert "wallets_balance_and_entries" in checks
    else:
        assert {verdict for verdict, _ in told.values()} == {Verdict.PASS}
