"""Where the functions of a history stand in the files that were installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.model import (
    Choice,
    Event,
    EventKind,
    Execution,
    History,
    Moment,
    Schedule,
    Script,
    SessionMoment,
    SessionState,
    Source,
    site_of,
    source_line,
)
from harness.resources import from_here
from harness.telling import sources

BODY = "\nBEGIN\n  UPDATE t SET n = 'it''s';\nEND "
TAKES = f"CREATE FUNCTION takes() RETURNS void LANGUAGE plpgsql AS $${BODY}$$;\n"


def execution(*steps: str) -> Execution:
    events = tuple(Event(kind=EventKind.STEP, turn=i, worker="w", step=s) for i, s in enumerate(steps))
    history = History(events=events, opening={}, closing={})
    return Execution(number=0, schedule=Schedule(seed=0, decisions=()), history=history)


def places(*scripts: tuple[str, str], name: str = "takes", body: str = BODY) -> tuple[str, int]:
    """``scripts``: file and text."""
    installed = [Script(name="x", text=text, file=file) for file, text in scripts]
    [found] = sources(installed, execution(f"{name}:3"), (), {name: body})
    assert (found.function, found.body) == (name, body)
    return found.file, found.first_line


@pytest.mark.parametrize(
    ("step", "site"),
    [
        ("refund:41", ("refund", 41)), ("refund:41.2", ("refund", 41)), ("refund:41~", ("refund", 41)),
        ("refund:41.2~", ("refund", 41)), ("refund#2:7", ("refund#2", 7)), ("refund", None), ("refund:commit", None),
        ("", None), (str(Choice(worker="a", step="refund:41")), ("a.refund", 41)),
    ],
)  # fmt: skip
def test_the_names_of_sites(step: str, site: tuple[str, int] | None) -> None:
    assert site_of(step) == site


def test_a_step_s_line_in_its_file() -> None:
    known = [
        Source(function="a", body="", file="sql/a.sql", first_line=10),
        Source(function="b", body="", file="", first_line=0),
    ]
    assert source_line(known, "a:1") == ("sql/a.sql", 10)
    assert source_line(known, "a:4.2~") == ("sql/a.sql", 13)
    assert source_line(known, "b:4") is None
    assert source_line(known, "c:4") is None
    assert source_line(known, "a") is None


def test_a_body_is_found_behind_its_name() -> None:
    assert places(("a.sql", f"-- é\nCREATE TABLE t (n text);\n\n{TAKES}")) == ("a.sql", 4)


def test_of_two_functions_with_one_body_each_has_its_own_place() -> None:
    text = TAKES + "\n" + TAKES.replace("takes", "takes_more")
    assert places(("a.sql", text)) == ("a.sql", 1)
    assert places(("a.sql", text), name="takes_more") == ("a.sql", 6)


def test_the_last_file_that_defines_it_counts() -> None:
    assert places(("a.sql", TAKES), ("b.sql", f"\n{TAKES}"), ("c.sql", "SELECT 1")) == ("b.sql", 2)
    assert places(("a.sql", TAKES), ("b.sql", TAKES.replace("n =", "n  ="))) == ("a.sql", 1)
    assert places(("a.sql", f"{TAKES}\n{TAKES.replace('CREATE', 'CREATE OR REPLACE')}")) == ("a.sql", 6)


def test_what_was_made_up_last_hides_the_file() -> None:
    assert places(("a.sql", TAKES), ("", TAKES)) == ("", 0)
    assert places(("", TAKES), ("a.sql", TAKES)) == ("a.sql", 1)


@pytest.mark.parametrize("head", ['"takes"', "public.takes", "public . TAKES", "Takes"])
def test_a_name_is_known_however_it_is_written(head: str) -> None:
    assert places(("a.sql", TAKES.replace("takes", head))) == ("a.sql", 1)


def test_a_body_in_single_quotes_is_found() -> None:
    quoted = "'" + BODY.replace("'", "''") + "'"
    assert places(("a.sql", "\n" + TAKES.replace(f"$${BODY}$$", quoted))) == ("a.sql", 2)


def test_a_second_function_of_the_name_is_found_by_its_body() -> None:
    other = BODY.replace("UPDATE", "\n\n  UPDATE")
    text = TAKES + TAKES.replace("takes()", "takes(n int)").replace(BODY, other)
    assert places(("a.sql", text), name="takes#2", body=other) == ("a.sql", 5)


def test_a_quoted_name_with_spaces_is_found() -> None:
    assert places(("a.sql", TAKES.replace("takes", '"takes  it"')), name="takes_it") == ("a.sql", 1)


def test_what_stands_nowhere_has_no_place() -> None:
    assert places(("a.sql", "SELECT 1")) == ("", 0)


def test_functions_come_in_the_order_of_the_history_and_with_those_that_somebody_is_held_in() -> None:
    held = SessionMoment(worker="w", state=SessionState.ACTIVE, at="c:1~")
    found = sources(
        (),
        execution("b:1", "a:2", "b:1~", "statement", "unknown:7"),
        [Moment(turn=0, sessions=(held,))],
        {"a": "A", "b": "B", "c": "C", "d": "D"},
    )
    assert [(s.function, s.body) for s in found] == [("b", "B"), ("a", "A"), ("c", "C")]


def test_files_go_by_what_a_person_here_calls_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert from_here(tmp_path / "sql" / "a.sql") == "sql/a.sql"
    assert from_here(Path("scenarios/../sql/a.sql")) == "sql/a.sql"
    assert from_here(Path("../a.sql")) == "../a.sql"
    assert from_here(Path("/elsewhere/a.sql")) == "/elsewhere/a.sql"
