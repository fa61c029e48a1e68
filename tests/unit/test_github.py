"""What GitHub Actions is told of a run: Markdown as a parser reads it back, and commands as the runner does."""

from __future__ import annotations

import io
import re
import shlex
import sys
from dataclasses import replace
from operator import itemgetter
from pathlib import Path
from urllib.parse import unquote

import pytest
import samples
from markdown_it import MarkdownIt
from markdown_it.token import Token
from ruamel.yaml import YAML
from typer.main import get_command

from harness.cli import app
from harness.errors import SaveError
from harness.model import Event, EventKind, History, Reason, ReasonKind, RunResult, Source, Story, Verdict, Violation
from harness.report.github import append_summary, error_commands, markdown, print_annotations, summary
from harness.report.text import cut, one_line

NASTY = "a|b `c` <img src=x> **d** _e_ [f](http://g) ![h](i) \\| \\\\| $x$ &amp; ~~j~~ ``` # k %0A%25"
RUNS = [samples.red_run(), samples.empty_run(), samples.hostile_run(), samples.run_of(samples.green_scenario())]


def parsed(text: str) -> list[Token]:
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)


def tables(text: str) -> list[list[list[str]]]:
    """Tables, rows, cells: the text that a reader sees."""
    found: list[list[list[str]]] = []
    tokens = parsed(text)
    for token, inside in zip(tokens, [*tokens[1:], None], strict=True):
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            found[-1].append([])
        elif token.type in ("th_open", "td_open"):
            assert inside is not None
            found[-1][-1].append(shown(inside))
    return found


def shown(inline: Token) -> str:
    texts = [t.content for t in inline.children or () if t.type in ("text", "text_special", "code_inline")]
    return "".join(texts)


def nasty_run() -> RunResult:
    violation = Violation(check=NASTY, message=f"{NASTY}\n{NASTY}\r\n::error::no", turn=3)
    example = samples.counterexample(samples.legacy_history(), violation, replay=f"reports/{NASTY} ````.schedule")
    bad = samples.red_scenario(NASTY, file=f"100%:a,b\n{NASTY}", meaning=NASTY, counterexamples=(example,))
    return samples.run_of(bad, verdict=Verdict.VIOLATION)


# ---------------------------------------------------------------------------------------------------- the summary


def test_a_red_run_in_markdown() -> None:
    text = summary(samples.red_run())
    assert text.startswith("\n## ✗ 1 of 4 scenarios shows a violation: legacy\\_three\\_calls")
    scenarios, first, second = tables(text)
    assert scenarios[0] == ["scenario", "verdict", "observed", "schedules", "meaning"]
    assert [row[:4] for row in scenarios[1:]] == [
        ["double_workers", "✓ pass", "pass", "24, all there are"],
        ["legacy_three_calls", "✗ violation", "violation", "4"],
        ["known_bad", "✓ pass", "violation", "4"],
        ["mixed_fleet", "✓ pass", "pass", "1,204"],
    ]
    assert scenarios[2][4] == "An order was found in which the job is refunded twice."
    assert first == second  # two checks, broken in the same turn
    assert (first[0][:3], first[1]) == (["turn", "original", "retry"], ["set-up", "", "", "4000"])
    assert [row[0] for row in first[2:]] == ["T0", "T1", "T2", "T3", "T4", "T5"]
    assert [row[3] for row in first if "broken" in row[3]] == ["6000 ← broken"]
    again = [token.content for token in parsed(text) if token.type == "fence"]
    assert again == ["harness replay reports/latest/legacy_three_calls-1.schedule\n"] * 2


def test_what_is_documented_has_a_row_and_no_table() -> None:
    run = samples.run_of(samples.documented_scenario())
    assert len(tables(summary(run))) == 1
    assert error_commands(run) == []
    half = samples.red_scenario(expect=(samples.DOUBLE_REFUND.check,))
    [command] = error_commands(samples.run_of(half, verdict=Verdict.VIOLATION))
    assert "serial equivalence" in command


def test_a_long_history_keeps_the_broken_turn() -> None:
    violation = Violation(check="c", message="m", turn=30)
    red = samples.red_scenario(counterexamples=(samples.counterexample(samples.long_history(), violation),))
    [_, table] = tables(summary(samples.run_of(red, verdict=Verdict.VIOLATION)))
    assert len(table) == 21
    assert [row[0] for row in table if row[-1].endswith("← broken")] == ["T30"]
    assert "⋮" in {row[0] for row in table}


def test_a_wait_is_drawn_through() -> None:
    violation = Violation(check="c", message="m", turn=6)
    red = samples.red_scenario(counterexamples=(samples.counterexample(samples.double_workers_history(), violation),))
    [_, table] = tables(summary(samples.run_of(red, verdict=Verdict.VIOLATION)))
    assert next(row for row in table if row[0] == "T4")[2] == "┊"


@pytest.mark.parametrize("text", [NASTY, samples.HOSTILE, "|", "\\", "`", "a\nb|c", "- x", "<!-- -->", "$$ $1 $$"])
def test_foreign_text_is_shown_as_it_is(text: str) -> None:
    [table] = tables(f"| x | y |\n| --- | --- |\n| {markdown(text)} | z |\n")
    assert table[1] == [one_line(text), "z"]


def test_hostile_values_stay_text() -> None:
    text = summary(nasty_run())
    tokens = parsed(text)
    inside = [child for token in tokens for child in token.children or ()]
    assert {t.type for t in tokens if t.level == 0 and t.nesting >= 0} <= {
        "heading_open", "inline", "paragraph_open", "table_open", "fence",
    }  # fmt: skip
    assert {child.type for child in inside} <= {"text", "text_special", "html_inline", "strong_open", "strong_close"}
    assert {child.content for child in inside if child.type == "html_inline"} == {"<span>", "</span>"}
    scenarios, timeline = tables(text)
    assert [len(row) for row in scenarios + timeline] == [5] * len(scenarios) + [4] * len(timeline)
    assert scenarios[1][0] == cut(NASTY, 80)
    [again] = [token for token in tokens if token.type == "fence"]
    assert again.content == f"harness replay 'reports/{NASTY} ````.schedule'\n"


@pytest.mark.parametrize("run", RUNS)
def test_any_run_is_short_enough_and_one_table_per_finding(run: RunResult) -> None:
    text = summary(run)
    assert len(text.encode()) < 250_000
    assert not set("\x1b\x00\u202e") & set(text)
    for table in tables(text):
        assert len({len(row) for row in table}) == 1


def test_what_has_no_room_is_counted() -> None:
    many = samples.run_of(
        *(samples.red_scenario(f"s{i}", meaning="m" * 400) for i in range(400)), verdict=Verdict.VIOLATION
    )
    text = summary(many)
    assert len(text.encode()) < 250_000
    rows, findings = len(tables(text)[0]) - 1, text.count("\n### ")
    assert 0 < rows < 400
    assert f"… and {400 - rows:,} scenarios more in the report." in text
    assert f"… and {800 - findings:,} violations more in the report." in text


# -------------------------------------------------------------------------------------------------- the annotations


def read_back(command: str) -> tuple[dict[str, str], str]:
    """As the runner does: split first, decode then."""
    assert "\n" not in command
    assert "\r" not in command
    name, properties, message = re.fullmatch(r"::(\w+) (.*?)::(.*)", command).groups()  # type: ignore[union-attr]
    assert name in ("error", "notice")
    return {k: unquote(v) for k, _, v in (p.partition("=") for p in properties.split(","))}, unquote(message)


def test_an_annotation_per_violation() -> None:
    first, second = error_commands(samples.red_run())
    assert first == (
        "::error file=scenarios/legacy_three_calls.yaml,line=1,title=legacy_three_calls%3A one refund per job::"
        "job j1 was refunded 2 times; alice has 6000 where every serial order ends with 5000%0A"
        "again: harness replay reports/latest/legacy_three_calls-1.schedule"
    )
    assert "title=legacy_three_calls%3A serial equivalence::" in second


def test_hostile_values_in_annotations_are_read_back_as_they_were() -> None:
    [command] = error_commands(nasty_run())
    properties, message = read_back(command)
    assert properties["file"] == f"100%:a,b {NASTY}"
    assert (properties["line"], list(properties)) == ("1", ["file", "line", "title"])
    assert message.startswith(f"{NASTY} {NASTY} ::error::no\nagain: harness replay ")
    for run in RUNS:
        for command in error_commands(run):
            read_back(command)


REFUND = Source(function="refund", body="\nBEGIN\n…\nEND", file="db/refund.sql", first_line=12)
"""Line 1 of its body is line 12 of the file, so that `refund:4` is line 15."""


def inside(
    *sources: Source, reasons: tuple[Reason, ...] = (), turn: int | None = 2, function: str = "refund"
) -> RunResult:
    """A double refund inside a function: `a` reads, `b` reads and pays, `a` pays, and both commit."""
    sites = [("a", ":4~"), ("b", ":4~"), ("b", ":6.2"), ("b", "select:commit"), ("a", ":6"), ("a", "select:commit")]
    events = [
        Event(kind=EventKind.STEP, turn=n, worker=worker, step=function + site if site[0] == ":" else site)
        for n, (worker, site) in enumerate(sites)
    ]
    history = History(events=tuple(events), opening={}, closing={})
    violation = Violation(check="ledger", message="twice", turn=turn)
    example = samples.counterexample(history, violation)
    example = replace(example, story=Story(sources=sources, reasons=reasons))
    return samples.run_of(samples.red_scenario(counterexamples=(example,)), verdict=Verdict.VIOLATION)


def places(run: RunResult) -> list[tuple[str, str, str]]:
    return [(c[2 : c.index(" ")], *itemgetter("file", "line")(read_back(c)[0])) for c in error_commands(run)]


SCENARIO_FILE = "scenarios/legacy_three_calls.yaml"
ACTED = Reason(kind=ReasonKind.STALE_READ, worker="a", other="b", acted_turn=4)


@pytest.mark.parametrize(
    ("turn", "reasons", "line"),
    [
        (2, (ACTED,), 17),  # it showed inside the function
        (0, (), 15),  # at an overlap point
        (5, (ACTED,), 17),  # it showed at a commit: what acted on the old value
        (5, (), 17),  # likewise: the last step inside, before it
        (3, (), 17),
        (1, (ACTED,), 15),
        (None, (), 17),  # it showed when all was over
    ],
)
def test_an_annotation_points_at_the_line_of_the_function(
    turn: int | None, reasons: tuple[Reason, ...], line: int
) -> None:
    run = inside(REFUND, reasons=reasons, turn=turn)
    assert places(run) == [("error", "db/refund.sql", str(line)), ("notice", SCENARIO_FILE, "1")]


def test_a_reason_counts_before_the_last_step() -> None:
    early = replace(ACTED, worker="b", acted_turn=1)
    assert places(inside(REFUND, reasons=(early,), turn=5))[0] == ("error", "db/refund.sql", "15")
    elsewhere = replace(ACTED, worker="b", acted_turn=4)  # no step of that worker: nothing is guessed
    assert places(inside(REFUND, reasons=(elsewhere,), turn=5))[0] == ("error", "db/refund.sql", "17")


def test_the_second_function_of_a_name_is_another_one() -> None:
    second = replace(REFUND, function="refund#2", file="db/other.sql", first_line=100)
    assert places(inside(REFUND, second))[0] == ("error", "db/refund.sql", "17")
    assert places(inside(REFUND, second, function="refund#2"))[0] == ("error", "db/other.sql", "105")
    assert places(inside(REFUND, second, function="refund#3")) == [("error", SCENARIO_FILE, "1")]


@pytest.mark.parametrize("source", [replace(REFUND, file=""), replace(REFUND, first_line=0), None])
def test_without_a_known_line_the_scenario_is_pointed_at(source: Source | None) -> None:
    assert places(inside(*([source] if source else []))) == [("error", SCENARIO_FILE, "1")]


def test_a_function_s_file_is_named_from_the_checkout(tmp_path: Path) -> None:
    run = inside(replace(REFUND, file=str(tmp_path / "db" / "refund.sql")))
    [error, notice] = error_commands(run, str(tmp_path))
    assert error.startswith("::error file=db/refund.sql,line=17,title=legacy_three_calls%3A ledger::twice%0Aagain: ")
    assert notice.endswith("title=legacy_three_calls::This scenario shows a violation that came about at refund:6.2.")


@pytest.mark.parametrize("verdict", [Verdict.ERROR, Verdict.INCONCLUSIVE])
def test_what_is_red_without_a_violation_is_annotated_too(verdict: Verdict) -> None:
    run = samples.run_of(samples.scenario("s", verdict, meaning="The server is gone."), verdict=verdict)
    assert error_commands(run) == [
        f"::error file=scenarios/s.yaml,line=1,title=s%3A {verdict.value}::The server is gone."
    ]
    unseen = samples.scenario("s", Verdict.VIOLATION, observed=Verdict.PASS, expect=("deadlock",))
    [command] = error_commands(samples.run_of(unseen, verdict=Verdict.VIOLATION))
    assert command.endswith("::the documented violation was not seen (deadlock)")


def test_files_are_named_from_the_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "db").mkdir()
    monkeypatch.chdir(tmp_path / "db")
    [first, _] = error_commands(samples.run_of(samples.red_scenario(file="s.yaml")), str(tmp_path))
    assert first.startswith("::error file=db/s.yaml,line=1,")
    [first, _] = error_commands(samples.run_of(samples.red_scenario(file="/elsewhere/s.yaml")), str(tmp_path))
    assert first.startswith("::error file=/elsewhere/s.yaml,")


# -------------------------------------------------------------------------------------------------- when and where


def test_nothing_is_written_without_the_variables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for environment in ({}, {"GITHUB_STEP_SUMMARY": "", "GITHUB_ACTIONS": "false"}, {"GITHUB_ACTIONS": ""}):
        append_summary(samples.red_run(), environment)
        print_annotations(samples.red_run(), environment)
    assert capsys.readouterr() == ("", "")
    assert not list(tmp_path.iterdir())


def test_a_summary_is_appended(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    path.write_text("# Mine\nlast line\n")
    for _ in range(2):
        append_summary(samples.red_run(), {"GITHUB_STEP_SUMMARY": str(path)})
    assert path.read_text() == "# Mine\nlast line\n" + 2 * summary(samples.red_run())


def test_annotations_are_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    print_annotations(nasty_run(), {"GITHUB_ACTIONS": "true"})
    print_annotations(samples.red_run(), {"GITHUB_ACTIONS": "true"})
    assert capsys.readouterr().out.splitlines() == [*error_commands(nasty_run()), *error_commands(samples.red_run())]


def test_where_output_is_ascii_the_rest_is_a_question_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii", write_through=True))
    run = samples.run_of(samples.scenario("s", Verdict.ERROR, meaning="100 € → 日本"), verdict=Verdict.ERROR)
    print_annotations(run, {"GITHUB_ACTIONS": "true"})
    assert written.getvalue() == b"::error file=scenarios/s.yaml,line=1,title=s%3A error::100 ? ? ??\n"


def test_a_summary_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(SaveError, match=r"cannot write .*: Is a directory"):
        append_summary(samples.red_run(), {"GITHUB_STEP_SUMMARY": str(tmp_path)})


# ------------------------------------------------------------------------------------------------------ the examples


def commands(value: object) -> list[list[str]]:
    """Every `harness …` in a job, as a shell takes it apart."""
    if isinstance(value, dict):
        return [c for inner in value.values() for c in commands(inner)]
    if isinstance(value, list):
        return [c for inner in value for c in commands(inner)]
    text = str(value)
    return [shlex.split(text)[1:]] if text.startswith("harness ") else []


def test_the_examples_are_true_to_the_command_line() -> None:
    page = (Path(__file__).parents[2] / "docs" / "ci.md").read_text()
    blocks = re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    found = commands([YAML(typ="safe").load(block) for block in blocks])
    assert [command[0] for command in found] == ["run", "check", "run", "run", "report"]
    group = get_command(app)
    for name, *arguments in found:
        command = group.get_command(group.make_context("harness", [], resilient_parsing=True), name)  # type: ignore[attr-defined]
        command.make_context(name, arguments)
