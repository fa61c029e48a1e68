"""``assert_holds`` and ``check``: what they find, what they say, and what they leave."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from programs import ACCOUNTS

from harness.api import Answer
from harness.errors import UsageError
from harness.model import ScenarioResult, Verdict
from harness.pytest_harness import TestHarness
from harness.replay import read_saved, scenario_of
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget

Connection = psycopg.Connection[Any]


@pytest.fixture
def here(request: pytest.FixtureRequest, target: EmbeddedTarget, databases: Databases, tmp_path: Path) -> TestHarness:
    """A `Harness` on the suite's server, which keeps its counterexamples in `tmp_path`."""
    return TestHarness("tests/test_app.py::test_it", request.config, target, databases, lambda _: tmp_path)


def add(conn: Connection) -> int:
    """Loses the other one's increment."""
    [(balance,)] = conn.execute("SELECT balance FROM accounts WHERE owner = 'alice'")
    conn.execute("UPDATE accounts SET balance = %s WHERE owner = 'alice'", [balance + 1000])
    return int(balance) + 1000


def add_locked(conn: Connection) -> int:
    [(balance,)] = conn.execute("SELECT balance FROM accounts WHERE owner = 'alice' FOR UPDATE")
    conn.execute("UPDATE accounts SET balance = %s WHERE owner = 'alice'", [balance + 1000])
    return int(balance) + 1000


def both_counted(conn: Connection, answers: dict[str, Answer]) -> None:
    [(balance,)] = conn.execute("SELECT balance FROM accounts WHERE owner = 'alice'")
    assert balance == max(a.returned for a in answers.values()) == 6000, f"{balance} in the end"


def test_a_lost_update_is_found_told_and_saved(here: TestHarness, tmp_path: Path) -> None:
    with pytest.raises(AssertionError) as failed:
        here.assert_holds(calls=[add, add], setup=ACCOUNTS, invariants={"both_counted": both_counted})
    text = str(failed.value)
    assert text.startswith(
        "test_app.test_it: violation. both_counted and serial_equivalence were violated at schedule 3 of 3.\n"
        "  both_counted: 5000 in the end\n"
        "  serial_equivalence: balance 5000; every serial order ends with 6000\n"
    )
    assert re.search(r"^T\d+ +select_accounts → 4000", text, re.MULTILINE)
    assert re.search(r"ends: returned 5000", text)
    assert re.search(r"^why +w1 read accounts.balance at T\d+ \(4000\)", text, re.MULTILINE)
    saved = tmp_path / "test_app.test_it-1.schedule"
    assert text.endswith(f"again   pytest tests/test_app.py::test_it --harness-replay {saved}")

    def seen(call: Callable[..., int]) -> ScenarioResult:
        return here.check(calls=[call, call], setup=ACCOUNTS, invariants={"both_counted": both_counted}, replay=saved)

    again = seen(add)
    assert (again.verdict, again.schedules) == (Verdict.VIOLATION, 1)
    assert "adapted" not in again.meaning
    cured = seen(add_locked)
    assert (cured.verdict, cured.schedules) == (Verdict.PASS, 1)


def test_what_is_right_is_covered_to_the_end(here: TestHarness) -> None:
    result = here.check(
        calls=[add_locked, add_locked], setup=ACCOUNTS, invariants={"both_counted": both_counted}
    )  # fmt: skip
    assert result.verdict is Verdict.PASS
    assert result.exhausted
    assert result.meaning.startswith("Every interleaving of the statements of 2 workers at their 8 points was covered")


def test_sql_and_functions_side_by_side(here: TestHarness) -> None:
    result = here.check(
        workers={"app": add, "cron": "UPDATE accounts SET balance = balance + 1 WHERE owner = 'alice'"},
        setup=ACCOUNTS,
        invariants={"nothing_lost": "SELECT balance FROM accounts WHERE owner = 'alice' AND balance <> 5001"},
    )
    assert result.verdict is Verdict.VIOLATION
    assert {v.check for v in result.counterexamples[0].violations} >= {"nothing_lost"}


def test_sql_alone_with_files_and_migrations(here: TestHarness, tmp_path: Path) -> None:
    (tmp_path / "1.sql").write_text(ACCOUNTS)

    def migrate(conn: Connection) -> None:
        conn.execute(
            "CREATE FUNCTION charge() RETURNS integer LANGUAGE sql AS "
            "$$ UPDATE accounts SET balance = balance - 10 WHERE owner = 'alice' RETURNING balance $$"
        )

    result = here.check(calls=["SELECT charge()"] * 2, sql=tmp_path / "1.sql", migrate=migrate)
    assert (result.verdict, result.exhausted) == (Verdict.PASS, True)


def test_who_never_meets_shows_nothing(here: TestHarness) -> None:
    def wrong(conn: Connection) -> None:
        conn.execute("UPDATE order SET status = 'sent'")

    with pytest.raises(AssertionError) as failed:
        here.assert_holds(calls=[wrong], setup=ACCOUNTS)
    assert re.fullmatch(
        r"test_app.test_it: inconclusive\. No schedule changed the ledger, so nothing was shown\. w1 never returned: "
        r"psycopg.errors.SyntaxError: syntax error at or near \"order\" \(tests/db/test_python_api.py:\d+\)\.",
        str(failed.value),
    )


def test_the_command_line_says_who_can_replay_it(tmp_path: Path) -> None:
    saved = tmp_path / "x.schedule"
    header = "scenario: x\nfile: tests/test_app.py::test_it\nhash: -\nserver: 18\nseed: 0\norder: 0\nchecks: x\n"
    saved.write_text(f"harness-schedule 1\n{header}\n")
    with pytest.raises(UsageError, match=r"alone can run it again: pytest tests/test_app.py::test_it --harness-replay"):
        scenario_of(read_saved(saved), saved)


def no_such_thing(conn: Connection, order: str) -> None:
    """Nobody can give it an order."""


def breaks(conn: Connection) -> None:
    conn.execute("SELECT nothing FROM accounts")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({}, "no workers: give calls=[…] or workers={name: SQL or function}"),
        ({"calls": [add], "workers": {"a": add}}, "give calls=[…] or workers={…}, not both"),
        ({"calls": [no_such_thing]}, "worker w1: nobody can give it 'order': it may take conn, connect, url"),
        ({"calls": [3]}, "worker w1: SQL or a function, found int"),
        ({"calls": ["SELEC 1"]}, 'worker w1: syntax error at or near "SELEC"'),
        ({"workers": {"a b": add}}, "worker 'a b': a name has letters, digits and _"),
        ({"calls": [add], "roles": {"w9": "app"}}, "roles: there is no worker 'w9'"),
        ({"calls": [add], "strategy": "luck"}, "strategy 'luck': give one of auto, exhaustive"),
        ({"calls": [add], "isolation": "high"}, "isolation 'high': give one of read_committed"),
        ({"calls": [add], "invariants": {"deadlock": "SELECT 1"}}, "invariant 'deadlock': this is the name of a check"),
        ({"calls": [add], "sql": "nowhere.sql"}, "--sql: nowhere.sql cannot be read: No such file or directory"),
        ({"calls": [add], "setup": "CREATE TABEL x ()"}, 'setup:1:8: syntax error at or near "TABEL"'),
        ({"calls": ["SELECT 1"], "setup": "BEGIN"}, "setup: opens a transaction and never ends it: add COMMIT"),
        ({"calls": [add, add], "setup": ACCOUNTS, "invariants": {"odd": breaks}}, "invariant odd: "),
        ({"calls": [add], "replay": "nowhere.schedule"}, "nowhere.schedule: cannot be read: No such file or directory"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(here: TestHarness, asked: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as error:
        here.check(**asked)
    assert str(error.value).startswith(words)
    assert "\n" not in str(error.value)


def test_a_word_that_nobody_knows_is_no_argument(here: TestHarness) -> None:
    with pytest.raises(TypeError, match="'invariant' is not understood; there are calls, workers"):
        here.check(calls=[add], invariant={})  # type: ignore[call-arg]
