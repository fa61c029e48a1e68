"""What explains a violation on the page: lines of code, reasons, sessions, the nearest order that is right."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import everything
import pytest
import samples
import told
from test_report_page import Page

from harness.model import UNTOLD, Counterexample, Nearest, Reason, ReasonKind, RunResult, Source, Verdict, site_of
from harness.report import page_run
from harness.report.html import Attachment, render_html
from harness.report.page_code import Code
from harness.report.page_nearest import nearest_view
from harness.report.page_player import Player, json_block
from harness.report.page_rules import RULES
from harness.report.timeline import timeline


def page_of(example: Counterexample) -> Page:
    red = told.told_scenario(counterexamples=(example,))
    return Page(render_html(samples.run_of(red, verdict=Verdict.VIOLATION)))


# ---------------------------------------------------------------------------------------------------------- code


@pytest.mark.parametrize(
    ("site", "place"),
    [
        ("refund:41", ("refund", 41)), ("refund:41.2", ("refund", 41)), ("refund:41~", ("refund", 41)),
        ("a.b:c:3.1~", ("a.b:c", 3)), ("refund", None), ("refund:", None), ("commit", None), ("", None),
    ],
)  # fmt: skip
def test_the_place_of_a_site(site: str, place: tuple[str, int] | None) -> None:
    assert site_of(site) == place


def numbers(excerpt: dict[str, Any] | None) -> list[int | None]:
    assert excerpt is not None
    return [line and line["no"] for line in excerpt["lines"]]


def test_an_excerpt_is_three_lines_around() -> None:
    excerpt = Code().excerpt([told.SOURCE], "refund:6")
    assert numbers(excerpt) == [3, 4, 5, 6, 7, 8, 9]
    assert excerpt is not None
    assert [line["text"] for line in excerpt["lines"] if line["hit"]] == [f"  {told.PAY};"]
    assert excerpt["where"] == "sql/refund.sql:16"


@pytest.mark.parametrize("site", ["refund:0", "refund:99", "other:4", "refund"])
def test_what_is_not_known_has_no_excerpt(site: str) -> None:
    assert Code().excerpt([told.SOURCE], site) is None


@pytest.mark.parametrize(
    ("known", "where"), [({"file": "", "first_line": 0}, ""), ({"file": "a.sql", "first_line": 0}, "a.sql")]
)
def test_a_file_is_named_as_far_as_it_is_known(known: dict[str, Any], where: str) -> None:
    excerpt = Code().excerpt([replace(told.SOURCE, **known)], "refund:6")
    assert excerpt is not None
    assert excerpt["where"] == where


def test_marks_far_apart_leave_a_gap() -> None:
    long = Source(function="f", body="\n".join(f"line {n}" for n in range(1, 60)))
    [excerpt] = Code().marked([long], [("f:2", "reads"), ("f:50", "acts"), ("f:50.2", "again"), ("g:1", "unknown")])
    assert numbers(excerpt) == [1, 2, 3, 4, 5, None, *range(47, 54)]
    assert [line["words"] for line in excerpt["lines"] if line and line["words"]] == ["reads", "acts; again"]


def test_a_function_is_told_once_however_many_stand_in_it() -> None:
    code = Code()
    for site in ("refund:4", "refund:6", "refund:7"):
        code.excerpt([told.SOURCE], site)
    code.excerpt([replace(told.SOURCE, body=told.BODY + "-- changed")], "refund:4")
    assert [(f["id"], f["name"]) for f in code.functions()] == [("f1", "refund"), ("f2", "refund")]


# ------------------------------------------------------------------------------------------------------- reasons


def test_why_names_the_lines() -> None:
    text = page_of(told.told_example()).text
    assert "original read story_jobs.status at T1" in text
    assert "← T1 original reads it" in text
    assert "← T6 original acts on what it read" in text
    assert re.search(r"T7 woken: .* commit COMMIT → refunded COMMIT ← changes it", text)


def test_of_clients_statements_why_shows_the_sql() -> None:
    reason = replace(told.REASON, read_turn=0, changed_turn=3, acted_turn=2)
    example = samples.counterexample(samples.legacy_history(), samples.DOUBLE_REFUND)
    page = page_of(replace(example, story=replace(UNTOLD, reasons=(reason,))))
    assert "T0 original reads it" in page.text
    assert samples.SELECT in page.texts


def test_a_commit_is_not_shown_as_a_reason() -> None:
    example = told.told_example()
    page = page_of(replace(example, story=replace(example.story, sources=())))
    assert "T1 original reads it" in page.text
    assert told.LOOK in page.texts
    assert "T7 retry changes it" not in page.text


@pytest.mark.parametrize("kind", ReasonKind)
def test_every_reason_can_be_told(kind: ReasonKind) -> None:
    bare = Reason(kind=kind, worker="original", other="retry")
    full = replace(bare, table="t", columns=("a", "b"), read_turn=99, changed_turn=99, acted_turn=99)
    for reason in (bare, full, replace(full, worker="nobody")):
        example = told.told_example()
        assert "Why" in page_of(replace(example, story=replace(example.story, reasons=(reason,)))).text


def test_an_untold_violation_leaves_all_of_it_out() -> None:
    html = render_html(samples.run_of(samples.red_scenario(), verdict=Verdict.VIOLATION))
    text = Page(html).text
    for heading in ("Why", "An order that goes right", "Functions"):
        assert heading not in text


# ------------------------------------------------------------------------------------------------------- nearest


def nearest(agrees: int) -> dict[str, Any]:
    other = Nearest(execution=samples.execution(told.right_history()), agrees=agrees)
    return nearest_view(timeline(told.broken_history(), [told.BROKEN]), other, 400)


@pytest.mark.parametrize(
    ("agrees", "says"),
    [
        (3, "The first 3 turns are the same; at T3 retry goes on in the order that breaks the rule, original"),
        (1, "Only T0 is the same; from T1 on they differ."),
        (0, "They differ from T0 on."),
        (99, "The first 99 turns are the same; from T99"),
    ],
)
def test_where_two_orders_part(agrees: int, says: str) -> None:
    view = nearest(agrees)
    assert view["says"].startswith(says)
    both = [(row["here"]["label"], row["there"]["label"]) for row in view["rows"] if row["same"]]
    assert both[:7] == [(f"T{turn}", f"T{turn}") for turn in range(min(agrees, 7))]
    first = [row["here"]["label"] for row in view["rows"] if row["first"]]
    assert first == ([] if agrees > 9 else [f"T{agrees}"])


def test_the_order_that_goes_right_can_be_seen_again_too() -> None:
    assert "harness replay reports/latest/right.schedule" in page_of(told.told_example()).text
    assert nearest(3)["replay"] == ""


def test_orders_of_unequal_length_stand_side_by_side() -> None:
    last = nearest(3)["rows"][-1]
    assert (last["here"]["balance"], last["here"]["broken"]) == ("6000", "serial_equivalence")
    assert last["there"] == {"label": "", "cells": [], "balance": "", "broken": ""}


# -------------------------------------------------------------------------------------------------------- player


def frames(examples: Sequence[Counterexample]) -> dict[str, Any]:
    player = Player()
    for number, example in enumerate(examples):
        player.add(f"s{number}", example, timeline(example.execution.history, example.violations[:1]).rows)
    data: dict[str, Any] = json.loads(json_block(player.data()))
    return data


def test_frames_follow_the_rows_of_the_table() -> None:
    data = frames([told.told_example()])
    rows = data["examples"]["s0"]
    assert [data["texts"][row[1]] for row in rows] == ["set-up", *(f"T{turn}" for turn in range(10))]
    blocked = rows[7]
    assert data["texts"][blocked[2]].endswith("(BLOCKED by retry)")
    original = data["sessions"][blocked[3]][0]
    assert [data["texts"][n] for n in original[:4]] == ["original", "waiting for a lock", "refund:6", "retry"]
    assert [data["texts"][n] for n in original[5]] == ["transaction ShareLock"]
    balances = [data["rows"][data["tables"][data["ledgers"][row[4]][1]][2][0]][1] for row in rows]
    assert [data["texts"][n] for n in balances] == ["4000"] * 8 + ["5000"] * 2 + ["6000"]


def test_without_looks_the_events_tell_who_waits_and_who_is_dead() -> None:
    example = samples.counterexample(samples.crash_history(), samples.SERIAL)
    data = frames([example])
    told_of = [
        [] if row[3] < 0 else [tuple(data["texts"][n] for n in s[:2]) for s in data["sessions"][row[3]]]
        for row in data["examples"]["s0"]
    ]
    assert told_of[2] == [("original", "dead")]
    assert told_of[3] == [("original", "dead"), ("retry", "waiting for a lock")]
    assert told_of[6] == [("audit", "done"), ("original", "dead"), ("retry", "dead")]


def test_what_repeats_stands_once() -> None:
    once, often = frames([told.told_example()]), frames([told.told_example()] * 50)
    assert {key: often[key] for key in often if key != "examples"} == {
        key: once[key] for key in once if key != "examples"
    }


def test_data_cannot_end_its_element() -> None:
    block = json_block({"text": "</script><!--<script>&amp;]]>"})
    assert not re.search("[<>&]", block)
    assert json.loads(block) == {"text": "</script><!--<script>&amp;]]>"}


# ---------------------------------------------------------------------------------------------------------- page


def test_every_string_of_a_run_is_only_text() -> None:
    html = render_html(everything.hostile_run())
    page = Page(html)
    assert html.count("<script") == 2
    assert html.count("<!--") == 0
    assert "img" not in page.tags
    assert not [name for _, name, _ in page.attributes if name.startswith("on") or name == "style"]
    assert not re.search("[\x00\x1b\u202e]", html)
    ids = {value for _, name, value in page.attributes if name == "id"}
    assert {value[1:] for _, name, value in page.attributes if name == "href" and value.startswith("#")} <= ids


def test_every_part_of_a_run_has_its_place() -> None:
    text = Page(render_html(everything.full_run())).text
    for part in (
        "The disk was full", "It needs no concurrency", "Counterexample 1 of 2", "Single calls", "SERIALIZABLE",
        "Note: note: a note", "f ran as one step (STABLE)", "Faults", "The server went away.", "the worker audit",
    ):  # fmt: skip
        assert part in text


def big_pictures(run: RunResult) -> int:
    heavy = Attachment(picture=b"x" * (page_run.PICTURES // 2 + 1))
    html = render_html(run, [[heavy] * len(result.counterexamples) for result in run.scenarios])
    page = Page(html)
    assert page.tags.count("img") == html.count("data:image/png") == 1
    return html.index("data:image/png")


def test_pictures_are_carried_as_far_as_the_budget_goes_and_for_the_red_first() -> None:
    documented, red = samples.documented_scenario(), samples.red_scenario()
    html = render_html(samples.run_of(documented, red, verdict=Verdict.VIOLATION))
    assert big_pictures(samples.run_of(documented, red, verdict=Verdict.VIOLATION)) < html.index('id="documented"')


def test_beyond_the_first_so_many_passing_executions_are_only_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_run, "MAX_PASSING", 1)
    run = samples.run_of(samples.green_scenario(), samples.green_scenario())
    page = Page(render_html(run))
    assert "Those of the first 1 scenarios; 1 more are only in the files beside this page." in page.text
    assert [value for _, name, value in page.attributes if name == "href" and value.startswith("#s")] == [
        "#scenarios",
        "#s1",
    ]


def test_a_red_scenario_of_single_calls_only_is_among_the_violations() -> None:
    red = samples.scenario("calls", Verdict.VIOLATION, cases=(everything.case(),))
    text = Page(render_html(samples.run_of(red, verdict=Verdict.VIOLATION))).text
    assert "✗ null job" in text[text.index("Violations", 200) :]


def test_sentences_are_of_rules_that_the_documentation_knows() -> None:
    table = (Path(__file__).parents[2] / "docs" / "checks.md").read_text().split("\n\n")
    rows = next(part for part in table if part.startswith("| check |")).splitlines()[2:]
    names = {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert set(RULES) <= names
