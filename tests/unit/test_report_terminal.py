"""What the terminal says: one line per scenario, a summary that fits a screen, nothing that steers the terminal."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
import samples
from rich.cells import cell_len

from harness.model import RunResult, Verdict, Violation
from harness.report.terminal import ConsoleReporter
from harness.report.words import headline, seconds, server_words


class Tty(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


class Ascii(io.TextIOWrapper):
    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="ascii")


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CI", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def told(run: RunResult, file: io.StringIO | None = None, **flags: bool) -> str:
    """Everything a reporter writes in the course of `run`, with a clock that ticks once per call."""
    file = file or io.StringIO()
    ticks = iter(range(10**6))
    reporter = ConsoleReporter(file, clock=lambda: float(next(ticks)), **flags)
    reporter.run_started("embedded", run.server_version, len(run.scenarios))
    for result in run.scenarios:
        reporter.scenario_started(result.name)
        reporter.schedule_done(result.name, 1, 0)
        reporter.schedule_done(result.name, 2, len(result.counterexamples))
        reporter.scenario_done(result)
    reporter.run_done(run, "reports/latest/index.html")
    return file.getvalue()


def test_red_run_in_a_pipe() -> None:
    text = told(samples.red_run())
    lines = text.splitlines()
    assert lines[0] == "PostgreSQL 18.6 (embedded) · 4 scenarios"
    assert [line.split()[:2] for line in lines[1:5]] == [
        ["✓", "double_workers"],
        ["✗", "legacy_three_calls"],
        ["✓", "known_bad"],
        ["✓", "mixed_fleet"],
    ]
    assert "violation seen, as documented" in lines[3]
    assert "again   harness replay reports/latest/legacy_three_calls-1.schedule" in lines
    assert "report  reports/latest/index.html" in lines
    assert lines[-1].startswith("✗ 1 of 4 scenarios shows a violation: legacy_three_calls.")
    assert any(line.startswith("T3") and line.endswith("6000     ← broken") for line in lines)
    assert samples.DOUBLE_REFUND.message in " ".join(text.split())
    assert "\x1b" not in text


def test_the_summary_of_one_violation_fits_a_screen() -> None:
    for history in (samples.legacy_history(), samples.long_history(45, 2), samples.long_history(45, 5)):
        violation = Violation(check="ledger", message="money appeared from nowhere " * 20, turn=3)
        bad = samples.red_scenario(counterexamples=(samples.counterexample(history, violation),))
        run = samples.run_of(bad, samples.green_scenario(), verdict=Verdict.VIOLATION)
        text = told(run)
        summary = text[text.index("\n\n") + 2 :].splitlines()
        assert len(summary) <= 23  # and the prompt
        assert all(cell_len(line) <= 80 for line in summary)
        assert any("← broken" in line for line in summary)


def test_several_red_scenarios_get_a_line_each() -> None:
    others = [samples.red_scenario(f"other_{number}") for number in range(9)]
    text = told(samples.run_of(samples.red_scenario("first"), *others, verdict=Verdict.VIOLATION))
    summary = text[text.index("\n\n") :]
    assert summary.count("harness replay") == 1
    assert "✗ other_0  one refund per job" in summary
    assert "and 4 more in the report" in summary


def test_an_undocumented_violation_comes_before_documented_ones() -> None:
    bad = samples.red_scenario(expect=(samples.DOUBLE_REFUND.check,))
    text = told(samples.run_of(bad, verdict=Verdict.VIOLATION))
    assert "✗ legacy_three_calls · serial equivalence" in text


@pytest.mark.parametrize("verdict", [Verdict.ERROR, Verdict.INCONCLUSIVE, Verdict.VIOLATION])
def test_a_red_scenario_without_counterexample_says_why(verdict: Verdict) -> None:
    bad = samples.scenario("odd", verdict, meaning="No schedule completed.")
    assert told(samples.run_of(bad, verdict=verdict)).count("No schedule completed.") == 2


def test_a_known_bad_scenario_that_stays_green_is_explained() -> None:
    bad = samples.scenario("known_bad", Verdict.VIOLATION, observed=Verdict.PASS, expect=("ledger",))
    assert "the documented violation was not seen (ledger)" in told(samples.run_of(bad, verdict=Verdict.VIOLATION))


def test_meaning_only_when_verbose() -> None:
    run = samples.run_of(samples.green_scenario())
    assert "Every order" not in told(run)
    assert "Every order" in told(run, verbose=True)
    assert "serial equivalence: 24 examined" in told(run, verbose=True)


def test_quiet_says_only_what_is_wrong() -> None:
    assert told(samples.run_of(samples.green_scenario()), quiet=True).splitlines() == [
        "report  reports/latest/index.html",
        "✓ Nothing violated in 1 scenario, 24 schedules. seed 0, 3.22 s",
    ]
    text = told(samples.red_run(), quiet=True)
    assert "double_workers" not in text
    assert "✗ legacy_three_calls" in text


def test_a_terminal_gets_a_live_line_and_it_is_taken_away() -> None:
    text = told(samples.red_run(), Tty())
    assert "2/4  legacy_three_calls · 2 schedules" in text
    assert "1 finding" in text
    erased = text.rindex("\r\x1b[2K")
    assert " schedules · " not in text[erased:]
    assert "\x1b[?25l" not in text  # the cursor is never hidden, so a kill cannot lose it


@pytest.mark.parametrize("variable", ["CI", "TERM"])
def test_no_live_line_where_nobody_watches(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "dumb" if variable == "TERM" else "true")
    assert "\r" not in told(samples.red_run(), Tty())


def test_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    assert re.search(r"\x1b\[[0-9;]*3[0-9]m", told(samples.red_run(), Tty()))
    monkeypatch.setenv("NO_COLOR", "1")
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", told(samples.red_run(), Tty()))


def test_an_ascii_terminal_is_not_a_crash() -> None:
    file = Ascii()
    reporter = ConsoleReporter(file)
    run = samples.red_run()
    for result in (*run.scenarios, *samples.hostile_run().scenarios):
        reporter.scenario_done(result)
    reporter.run_done(run, "")
    file.flush()
    shown = file.buffer.getvalue().decode("ascii")  # type: ignore[attr-defined]
    assert "< broken" in shown
    assert "X legacy_three_calls" in shown


def test_hostile_texts_do_not_reach_the_terminal() -> None:
    for file in (io.StringIO(), Tty()):
        text = told(samples.hostile_run(), file, verbose=True)
        assert "\x1b]" not in text
        assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1a\x7f-\x9f\u202a-\u202e\ud800-\udfff]", text)
        assert set(re.findall(r"\x1b\[[0-9;?]*([A-Za-z])", text)) <= {"m", "K"}
        assert "[bold]x[/bold] :smile:" in text  # no markup of ours is honoured either
        assert len(text) < 40_000
    assert "\x1b" not in told(samples.hostile_run())


def test_empty_run() -> None:
    text = told(samples.empty_run())
    assert "? No scenario was run, so nothing was shown." in text


@pytest.mark.parametrize(
    ("run", "sentence"),
    [
        (samples.run_of(samples.green_scenario()), "Nothing violated in 1 scenario, 24 schedules."),
        (
            samples.run_of(samples.green_scenario(), samples.documented_scenario()),
            "Nothing violated in 1 scenario, 24 schedules; 1 known-bad scenario violated, as documented.",
        ),
        (samples.run_of(samples.documented_scenario()), "1 known-bad scenario violated, as documented."),
        (
            samples.run_of(replace(samples.green_scenario(), exhausted=False, schedules=1204)),
            "Nothing violated in 1 scenario, 1,204 schedules; 1 sampled rather than exhausted.",
        ),
        (
            samples.run_of(samples.scenario("a", Verdict.ERROR), samples.red_scenario("b"), verdict=Verdict.ERROR),
            "The harness or its environment failed in 1 of 2 scenarios; 1 of 2 scenarios shows a violation: b.",
        ),
        (
            samples.run_of(samples.scenario("a", Verdict.INCONCLUSIVE), verdict=Verdict.INCONCLUSIVE),
            "1 of 1 scenario showed nothing either way.",
        ),
    ],
)
def test_headline(run: RunResult, sentence: str) -> None:
    assert headline(run) == sentence


def test_small_words() -> None:
    assert [seconds(value) for value in (0.314, 12.34, 185.4)] == ["0.31 s", "12.3 s", "3 min 05 s"]
    assert server_words("PostgreSQL 18.6 on x86") == "PostgreSQL 18.6 on x86"
