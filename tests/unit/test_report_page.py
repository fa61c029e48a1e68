"""The HTML page, its pictures, and writing both."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import samples
from PIL import Image

from harness.model import History, RunResult, Verdict, Violation
from harness.report.html import render_html
from harness.report.png import MAX_TURNS, timeline_png
from harness.report.timeline import timeline
from harness.report.write import stems, write_report

VOID = {"meta", "link", "img", "br", "input"}


class Page(HTMLParser):
    """Checks that tags are balanced; gathers texts and attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: list[str] = []
        self.scripts: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self._open):
            self.texts.append(data)
        if "script" in self._open:
            self.scripts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def test_page_of_a_red_run() -> None:
    html = render_html(samples.red_run())
    page = Page(html)
    assert html.startswith("<!doctype html>")
    assert "1 of 4 scenarios shows a violation: legacy_three_calls." in page.text
    assert samples.DOUBLE_REFUND.message in page.text
    assert "harness replay reports/latest/legacy_three_calls-1.schedule" in page.text
    assert "← broken" in page.text
    assert "Violated, as documented" in page.text
    assert "violation seen, as documented (one refund per job, serial equivalence)" in page.text
    assert "refund (BLOCKED by original)" in page.text  # the passing execution of the green scenario
    assert page.text.count("waiting") == 1
    for fact in (
        "PostgreSQL 18.6",
        "Seed",
        "1,236 schedules",
        "3.22 s",
        "exhaustive",
        "Every order of the two workers",
    ):
        assert fact in page.text
    assert samples.SELECT in "".join(page.texts)
    labels = {value for _, name, value in page.attributes if name == "data-label"}
    assert labels == {"Verdict", "Expected", "Strategy", "Schedules", "Coverage", "Time"}


def test_page_needs_nothing_from_anywhere() -> None:
    page = Page(render_html(samples.red_run()))
    policy = next(value for _, name, value in page.attributes if name == "content" and "default-src" in value)
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert page.tags.count("script") == 2  # data, and the one script that the policy names
    digest = base64.b64encode(hashlib.sha256(page.scripts[1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert not [name for _, name, _ in page.attributes if name.startswith("on") or name == "style"]
    links = [value for _, name, value in page.attributes if name in ("src", "href")]
    assert all(re.match(r"data:|#|[\w.-]+$", link) for link in links)


def test_ids_are_unique_and_links_lead_somewhere() -> None:
    page = Page(render_html(samples.red_run()))
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert {value[1:] for _, name, value in page.attributes if name == "href" and value.startswith("#")} <= set(ids)


def test_verdicts_are_words_and_symbols_too() -> None:
    run = samples.run_of(
        samples.green_scenario(),
        samples.red_scenario(),
        samples.scenario("i", Verdict.INCONCLUSIVE),
        samples.scenario("e", Verdict.ERROR),
        verdict=Verdict.ERROR,
    )
    text = Page(render_html(run)).text
    assert all(word in text for word in ("✓ pass", "✗ violation", "? inconclusive", "! error"))


def test_hostile_texts_stay_texts() -> None:
    html = render_html(samples.hostile_run())
    page = Page(html)
    assert page.tags.count("script") == html.count("<script") == html.count("</script") == 2
    assert json.loads(page.scripts[0])["scenarios"]
    assert not re.search("[<>&]", page.scripts[0])
    assert "<script>alert(1)</script>" in page.text
    assert "{{ 7*7 }}" in page.text
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", html)
    assert len(html) < 3_000_000
    assert all("alert" not in value for _, name, value in page.attributes if name in ("href", "src", "id", "class"))


def test_page_of_an_empty_run() -> None:
    assert "No scenario was run" in Page(render_html(samples.empty_run())).text


@pytest.mark.parametrize("history", [samples.crash_history(), samples.unknown_tables_history(), samples.long_history()])
def test_any_history_makes_a_page(history: History) -> None:
    example = samples.counterexample(history, Violation(check="c", message="m"))
    page = Page(
        render_html(samples.run_of(samples.red_scenario(counterexamples=(example,)), verdict=Verdict.VIOLATION))
    )
    assert "What happened" in page.text


def test_ledger_shows_what_differs() -> None:
    text = Page(render_html(samples.run_of(samples.red_scenario()))).text
    assert "balance_transactions unchanged" in text
    assert re.search(
        r"user_balances before differs user_id balance ≠ alice 4000 user_balances after differs .* ≠ alice 6000", text
    )


# ------------------------------------------------------------------------------------------------------ pictures


def test_equal_timelines_make_equal_bytes(tmp_path: Path) -> None:
    drawn = timeline(samples.legacy_history(), [samples.DOUBLE_REFUND])
    first = timeline_png(drawn, [samples.DOUBLE_REFUND], "t", tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes() == first
    assert timeline_png(drawn, [samples.DOUBLE_REFUND], "t") == first
    assert b"matplotlib" not in first.lower()
    assert timeline_png(drawn, [], "t") != first


@pytest.mark.parametrize(
    "history",
    [
        samples.double_workers_history(),
        samples.crash_history(),
        samples.unknown_tables_history(),
        samples.long_history(45, 3),
        samples.long_history(200, 5),
        samples.hostile_history(),
        History(events=(), opening={}, closing={}),
    ],
    ids=["double", "crash", "unknown", "long", "longer", "hostile", "empty"],
)
def test_every_history_can_be_drawn_within_bounds(history: History) -> None:
    violation = Violation(check=samples.LONG, message=samples.LONG, turn=2)
    drawn = timeline(history, [violation])
    image = Image.open(io.BytesIO(timeline_png(drawn, [violation], samples.LONG)))
    assert image.format == "PNG"
    assert image.width <= 2000
    assert image.height <= 5000
    assert not image.info.get("Software")
    assert MAX_TURNS >= 30


def test_the_settings_of_the_process_are_left_alone() -> None:
    import matplotlib

    with matplotlib.rc_context({"lines.linewidth": 17.0}):
        timeline_png(timeline(samples.legacy_history()), [], "t")
        assert matplotlib.rcParams["lines.linewidth"] == 17.0


# ------------------------------------------------------------------------------------------------------- writing


def test_write_report(tmp_path: Path) -> None:
    for name in (
        "legacy_three_calls-1.schedule",
        "legacy_three_calls-1.history.json",
        "legacy_three_calls-11.schedule",
    ):
        (tmp_path / name).write_text("x")
    index = write_report(samples.red_run(), tmp_path)
    assert index == tmp_path / "index.html"
    assert {path.name for path in tmp_path.iterdir()} == {
        "index.html",
        "results.json",
        "legacy_three_calls-1.png",
        "legacy_three_calls-1.schedule",
        "legacy_three_calls-1.history.json",
        "legacy_three_calls-11.schedule",
        "known_bad-1.png",
    }
    page = Page(index.read_text())
    links = [
        value for tag, name, value in page.attributes if name == "href" and tag == "a" and not value.startswith("#")
    ]
    assert links == [
        "legacy_three_calls-1.schedule",
        "legacy_three_calls-1.history.json",
        "legacy_three_calls-1.png",
        "known_bad-1.png",
    ]
    assert all((tmp_path / link).exists() for link in links)
    assert sum(value.startswith("data:image/png") for _, name, value in page.attributes if name == "src") == 2


def test_writing_twice_gives_the_same_files(tmp_path: Path) -> None:
    written = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_report(samples.red_run(), tmp_path / name)
        written.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert written[0] == written[1]


@pytest.mark.parametrize("run", [samples.hostile_run(), samples.empty_run()])
def test_any_run_can_be_written(tmp_path: Path, run: RunResult) -> None:
    write_report(run, tmp_path)
    assert all(path.parent == tmp_path for path in tmp_path.rglob("*"))


def test_file_names_are_safe_and_different() -> None:
    found = stems(["a", "A", "../../etc/passwd", "..", "", "a_2", "x" * 300, "Ж"])
    assert len({name.lower() for name in found}) == len(found)
    assert all(re.fullmatch(r"[A-Za-z0-9._-]{1,70}", name) and not name.startswith((".", "-")) for name in found)


def test_importing_the_room_loads_nothing_heavy() -> None:
    code = (
        "import sys, harness.report, harness.report.write, harness.report.terminal, harness.report.junit\n"
        "bad = {'matplotlib', 'jinja2', 'psycopg', 'PIL'} & set(sys.modules)\n"
        "assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
