"""`harness check` as people type it: exit codes, the first lines, one clear line for a mistake."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from commands import Done, harness

from harness.scenario import load_scenario
from harness.targets.embedded import EmbeddedTarget

TABLES = """\
CREATE TABLE accounts (id int PRIMARY KEY, balance int NOT NULL);
CREATE TABLE jobs (id text PRIMARY KEY, account int REFERENCES accounts, status text, amount int);
CREATE TABLE ledger (id serial PRIMARY KEY, account int REFERENCES accounts, amount int);
INSERT INTO accounts VALUES (1, 4000);
INSERT INTO jobs VALUES ('j1', 1, 'processing', 1000);
"""
REFUND = """\
CREATE FUNCTION refund(p_job text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  j jobs;
BEGIN
  SELECT * INTO j FROM jobs WHERE id = p_job;
  IF j.status <> 'processing' THEN
    RETURN jsonb_build_object('success', false);
  END IF;
  UPDATE accounts SET balance = balance + j.amount WHERE id = j.account;
  INSERT INTO ledger (account, amount) VALUES (j.account, j.amount);
  UPDATE jobs SET status = 'failed' WHERE id = p_job;
  RETURN jsonb_build_object('success', true);
END $$;
"""
LOCKED = REFUND.replace("id = p_job;\n  IF", "id = p_job FOR UPDATE;\n  IF")
CALL = ("--call", "SELECT refund('j1')")


@pytest.fixture
def sql(tmp_path: Path) -> Path:
    """A folder with ``bad.sql`` (refunds twice) and ``good.sql``."""
    (tmp_path / "bad.sql").write_text(TABLES + REFUND)
    (tmp_path / "good.sql").write_text(TABLES + LOCKED)
    return tmp_path


def check(cwd: Path, *arguments: str, fresh: bool = False, **environment: str) -> Done:
    return harness(*arguments, cwd=cwd, fresh=fresh, **environment)


def test_a_double_refund_is_found_and_replays(sql: Path) -> None:
    done = check(sql, "check", "--sql", "bad.sql", *CALL, "--json", "r.json", fresh=True)
    assert (done.returncode, done.stderr) == (1, "")
    first = done.stdout.splitlines()[0]
    assert re.fullmatch(r"PostgreSQL \d+\.\d+ \(embedded\) · bad\.sql installed · 2 workers", first)
    found = json.loads((sql / "r.json").read_text())
    [scenario] = found["scenarios"]
    assert (found["verdict"], scenario["name"], scenario["observed"]) == ("violation", "refund", "violation")
    assert "serial_equivalence" in {v["check"] for v in scenario["violations"]}
    [again] = [line for line in done.stdout.splitlines() if line.startswith("again")]
    replayed = check(sql, *again.split("harness ", 1)[1].split())
    assert replayed.returncode == 1, replayed.stderr
    assert "reproduced 1 of 1" in replayed.stdout
    why = done.stdout[done.stdout.index("\nwhy ") : done.stdout.index("\nagain ")]
    assert why.strip() in replayed.stdout
    table = done.stdout.partition("\nwhy ")[0]
    assert [turn for turn in re.findall(r"T\d+", why) if f"\n{turn} " not in table] == []


def test_a_row_lock_is_enough_and_the_second_run_is_the_same(sql: Path) -> None:
    runs = []
    for fresh in (False, True):
        done = check(sql, "check", "--sql", "good.sql", *CALL, "--workers", "2", "--json", "r.json", fresh=fresh)
        assert (done.returncode, done.stderr) == (0, "")
        [scenario] = json.loads((sql / "r.json").read_text())["scenarios"]
        runs.append((scenario["verdict"], scenario["schedules"], scenario["exhausted"]))
    assert runs[0] == runs[1]
    assert runs[0][0] == "pass"


def test_an_invariant_a_set_up_and_a_saved_scenario(sql: Path) -> None:
    done = check(
        sql, "check", "--sql", "bad.sql", *CALL, *CALL, "--setup", "UPDATE accounts SET balance = 10",
        "--invariant", "at_most_once=SELECT * FROM accounts WHERE balance > 1010", "--save", "mine/refund.yaml",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "")
    assert "at_most_once" in done.stdout
    scenario = load_scenario(sql / "mine" / "refund.yaml")
    assert [w.name for w in scenario.workers] == ["w1", "w2"]
    ran = check(sql, "run", "mine/refund.yaml", "--json", "r.json")
    assert ran.returncode == 1, ran.stderr
    [result] = json.loads((sql / "r.json").read_text())["scenarios"]
    assert "at_most_once" in {v["check"] for v in result["violations"]}


def test_stubs_and_notices_come_before_the_run(sql: Path) -> None:
    with (sql / "good.sql").open("a") as file:
        file.write("CREATE EXTENSION pg_cron;\nGRANT SELECT, UPDATE ON ALL TABLES IN SCHEMA public TO clerk, payer;\n")
        file.write("GRANT INSERT ON ledger TO clerk; GRANT USAGE ON SEQUENCE ledger_id_seq TO clerk;\n")
        file.write("CREATE FUNCTION no() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE 'never'; END $$;\n")
    done = check(
        sql, "check", "--sql", "good.sql", "--call-as", "clerk", "SELECT refund('j1')", "--call", "SELECT no()"
    )
    assert done.returncode in (0, 3), done.stderr
    assert done.stdout.splitlines()[1:4] == [
        "stubbed: role clerk, role payer",
        "extension pg_cron is not on this server: left out",
        "call 2 fails even alone: P0001 never [PL/pgSQL function no() line 1 at RAISE]",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Missing option '--sql'"),
        (("--sql", "bad.sql"), "--call is missing"),
        (("--sql", "none.sql", *CALL), "--sql: none.sql cannot be read"),
        (("--sql", "bad.sql", *CALL, "--workers", "9"), "9 workers: 8 at most"),
        (("--sql", "bad.sql", "--call-as", "clerk"), "--call-as takes two values: ROLE SQL"),
        (("--sql", "bad.sql", "--call", "SELECT refund('j1'"), "--call 1:1:19: syntax error at end of input"),
        (("--sql", "bad.sql", "--call", "SELECT refnd('j1')"), "--call 1:1:8: call 1 fails even alone: 42883 function"),
        (("--sql", "bad.sql", "--sql", "bad.sql", *CALL), "--sql bad.sql: bad.sql is given twice"),
        (("--sql", "bad.sql", *CALL, "--invariant", "deadlock=SELECT 1"), "--invariant deadlock: this is the name"),
        (("--sql", "bad.sql", *CALL, "--save", "bad.sql"), "--save bad.sql: this file is no scenario"),
        (("--sql", "bad.sql", *CALL, "--strategy", "luck"), "--strategy: unknown 'luck'"),
    ],
)
def test_a_mistake_is_one_line_and_2(sql: Path, arguments: tuple[str, ...], message: str) -> None:
    done = check(sql, "check", *arguments)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(f"harness: {message}")
    assert done.stderr.count("\n") == 1
    assert not list(sql.glob("reports/*/*.yaml"))
    assert (sql / "bad.sql").read_text() == TABLES + REFUND


def test_quiet_says_nothing_of_a_pass_but_the_last_line(sql: Path) -> None:
    done = check(sql, "check", "--sql", "good.sql", *CALL, "-q")
    assert done.returncode == 0, done.stderr
    assert not any(line.startswith("PostgreSQL") for line in done.stdout.splitlines())


def test_on_a_server_that_is_not_ours_no_role_is_made(sql: Path, target: EmbeddedTarget) -> None:
    (sql / "bad.sql").write_text(TABLES + REFUND + "GRANT SELECT ON jobs TO check_stranger;\n")
    parameters = dict(part.split("=", 1) for part in target.conninfo(target.maintenance_database).split())
    dsn = f"postgresql:///{parameters['dbname']}?host={parameters['host']}&user={parameters['user']}" + (
        f"&port={parameters['port']}" if "port" in parameters else ""
    )
    done = check(sql, "check", "--sql", "bad.sql", *CALL, "--target", "env:DSN", DSN=dsn)
    assert done.returncode == 2
    assert done.stderr.startswith("harness: no role check_stranger on postgresql://")
    (sql / "bad.sql").write_text(TABLES + REFUND)
    done = check(sql, "check", "--sql", "bad.sql", *CALL, "--target", "env:DSN", DSN=dsn)
    assert (done.returncode, done.stderr) == (1, "")
