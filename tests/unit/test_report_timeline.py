"""The table of an execution: what stands in its cells, where it is marked broken, who waits how long."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import pytest
import samples
from rich.cells import cell_len

from harness.model import Event, EventKind, History, Violation
from harness.report import grid
from harness.report.answers import answer_text
from harness.report.grid import fit, timeline_text, wrap
from harness.report.text import clean, compact_json, cut, one_line
from harness.report.timeline import BlockedSpan, Timeline, TimelineRow, elide, timeline
from harness.report.turns import CellKind


def texts(drawn: Timeline) -> list[tuple[str, ...]]:
    return [(row.label, *(row.cells[w].text if w in row.cells else "" for w in drawn.workers)) for row in drawn.rows]


def test_double_refund_reads_like_the_guide() -> None:
    drawn = timeline(samples.legacy_history(), [samples.DOUBLE_REFUND, samples.SERIAL])
    assert drawn.workers == ("original", "retry")
    assert texts(drawn) == [
        ("set-up", "", ""),
        ("T0", "select → processing", ""),
        ("T1", "", "select → processing"),
        ("T2", 'refund → {"success": true, "new_balance": 5000}', ""),
        ("T3", "", 'refund → {"success": true, "new_balance": 6000}'),
        ("T4", "mark_failed", ""),
        ("T5", "", "mark_failed"),
    ]
    assert [row.balance for row in drawn.rows] == ["4000", "4000", "4000", "5000", "6000", "6000", "6000"]
    assert [row.label for row in drawn.rows if row.broken] == ["T3"]
    assert drawn.rows[4].broken == "one refund per job, serial equivalence"
    assert drawn.rows[1].cells["original"].sql == samples.SELECT


def test_blocked_and_woken() -> None:
    drawn = timeline(samples.double_workers_history())
    cells = {row.label: row.cells for row in drawn.rows}
    assert cells["T0"]["original"].text == "BEGIN"
    assert cells["T3"]["retry"].text == "refund (BLOCKED by original)"
    assert cells["T5"]["original"].text == "COMMIT"
    assert cells["T5"]["retry"].text.startswith('woken: refund → {"success": false')
    assert cells["T5"]["retry"].kind is CellKind.WOKEN
    assert cells["T5"]["retry"].sql == samples.ATOMIC
    assert drawn.spans == (BlockedSpan(worker="retry", start=3, end=5, behind=("original",)),)
    assert [drawn.waits("retry", turn) for turn in (3, 4, 5)] == [False, True, False]


def test_crash_deadlock_and_early_end() -> None:
    drawn = timeline(samples.crash_history())
    cells = {row.label: row.cells for row in drawn.rows}
    assert cells["T1"]["original"].text == (
        "refund · SIGKILL before the answer was read · effect unknown: the server runs on"
    )
    assert cells["T1"]["original"].kind is CellKind.CRASH
    assert cells["T3"]["topup"].text == "lock_job ✗ 40P01 deadlock detected · deadlock: retry ↔ topup"
    assert cells["T4"]["audit"].text == "SIGTERM · ends: status is not processing"
    assert cells["T5"]["retry"].text == "SIGKILL"
    assert drawn.spans == (BlockedSpan(worker="retry", start=2, end=5, behind=("original",)),)
    # Committed by the server after the last turn: a row of its own.
    assert (drawn.rows[-1].label, drawn.rows[-1].balance) == ("end", "alice 5000, bob 3000")
    assert drawn.rows[0].numbers == {"alice": 4000.0, "bob": 3000.0}


def test_a_wait_that_never_ends() -> None:
    history = History(events=samples.double_workers_history().events[:8], opening={}, closing={})
    drawn = timeline(history)
    assert drawn.spans == (BlockedSpan(worker="retry", start=3, end=None, behind=("original",)),)
    assert drawn.waits("retry", 99)


def test_unknown_tables_count_changed_rows() -> None:
    drawn = timeline(samples.unknown_tables_history())
    assert drawn.balance_title == "rows changed"
    assert [row.balance for row in drawn.rows] == ["", "orders 2"]
    assert all(not row.numbers for row in drawn.rows)


def test_any_table_with_a_numeric_balance_will_do() -> None:
    accounts = {"accounts": ({"id": 7, "balance": "12.50"}, {"id": 8, "balance": 3})}
    drawn = timeline(History(events=(), opening=accounts, closing=accounts))
    assert (drawn.balance_title, drawn.rows[0].balance) == ("balance", "7 12.50, 8 3")
    assert drawn.rows[0].numbers == {"7": 12.5, "8": 3.0}


def test_many_balances_are_counted() -> None:
    opening = samples.ledger("failed", **{f"user{number}": number for number in range(9)})
    drawn = timeline(History(events=(), opening=opening, closing=opening))
    assert drawn.rows[0].balance == "user0 0, user1 1, user2 2, user3 3, 5 more"


@pytest.mark.parametrize(("turn", "label"), [(0, "T0"), (3, "T3"), (5, "T5"), (99, "T5"), (None, None)])
def test_where_a_violation_is_marked(turn: int | None, label: str | None) -> None:
    drawn = timeline(samples.legacy_history(), [Violation(check="c", message="m", turn=turn)])
    assert [row.label for row in drawn.rows if row.broken] == ([] if label is None else [label])


def test_an_empty_history_has_no_rows() -> None:
    drawn = timeline(History(events=(), opening={}, closing={}), [samples.DOUBLE_REFUND])
    assert drawn.rows == ()
    assert timeline_text(drawn) == ""


def test_workers_that_look_alike_stay_apart() -> None:
    events = tuple(Event(kind=EventKind.END, turn=0, worker=name) for name in ("a", "a\x00", "a\x1b[1m"))
    assert timeline(History(events=events, opening={}, closing={})).workers == ("a", "a~2", "a~3")


@pytest.mark.parametrize(
    ("rows", "sql", "text"),
    [
        (None, "UPDATE t SET a = 1", ""),
        ((), "UPDATE t SET a = 1", ""),
        ((), "SELECT 1", "no rows"),
        (({"status": "processing"},), None, "processing"),
        (({"ok": True},), None, "true"),
        (({"x": None},), None, "null"),
        (({"f": ""},), None, "''"),
        (({"a": 1, "b": "x"},), None, "a=1, b=x"),
        (({"a": 1}, {"a": 2}), None, "2 rows: 1, …"),
        (({"f": {"success": False, "error": "x" * 99}},), None, '{"success": false, …}'),
    ],
)
def test_answers(rows: Any, sql: str | None, text: str) -> None:
    assert answer_text(rows, sql) == text


def test_long_json_keeps_its_first_members() -> None:
    assert compact_json({"a": 1, "b": "y" * 50}, 20) == '{"a": 1, …}'
    assert compact_json({"b": "y" * 50}, 20) == '{"b": "yyyyyyyy…, …}'
    assert compact_json([1, "y" * 50], 20) == "[1, …]"
    assert cut("abcdef", 4) == "abc…"


def test_clean_removes_what_steers_a_terminal() -> None:
    assert one_line("\x1b[31mred\x1b[0m \x1b]0;title\x07a\r\nb\x9b1mc\u202e\ud800") == "red a bc"
    assert clean("a\tb\nc") == "a\tb\nc"
    assert clean("x" * 10, 4) == "xxxx… (6 characters more)"


# ------------------------------------------------------------------------------------------------ as plain text


def test_text_has_columns_balance_and_mark() -> None:
    lines = timeline_text(timeline(samples.legacy_history(), [samples.DOUBLE_REFUND]), 80).splitlines()
    assert lines[0].split() == ["original", "retry", "balance"]
    broken = [line for line in lines if "← broken" in line]
    assert len(broken) == 1
    assert broken[0].startswith("T3")
    assert "6000" in broken[0]
    assert all(cell_len(line) <= 80 for line in lines)


def test_waiting_is_shown_between_block_and_wake() -> None:
    lines = timeline_text(timeline(samples.double_workers_history()), 100).splitlines()
    assert [line.split()[0] for line in lines if "┊" in line] == ["T4"]


@pytest.mark.parametrize("workers", [1, 2, 3, 5])
@pytest.mark.parametrize("width", [40, 60, 80, 160])
def test_width_and_height_are_kept(workers: int, width: int) -> None:
    violation = Violation(check="c", message="m", turn=20)
    drawn = timeline(samples.long_history(45, workers), [violation])
    text = timeline_text(drawn, width, 12)
    assert len(text.splitlines()) <= 12
    assert all(cell_len(line) <= width for line in timeline_text(drawn, width).splitlines() + text.splitlines())
    assert "⋮" in text
    assert "T20 " in text
    assert "← broken" in text


def test_however_long_a_history_few_tables_of_it_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = timeline(samples.long_history(300), [Violation(check="c", message="m", turn=20)])
    tried: list[int] = []

    def counted(rows: Sequence[TimelineRow], keep: int, told: Collection[int | None]) -> tuple[TimelineRow | None, ...]:
        tried.append(keep)
        return elide(rows, keep, told)

    monkeypatch.setattr(grid, "elide", counted)
    assert "T20 " in timeline_text(drawn, 80, 12)
    assert 0 < len(tried) <= 12


def test_wide_characters_count_twice() -> None:
    history = samples.double_workers_history()
    wide = tuple(
        replace(event, step="返金処理" * 4, worker={"retry": "再試行"}.get(event.worker, event.worker))
        for event in history.events
    )
    lines = timeline_text(timeline(replace(history, events=wide)), 60).splitlines()
    assert all(cell_len(line) <= 60 for line in lines)
    ends = {cell_len(line) for line in lines if line.endswith(("4000", "5000"))}
    assert len(ends) == 1  # the balance column is straight
    assert wrap("返金処理", 4) == ["返金", "処理"]


def test_hostile_text_stays_inside_its_table() -> None:
    text = timeline_text(timeline(samples.hostile_history()), 80)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert all(cell_len(line) <= 80 for line in text.splitlines())
    assert len(text) < 10_000


def test_elide_keeps_the_broken_turn_and_the_ends() -> None:
    rows = timeline(samples.long_history(), [Violation(check="c", message="m", turn=20)]).rows
    for keep in range(1, len(rows) + 2):
        shown = elide(rows, keep)
        assert len(shown) <= max(keep, 1)
        assert any(row is not None and row.broken for row in shown)
    labels = [row.label if row else "⋮" for row in elide(rows, 7)]
    assert labels == ["set-up", "⋮", "T19", "T20", "T21", "⋮", "end"]


def test_elide_keeps_the_turns_that_the_sentences_beneath_name() -> None:
    rows = timeline(samples.long_history(), [Violation(check="c", message="m", turn=20)]).rows
    labels = [row.label if row else "⋮" for row in elide(rows, 7, {4, 9, None})]
    assert labels == ["⋮", "T4", "⋮", "T9", "⋮", "T20", "⋮"]


def test_a_wait_is_drawn_through_every_line_of_a_row() -> None:
    history = samples.double_workers_history()
    long = Event(kind=EventKind.OK, turn=4, worker="original", step="note", answer=({"a": "x" * 60},))
    events = tuple(long if (e.turn, e.kind) == (4, EventKind.OK) else e for e in history.events)
    lines = timeline_text(timeline(replace(history, events=events)), 60).splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("T4"))
    row = lines[start : next(n for n, line in enumerate(lines) if line.startswith("T5"))]
    assert len(row) > 1
    assert all(line.rstrip("0123456789 ").endswith("┊") for line in row)


def test_what_was_cut_before_is_not_cut_twice() -> None:
    assert [fit("abc… defg", width) for width in (9, 6, 5, 4)] == ["abc… defg", "abc…", "abc…", "abc…"]
