"""What an audit looks like: on the terminal, as JSON, as a page; and whom it names."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import jsonschema
import pytest
from screens import Screen

from harness.audit.identities import Identities
from harness.audited import AuditResult, Checked, Level, Monitored, Part, Table
from harness.model import Verdict
from harness.report.audit import AuditConsole
from harness.report.audit_html import audit_html
from harness.report.audit_json import SCHEMA_FILE, audit_json, write_audit

ALICE = "a0000000-0000-4000-8000-000000000001"
FINE = Checked(check="wrong_user", part=Part.LEDGER, title="w", examined=1_200, unit="job")
TICK = Checked(check="job_key", part=Part.DEPLOY, title="is unique", examined=1, unit="table", detail="jobs_pkey")
TWICE = Checked(
    check="one_refund_per_job", part=Part.LEDGER, title="a job was refunded more than once", examined=1_200, unit="job",
    total=5, credits=1_500, credits_mean="paid out beyond the charges",
    rows=tuple({"job_id": f"j{n}", "refunds": 2} for n in range(4)),
)  # fmt: skip
OPEN = Checked(
    check="row_security", part=Part.DEPLOY, title="row security is on", level=Level.WARNING, examined=3, unit="table",
    total=2, rows=({"table": "a"}, {"table": "b"}),
)  # fmt: skip
LATE = Checked(check="ledger_chain", part=Part.LEDGER, title="c", unit="ledger row", skipped="took more than 60 s")
GREEN = AuditResult(
    server_version="18.6", database="postgresql://db:5432/app", taken_at="2026-11-26T14:00:00+00:00", standby=False,
    hidden=True, tables=(Table(name="public.jobs", rows=1_200),), checks=(FINE, TICK),
    monitored=(Monitored(name="highest_balances", title="query 2", rows=({"balance": 5},), total=1),), elapsed_s=1.5,
)  # fmt: skip
RED = replace(GREEN, checks=(TWICE, FINE, OPEN))
HALF = replace(RED, checks=(TWICE, LATE), trouble="not looked at: ledger_chain (took more than 60 s)", standby=True)


def told(result: AuditResult, *, quiet: bool = False, verbose: bool = False, out: io.StringIO | None = None) -> str:
    out = out or io.StringIO()
    console = AuditConsole(out, quiet=quiet, verbose=verbose)
    console.started(result.database, result.server_version)
    console.looking("1,200 jobs")
    for checked in result.checks:
        console.checked(checked)
    console.done(result, Path("reports/latest/index.html"))
    return out.getvalue()


def test_verdicts() -> None:
    assert (GREEN.verdict, RED.verdict, HALF.verdict) == (Verdict.PASS, Verdict.VIOLATION, Verdict.ERROR)
    assert replace(GREEN, checks=(OPEN,)).verdict is Verdict.PASS
    assert [audit_json(r)["exit_code"] for r in (GREEN, RED, HALF)] == [0, 1, 4]


def test_the_terminal() -> None:
    green = told(GREEN)
    assert "✓ wrong_user               1,200 jobs\n" in green
    assert "✓ job_key                  jobs_pkey\n" in green
    assert "✓ Nothing wrong in 2 checks; 1.50 s\n" in green
    red = told(RED)
    assert "✗ one_refund_per_job       5 of 1,200 jobs: a job was refunded more than once;" in red
    assert "1,500 paid out beyond the charges" in red
    assert '{"job_id": "j2", "refunds": 2}\n    and 2 more\n' in red
    assert '"j3"' not in red
    assert '"j3"' in told(RED, verbose=True)
    assert "! row_security             not so for 2 of 3 tables: row security is on (warning)" in red
    assert "✗ 5 findings in 1 of 3 checks; 1 warning; 1.50 s" in red
    half = told(HALF)
    assert "? ledger_chain             not looked at: took more than 60 s" in half
    assert "a replica" in half
    assert "! 5 findings in 1 of 2 checks; not looked at: ledger_chain" in half


def test_quiet_is_silent_when_all_is_well() -> None:
    assert told(GREEN, quiet=True) == ""
    quiet = told(RED, quiet=True)
    assert "wrong_user" not in quiet
    assert "one_refund_per_job" in quiet


def test_json_is_as_its_schema_says_and_has_no_other_key(tmp_path: Path) -> None:
    schema = json.loads(SCHEMA_FILE.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    for result in (GREEN, RED, HALF):
        write_audit(result, tmp_path / "a.json")
        found = json.loads((tmp_path / "a.json").read_text())
        jsonschema.validate(found, schema)
        assert found.keys() <= schema["properties"].keys()
        for check in found["checks"]:
            assert check.keys() == schema["$defs"]["check"]["properties"].keys()


def test_the_page_needs_nothing_and_shows_all() -> None:
    page = audit_html(RED)
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page
    assert "<script" not in page
    assert not re.search(r'(?:src|href)="(?!#|data:,)', page)
    for text in (
        "one_refund_per_job",
        "1,500 paid out beyond the charges",
        "and 1 more row<",
        "not so for 2 of 3 tables",
    ):
        assert text in page
    ids = re.findall(r'id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(ids)
    assert "User ids are hashes" in page
    assert "User ids are hashes" not in audit_html(replace(RED, hidden=False))


def test_every_class_of_the_page_has_its_look() -> None:
    templates = SCHEMA_FILE.parent / "templates"
    look = (templates / "report.css").read_text()
    written = re.findall(r'class="([\w ]+)"', (templates / "audit.html.j2").read_text())
    used = {name for text in written for name in text.split()}
    badges = {"pass", "violation", "inconclusive", "error"}
    assert [name for name in sorted(used | badges) if f".{name}" not in look] == []


@pytest.mark.parametrize("width", [18, 100])
def test_on_a_terminal_it_says_what_it_looks_at_and_takes_it_off(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    for name in ("CI", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(width))
    screen = Screen(width)  # which knows of no control that hides a cursor
    told(RED, out=screen)
    looking = "  looking at 1,200 jobs" if width == 100 else "  looking at 1,2…"
    assert looking in screen.pictures
    assert screen.pictures.count(looking) >= 1 + len(RED.checks)  # it stays beneath what is said meanwhile
    assert screen.text == told(RED)


def test_where_nobody_watches_it_only_says_what_it_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("CI", "true")
    for quiet in (True, False):
        screen = Screen(100)
        told(RED, out=screen, quiet=quiet)
        assert "looking" not in "".join(screen.pictures)
    monkeypatch.delenv("CI")
    told(RED, out=(screen := Screen(100)), quiet=True)
    assert "looking" not in "".join(screen.pictures)


def test_what_comes_from_the_database_stays_text() -> None:
    nasty = "<img src=x onerror=alert(1)>\x1b[31m\u202e"
    hostile = replace(RED, database=nasty, checks=(replace(TWICE, rows=({nasty: nasty},)),))
    page = audit_html(hostile)
    assert "<img" not in page
    assert "\x1b" not in page + told(hostile)


def test_equal_audits_make_equal_bytes() -> None:
    assert audit_html(RED) == audit_html(RED)


def test_users_are_hashed_alike_within_an_audit_and_differently_in_the_next() -> None:
    row = {"user_id": ALICE, "job_id": f"story:{ALICE}:17", "booked_to": [ALICE, None], "amount": 5}
    columns = ("user_id", "job_id", "booked_to", "amount")
    one, other = Identities(show=False), Identities(show=False)
    found = one.row(row, columns)
    assert ALICE not in json.dumps(found)
    assert found["job_id"] == f"story:{found['user_id']}:17"
    assert found["booked_to"] == [found["user_id"]]
    assert found["amount"] == 5
    assert one.row(row, columns) == found
    assert other.row(row, columns)["user_id"] != found["user_id"]
    assert Identities(show=True).row(row, columns) == row | {"booked_to": [ALICE]}


def test_a_job_id_of_another_column_does_not_leak_its_user() -> None:
    found = Identities(show=False).row({"user_id": ALICE, "job_id": f"j-{ALICE}"}, ("job_id",))
    assert ALICE not in str(found)


def test_values_become_json() -> None:
    when = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    row = {"a": Decimal("5"), "b": Decimal("0.25"), "c": when, "d": None, "e": True}
    found = Identities(show=True).row(row, tuple(row))
    assert found == {"a": 5, "b": 0.25, "c": "2026-01-02T03:04:05+00:00", "d": None, "e": True}
