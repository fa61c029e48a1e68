"""Soaks on a real server: what is right stays green under faults, what is broken is found, handed over, and replays."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest
from commands import harness
from elsewhere import make_roles
from soak_mutants import never_ends, other_tables, refuses_all, says_so_and_does_not, wide_race

from harness.db import connect
from harness.errors import UsageError, UserSqlError
from harness.model import Verdict
from harness.soak import fleet
from harness.soak.ledger import check_ledger
from harness.soak.run import SoakOptions, soak
from harness.soak.watch import Watch
from harness.soaked import ACKNOWLEDGED, FORWARD, LIVENESS, Broken, Fault, Finding, Sample, SoakResult, Told
from harness.targets.embedded import EmbeddedTarget

ROOT = Path(__file__).parents[2]
NOBODY = Told(refunds={}, completed=frozenset())


class Ear:
    """Hears what a soak tells."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self.alarms = 0
        self.handed: list[Finding] = []

    def started(self, description: str, server_version: str, options: SoakOptions) -> None:
        assert description
        assert server_version
        assert options.workers

    def sampled(self, sample: Sample) -> None:
        self.samples.append(sample)

    def alarmed(self) -> None:
        self.alarms += 1

    def handing_over(self, finding: Finding) -> None:
        self.handed.append(finding)


def run(
    target: EmbeddedTarget, folder: Path, *more: Path, operations: int = 2_000, users: int = 20, seed: int = 0,
    faults: Sequence[Fault] = tuple(Fault), ear: Ear | None = None,
) -> SoakResult:  # fmt: skip
    options = SoakOptions(
        workers=6, users=users, operations=operations, seed=seed, faults=faults, more=more
    )  # fmt: skip
    return soak(options, target, folder, ear or Ear())


def databases_of(target: EmbeddedTarget) -> set[str]:
    with psycopg.connect(target.conninfo("postgres"), autocommit=True) as conn:
        return {name for (name,) in conn.execute("SELECT datname FROM pg_database")}


def test_the_shipped_functions_stand_two_thousand_operations_with_faults(
    target: EmbeddedTarget, tmp_path: Path
) -> None:
    ear = Ear()
    result = run(target, tmp_path, ear=ear)
    assert result.verdict is Verdict.PASS, result.findings
    assert result.operations == 2_000
    assert result.ok + result.fail + result.info == result.operations + result.draining
    faults = dict(result.faults)
    assert all(faults[fault] > 0 for fault in Fault), faults
    assert result.info > 0  # some are hit in mid-call: nobody knows
    assert result.acknowledged > 100
    assert result.checked >= 1
    assert {one.kind for one in result.latencies} == {"charge", "complete", "refund", "retry", "all"}
    assert result.errors == ()
    assert ear.samples[-1].operations == result.operations + result.draining
    assert ear.alarms == 0


def test_without_faults_every_answer_is_known(target: EmbeddedTarget, tmp_path: Path) -> None:
    result = run(target, tmp_path, operations=500, faults=())
    assert (result.verdict, result.fail, result.info, result.faults) == (Verdict.PASS, 0, 0, ())


def test_a_planted_race_is_found_handed_over_and_reproduced(target: EmbeddedTarget, tmp_path: Path) -> None:
    ear = Ear()
    result = run(target, tmp_path, wide_race(tmp_path), ear=ear)
    assert result.verdict is Verdict.VIOLATION
    assert ear.alarms == 1
    assert result.operations < 2_000  # it ends the load
    first = result.findings[0]
    # What meets first is chance: two refunds, or a refund and a completion.
    assert {*first.checks} & {ACKNOWLEDGED, FORWARD, "completed_means_no_refund"}
    assert sum(o.refunded or o.completed for o in first.history) >= 2
    assert first.handed_over is not None
    assert first.handed_over.replay
    assert 0 < len(ear.handed) <= 3

    replayed = harness("replay", first.handed_over.replay)
    assert replayed.returncode == 1, replayed.stderr
    assert "reproduced 1 of 1" in replayed.stdout
    again = harness("run", first.handed_over.scenario, "--out", str(tmp_path / "again"))
    assert again.returncode == 1, again.stderr


def test_a_lost_update_of_a_balance_is_handed_over_with_the_calls_of_other_jobs(
    target: EmbeddedTarget, tmp_path: Path
) -> None:
    text = (ROOT / "sql" / "mutants" / "charge_lost_update.sql").read_text(encoding="utf-8")
    before = "  v_after := "
    slow = text.replace(before, f"  PERFORM pg_sleep(0.05);\n{before}")
    path = tmp_path / "lost.sql"
    path.write_text(slow, encoding="utf-8")
    result = run(target, tmp_path, path, users=2)
    assert result.verdict is Verdict.VIOLATION
    told = [f for f in result.findings if "ledger_chain" in f.checks and len({o.job.job for o in f.history}) > 1]
    assert told
    assert any(f.handed_over is not None and f.handed_over.replay for f in told)


def test_an_acknowledged_refund_that_was_never_paid_is_found(target: EmbeddedTarget, tmp_path: Path) -> None:
    result = run(target, tmp_path, says_so_and_does_not(tmp_path), faults=())
    assert result.verdict is Verdict.VIOLATION
    assert ACKNOWLEDGED in result.findings[0].checks


def test_a_soak_in_which_nobody_is_refunded_leaves_the_queue_full(target: EmbeddedTarget, tmp_path: Path) -> None:
    result = run(target, tmp_path, refuses_all(tmp_path), operations=60, faults=())
    assert result.acknowledged == 0
    assert result.verdict is Verdict.VIOLATION
    assert result.findings[0].checks == ("queue_drained",)


def test_a_soak_in_which_nothing_happened_shows_nothing(target: EmbeddedTarget, tmp_path: Path) -> None:
    result = soak(SoakOptions(workers=2, users=2, seconds=0), target, tmp_path, Ear())
    assert (result.verdict, result.operations) == (Verdict.INCONCLUSIVE, 0)


def test_a_call_that_never_ends_is_a_finding(
    target: EmbeddedTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet, "STUCK_S", 3.0)
    result = run(target, tmp_path, never_ends(tmp_path), faults=())
    assert result.verdict is Verdict.VIOLATION
    assert LIVENESS in {check for f in result.findings for check in f.checks}


class Saboteur(Ear):
    """Ends the server as soon as there is something to tell."""

    def __init__(self, server: EmbeddedTarget) -> None:
        super().__init__()
        self._server = server

    def sampled(self, sample: Sample) -> None:
        super().sampled(sample)
        os.kill(self._server.pid, signal.SIGQUIT)


def test_whoever_watches_a_server_that_is_gone_lets_go_and_passes_the_reason_on() -> None:
    def fall(server: EmbeddedTarget) -> None:
        server.close()
        raise ZeroDivisionError

    with EmbeddedTarget() as own:
        connection = connect(own.conninfo("postgres"), application_name="test")
        with pytest.raises(ZeroDivisionError), Watch(connection, lambda: NOBODY):
            fall(own)
    assert connection.closed


def test_a_server_that_goes_away_is_no_finding(tmp_path: Path) -> None:
    with EmbeddedTarget() as server:
        result = soak(SoakOptions(workers=3, users=3, seconds=3600), server, tmp_path, Saboteur(server))
    assert (result.verdict, result.findings) == (Verdict.ERROR, ())
    assert result.trouble
    assert result.operations


def test_sql_that_makes_the_ledger_unreadable_is_the_users_business(target: EmbeddedTarget, tmp_path: Path) -> None:
    before = databases_of(target)
    with pytest.raises(UserSqlError, match=r"invariants/\w+\.sql: does not work"):
        run(target, tmp_path, other_tables(tmp_path))
    bad = tmp_path / "bad.sql"
    bad.write_text("SELECT * FROM no_such_table;")
    with pytest.raises(UsageError, match="no_such_table"):
        run(target, tmp_path, bad)
    assert len(databases_of(target) - before) <= 1  # the template, which goes with the server


NewDatabase = Callable[..., psycopg.Connection[Any]]

LEDGER = """
INSERT INTO story_jobs (job_id, user_id, status) VALUES
  ('paid', '{u}', 'failed'), ('unpaid', '{u}', 'processing'), ('twice', '{u}', 'failed'), ('done', '{u}', 'completed');
INSERT INTO user_balances VALUES ('{u}', 1000);
INSERT INTO balance_transactions (user_id, type, amount, balance_before, balance_after, metadata) VALUES
  ('{u}', 'initial', 1020, 0, 1020, '{{}}'),
  ('{u}', 'generation', -10, 1020, 1010, '{{"job_id": "paid"}}'),
  ('{u}', 'generation', -10, 1010, 1000, '{{"job_id": "twice"}}'),
  ('{u}', 'generation', -10, 1000, 990, '{{"job_id": "unpaid"}}'),
  ('{u}', 'generation', -20, 990, 970, '{{"job_id": "done"}}'),
  ('{u}', 'refund', 10, 970, 980, '{{"job_id": "paid"}}'),
  ('{u}', 'refund', 10, 980, 990, '{{"job_id": "twice"}}'),
  ('{u}', 'refund', 10, 990, 1000, '{{"job_id": "twice"}}');
""".format(u="00000001-0000-0000-0000-000000000000")


def of(broken: Sequence[Broken], check: str) -> list[tuple[str, Any]]:
    return [(b.job, dict(b.row).get("refunds")) for b in broken if b.check == check]


def test_acknowledged_refunds_must_be_there_once_and_others_at_most_once(new_database: NewDatabase) -> None:
    conn = new_database(*sorted((ROOT / "sql" / "migrations").glob("*.sql")))
    conn.execute(LEDGER.encode())
    assert of(check_ledger(conn, NOBODY), ACKNOWLEDGED) == [("twice", 2)]
    told = Told(refunds={"paid": 1, "unpaid": 1, "twice": 1}, completed=frozenset())
    assert sorted(of(check_ledger(conn, told), ACKNOWLEDGED)) == [("twice", 2), ("unpaid", 0)]
    both = Told(refunds={"paid": 2}, completed=frozenset())
    assert sorted(of(check_ledger(conn, both), ACKNOWLEDGED)) == [("paid", 1), ("twice", 2)]


def test_a_job_that_was_told_to_be_completed_stays_so(new_database: NewDatabase) -> None:
    conn = new_database(*sorted((ROOT / "sql" / "migrations").glob("*.sql")))
    conn.execute(LEDGER.encode())
    told = Told(refunds={}, completed=frozenset({"done", "paid"}))
    assert [b.job for b in check_ledger(conn, told) if b.check == FORWARD] == ["paid"]


def test_invariants_see_everything_there_is_and_a_drained_queue_is_asked_for_at_the_end_only(
    new_database: NewDatabase,
) -> None:
    conn = new_database(*sorted((ROOT / "sql" / "migrations").glob("*.sql")))
    assert check_ledger(conn, NOBODY, drained=True) == ()  # of nothing
    conn.execute(LEDGER.encode())
    running = {b.check for b in check_ledger(conn, NOBODY)}
    assert running == {
        ACKNOWLEDGED, "one_refund_per_job", "failed_means_refunded", "refund_matches_charge", "money_conserved"
    }  # fmt: skip
    assert {b.check for b in check_ledger(conn, NOBODY, drained=True)} == running | {"queue_drained"}


def test_the_command_leaves_its_reports_and_nothing_on_a_server_of_somebody_elses(
    target: EmbeddedTarget, tmp_path: Path
) -> None:
    before = databases_of(target)
    make_roles(target)
    dsn = f"postgresql://postgres@/postgres?host={target.folder}&port=5432"
    done = harness(
        "soak", "--operations", "200", "--workers", "3", "--users", "5", "--target", dsn, "--faults", "kill,cancel",
        "--out", str(tmp_path), "--json", str(tmp_path / "mine.json"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Nothing violated in 200 operations by 3 workers" in done.stdout
    assert "Not repeatable" in done.stdout
    read = json.loads((tmp_path / "latest" / "soak.json").read_text())
    assert read == json.loads((tmp_path / "mine.json").read_text())
    assert (read["verdict"], read["operations"], read["workers"]) == ("pass", 200, 3)
    assert set(read["faults"]) == {"kill", "cancel"}
    assert (tmp_path / "latest" / "soak.png").read_bytes().startswith(b"\x89PNG")
    assert databases_of(target) == before


def test_the_command_says_that_a_finding_was_reproduced(tmp_path: Path) -> None:
    done = harness(
        "soak",
        "--operations",
        "2000",
        "--workers",
        "6",
        "--sql",
        str(wide_race(tmp_path)),
        "--out",
        str(tmp_path / "r"),
        fresh=True,
    )
    assert done.returncode == 1, done.stderr
    assert "reproduced as a schedule: harness replay " in done.stdout
    assert "retry" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--faults", "kil"), "--faults: unknown 'kil'"),
        (("--seconds", "1", "--operations", "1"), "give one of them"),
        (("--operations", "1", "--sql", "no_such.sql"), "--sql no_such.sql"),
    ],
)
def test_mistakes_are_told_in_a_line_and_leave_no_folder(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    done = harness("soak", *arguments, "--out", str(tmp_path / "r"))
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert not [p for p in tmp_path.rglob("*") if p.is_dir() and p.name != "r"]
