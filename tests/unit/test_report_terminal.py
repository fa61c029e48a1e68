"""What the terminal says: one line per scenario, a summary that fits a screen, nothing that steers the terminal."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from functools import partial

import pytest
import samples
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text
from screens import Screen

from harness.model import Covered, Going, RunResult, ScenarioResult, Verdict, Violation
from harness.report.counted import Counted
from harness.report.live import LiveArea
from harness.report.pace import Pace, at_most
from harness.report.terminal import ConsoleReporter
from harness.report.watched import Watched, clock_text
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


def going(result: ScenarioResult) -> Going:
    found = tuple(sorted({v.check for e in result.counterexamples for v in e.violations}))
    known = tuple(check for check in found if check in result.expect)
    return Going(
        strategy="auto", executed=2, limit=2000, covered=Covered(points=9, pairs=7, possible=28),
        violated=found, documented=known,
    )  # fmt: skip


def told(run: RunResult, file: io.StringIO | None = None, **flags: bool) -> str:
    """Everything a reporter writes in the course of `run`, with a clock that ticks once per call."""
    file = file or io.StringIO()
    ticks = iter(range(10**6))
    reporter = ConsoleReporter(file, clock=lambda: float(next(ticks)), **flags)
    reporter.run_started("embedded", run.server_version, len(run.scenarios))
    for result in run.scenarios:
        reporter.scenario_started(result.name)
        reporter.interleaving_started(result.name, partial(going, result))
        reporter.schedule_done(result.name, 1, 0)
        reporter.schedule_done(result.name, 2, len(result.counterexamples))
        reporter.campaign_over(result)
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


def test_a_terminal_shows_what_is_under_way_and_nothing_of_it_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    screen, plain = Screen(160), Screen(160)
    told(samples.red_run(), screen)
    shown = "\n".join(screen.pictures)
    assert "  legacy_three_calls  2/2,000  ✗ one refund per job, serial equivalence  0.7/s  at most 49:57 min" in shown
    assert "  7 of 28 ordered pairs  9 points  auto\n" in shown
    assert re.search(r"\n  known_bad  2/2,000  as documented: one refund per job, serial equivalence  0.7/s", shown)
    assert re.search(r"\n  ━{12}╌{12}  2 of 4 scenarios  1 finding  \d+ s\n", shown)
    monkeypatch.setenv("CI", "true")
    told(samples.red_run(), plain)
    assert screen.text == plain.text


@pytest.mark.parametrize("width", [30, 40, 60, 80])
def test_no_live_line_is_broken_in_two(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    for run in (samples.red_run(), *([samples.hostile_run()] if width == 40 else [])):
        screen, plain = Screen(width), Screen(width)
        told(run, screen)
        assert any("2/2,0" in line for line in screen.pictures)
        monkeypatch.setenv("CI", "true")
        told(run, plain)
        monkeypatch.delenv("CI")
        assert screen.text == plain.text


def test_a_terminal_that_becomes_narrow_keeps_nothing_of_it() -> None:
    for cuts, environment in ((False, {}), (True, {"XTERM_VERSION": "XTerm(1)"})):
        screen = Screen(80)
        console = Console(file=screen, width=80, force_terminal=True)
        live = LiveArea(console, environment)
        console.print("said before")
        live.show([Text("x" * 79), Text("y" * 30), Text("z" * 79)])
        console.width = 30
        if not cuts:
            screen.resize(30)
        live.show([Text("x" * 29)])
        live.erase()
        console.print("said after")
        assert screen.text == "said before\nsaid after\n"


def test_several_at_a_time_have_a_line_each_and_a_low_terminal_shows_the_first() -> None:
    for height, shown in ((25, ["a", "b", "c"]), (5, ["a", "b"])):
        screen = Screen(80)
        reporter = ConsoleReporter(screen, clock=lambda: 0.0)
        reporter._console.height = height
        reporter.run_started("", "18.6", 3)
        for name in "abc":
            reporter.scenario_started(name)
        assert [line.split()[0] for line in screen.text.splitlines()[1:-1]] == shown
        assert screen.text.endswith("  0 of 3 scenarios  0 s\n")
        reporter.close()
        assert screen.text.splitlines() == ["PostgreSQL 18.6 · 3 scenarios"]


def test_a_finding_is_shown_at_once_and_the_rest_ten_times_a_second() -> None:
    screen, now = Screen(80), 0.0
    reporter = ConsoleReporter(screen, clock=lambda: now)
    reporter.run_started("", "18.6", 1)
    reporter.scenario_started("a")
    reporter.interleaving_started("a", lambda: Going(strategy="auto", executed=9, limit=99, violated=("deadlock",)))
    before = len(screen.pictures)
    for done in range(1, 1000):
        reporter.schedule_done("a", done, 0)
    assert len(screen.pictures) == before
    reporter.schedule_done("a", 1000, 1)
    assert "✗ deadlock" in screen.text
    now = 0.11
    reporter.schedule_done("a", 1001, 1)
    assert "1,001" in screen.text


def test_how_far_each_search_went_only_when_verbose() -> None:
    assert "auto: 2 of at most 2,000 schedules" in told(samples.red_run(), verbose=True)
    assert "at most" not in told(samples.red_run())


def test_what_follows_a_campaign_has_no_limit_of_its() -> None:
    watched = Watched("a", 0.0)
    watched.began(lambda: Going(strategy="auto", executed=24, limit=2000, after=1, exhausted=True))
    for done, count in ((24, "24/2,001"), (30, "30 schedules")):
        watched.done = done
        watched.look()
        assert count in watched.line(80, None).plain
    watched.tick(10.0)
    assert watched.line(80, 7.4).plain.endswith("3.0/s  at most 7 s")


def test_a_list_is_counted_where_somebody_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    for watched in (True, False):
        screen = Screen(80)
        console = Console(file=screen, width=80, force_terminal=True)
        counted = Counted(console, "mutant", "survivor", clock=lambda: 0.0)
        counted.show()
        assert screen.text == "\n"  # of how many is not known yet
        counted.begin(3)
        counted.count()
        counted.count(red=True)
        assert ("  2 of 3 mutants  1 survivor  0 s" in screen.text) == watched
        counted.hide()
        console.print("said")
        counted.show()
        counted.close()
        counted.show()
        assert screen.text == "said\n"
        monkeypatch.setenv("CI", "true")


def test_a_rate_is_that_of_the_last_seconds() -> None:
    pace = Pace(0.0)
    assert pace.rate is None
    for second in range(1, 11):
        pace.read(float(second), 100 * second)
    for second in range(11, 21):
        pace.read(float(second), 1000 + second)
    assert pace.rate == 1
    assert [at_most(100, 10.0, b) for b in (None, 3.0, 30.0, -1.0)] == [10, 3, 10, 0]
    assert at_most(100, None, None) is None
    assert [clock_text(s) for s in (0.4, 59.4, 59.6, 185, 3725)] == ["0 s", "59 s", "1:00 min", "3:05 min", "1:02 h"]


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
        assert set(re.findall(r"\x1b\[[0-9;?]*([A-Za-z])", text)) <= {"m", "K", "A"}
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
