"""Pictures say what they were given: read off the figures, before they are pixels."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import psutil
import pytest
import samples
from PIL import Image, ImageColor
from rich.cells import cell_len

from harness.errors import SaveError
from harness.model import Covered, ScenarioResult, Violation
from harness.report.boxed import box_text, wrapped
from harness.report.coverage_png import coverage_picture
from harness.report.expected import expected_balances
from harness.report.order_grid import MOST_PAIRS, MOST_POINTS, order_grids
from harness.report.palette import BLUES
from harness.report.pictures import drawn_beside, picture_names, write_pictures
from harness.report.png import timeline_picture
from harness.report.sheet import Box, Mark, Shape, Sheet, Words
from harness.report.timeline import timeline
from harness.report.write import write_report

STEPS = (
    ("a", "begin", "begin"),
    ("a", "pay:4", "pay:4 UPDATE balances"),
    ("a", "pay:4~", "pay:4 UPDATE balances, between snapshot and scan"),
    ("b", "begin", "begin"),
    ("b", "pay:4", "pay:4 UPDATE balances"),
)
COVERED = Covered(
    points=5, pairs=6, possible=12, steps=STEPS,
    before=((0, 3, 9), (3, 0, 1), (0, 4, 5), (1, 3, 2), (3, 1, 8), (4, 1, 3)),
)  # fmt: skip
"""a.begin nearly always first, and always before b's pay; a.pay never before b's pay; a.pay~ never with b."""
MANY = tuple(f"s{number}" for number in range(13))
"""So many scenarios that a process beside draws their pictures."""
HOSTILE = "$\\frac{1}{0}$ \n 👩‍👩‍👧 \u202eevil שלום " + "x" * 300


def searched(covered: Covered | None, name: str = "s", **changes: object) -> ScenarioResult:
    return replace(samples.scenario(name), covered=covered, **changes)


def drawn(result: ScenarioResult) -> Sheet:
    picture = coverage_picture(result)
    assert picture is not None
    return picture


def said(sheet: Sheet) -> list[str]:
    return [shown.text for shown in sheet.shown if isinstance(shown, Words)]


# ------------------------------------------------------------------------------------------------------ coverage


def test_a_map_shades_every_order_and_marks_what_was_never_seen() -> None:
    sheet = drawn(searched(COVERED))
    shades = [box.fill for box in sheet.shown if isinstance(box, Box) and box.fill in BLUES]
    assert shades[:3] == [BLUES[5], BLUES[5], BLUES[1]]  # rows by columns: begin-begin, begin-pay, pay-begin
    assert shades[3:9] == list(BLUES)  # what they mean
    marks = [mark for mark in sheet.shown if isinstance(mark, Mark)][:4]
    assert [mark.shape for mark in marks] == [Shape.CORNER, Shape.CROSS, Shape.DASH, Shape.DASH]
    corner, never, first, second = marks
    assert never.x == second.x > corner.x > first.x  # the columns
    assert corner.y < never.y < first.y == second.y  # the rows
    title, seen, *_ = said(sheet)
    assert title == "s · how often the row's point came before the column's"
    assert seen.startswith("6 of 12 ordered pairs seen")
    assert said(sheet)[2:12] == [
        "begin", "pay:4 UPDATE balances", "    … its snapshot taken", "begin", "pay:4", "9", "5", "2", "a ↓", "b →",
    ]  # fmt: skip


def test_every_mark_and_word_leaves_its_ink_where_it_stands() -> None:
    """A picture is looked at by people: it is not enough that a list holds what it should."""
    sheet = Sheet(
        size=(2, 1),
        shown=(
            Mark(shape=Shape.CROSS, x=0.25, y=0.5, size=0.2, color="#ff0000"),
            Mark(shape=Shape.DASH, x=0.75, y=0.5, size=0.2, color="#00ff00"),
            Mark(shape=Shape.CORNER, x=1.15, y=0.4, size=0.2, color="#0000ff"),
            Words(x=1.75, y=0.9, text="I" * 12, size=9, color="#000000", upright=True),
        ),
    )
    image = Image.open(io.BytesIO(sheet.png()))
    assert image.size == (280, 140)
    places = {color: box(image, color) for color in ("#ff0000", "#00ff00", "#0000ff", "#000000")}
    assert close(places["#ff0000"], (23, 58, 47, 82))
    assert close(places["#00ff00"], (91, 67, 119, 73))
    assert close(places["#0000ff"], (161, 56, 189, 84))
    left, top, right, bottom = places["#000000"]
    assert bottom - top > 2 * (right - left)
    assert (left + right) // 2 == pytest.approx(245, abs=3)
    assert bottom == pytest.approx(126, abs=3)


def box(image: Image.Image, color: str) -> tuple[int, int, int, int]:
    """Around the pixels that are wholly of that colour."""
    wanted = ImageColor.getrgb(color)
    here = [(x, y) for x in range(image.width) for y in range(image.height) if image.getpixel((x, y)) == wanted]
    xs, ys = [x for x, _ in here], [y for _, y in here]
    return min(xs), min(ys), max(xs) + 1, max(ys) + 1


def close(found: Sequence[int], wanted: Sequence[int]) -> bool:
    return all(abs(f - w) <= 3 for f, w in zip(found, wanted, strict=True))


def test_what_was_not_seen_is_impossible_only_after_a_search_to_the_end() -> None:
    assert "cannot happen, or make no difference" in said(drawn(searched(COVERED, exhausted=True)))[1]
    assert "may be possible" in said(drawn(searched(COVERED, exhausted=False)))[1]


@pytest.mark.parametrize("covered", [None, Covered(), replace(COVERED, before=())])
def test_where_no_points_met_there_is_no_picture(covered: Covered | None) -> None:
    assert coverage_picture(searched(covered)) is None


def big(workers: int, points: int) -> Covered:
    steps = tuple((f"w{w}", f"f:{p}", f"f:{p} SELECT t") for w in range(workers) for p in range(points))
    n = len(steps)
    # The last worker is always last, and the first two never meet: between the others both orders were seen.
    before = [(i, j, 2) for i in range(n) for j in range(n) if steps[i][0] != steps[j][0] and i < 2 * points <= j]
    return Covered(points=n, pairs=len(before), possible=n * n, steps=steps, before=tuple(before))


def test_four_workers_have_all_their_pairs_and_five_the_most_telling() -> None:
    assert [(g.row, g.column) for g in order_grids(big(4, 2))] == [
        ("w0", "w1"), ("w0", "w2"), ("w0", "w3"), ("w1", "w2"), ("w1", "w3"), ("w2", "w3"),
    ]  # fmt: skip
    grids = order_grids(big(5, 2))
    assert len(grids) == MOST_PAIRS
    assert ("w0", "w1") not in [(g.row, g.column) for g in grids]  # nothing was missed there: they never met
    assert all(g.unseen == 4 for g in grids)
    words = said(drawn(searched(big(5, 2))))
    assert words[2] == f"shown: of 5 workers the {MOST_PAIRS} pairs in which most was not seen"


def test_a_big_function_is_cut_and_says_so() -> None:
    covered = big(3, MOST_POINTS + 3)
    sheet = drawn(searched(replace(covered, before=covered.before[:60])))
    assert said(sheet)[2] == f"shown: of a worker the first {MOST_POINTS} points"
    assert max(sheet.size) < 60
    assert not any("of a worker the first" in words for words in said(drawn(searched(COVERED))))


def test_files_are_written_for_what_was_searched_alone(tmp_path: Path) -> None:
    write_pictures(samples.run_of(searched(COVERED, "one"), searched(None, "two")), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["one-coverage.png"]


def test_the_page_links_to_the_pictures_that_are_drawn(tmp_path: Path) -> None:
    run = samples.run_of(searched(COVERED, "one"), searched(None, "two"))
    write_pictures(run, tmp_path)
    assert picture_names(run) == [[("coverage", "one-coverage.png")], []]
    page = write_report(run, tmp_path, picture_names(run)).read_text()
    assert re.findall(r'href="([^"]*\.png)"', page) == ["one-coverage.png"]


def test_a_process_beside_draws_the_same(tmp_path: Path) -> None:
    run = samples.run_of(*(searched(COVERED, name) for name in MANY))
    here, beside = tmp_path / "here", tmp_path / "beside"
    here.mkdir()
    beside.mkdir()
    children = set(psutil.Process().children())
    with drawn_beside(run, beside):
        assert len(set(psutil.Process().children()) - children) == 1
    assert set(psutil.Process().children()) <= children
    write_pictures(run, here)
    one, other = ({p.name: p.read_bytes() for p in folder.iterdir()} for folder in (here, beside))
    assert len(one) == len(MANY)
    assert one == other


def test_where_pictures_cannot_be_written_it_is_said_and_an_interrupt_leaves_no_process(tmp_path: Path) -> None:
    run = samples.run_of(*(searched(COVERED, name) for name in MANY))
    with (
        pytest.raises(SaveError, match=r"cannot draw the pictures of .*gone.*No such file"),
        drawn_beside(run, tmp_path / "gone"),
    ):
        pass
    with pytest.raises(KeyboardInterrupt), drawn_beside(run, tmp_path):
        raise KeyboardInterrupt
    assert not [p for p in psutil.Process().children() if "draw_for_parent" in " ".join(p.cmdline())]


# ------------------------------------------------------------------------------------------------------ timeline

SERIAL = Violation(
    check="serial_equivalence", message="balance 6000; every serial order ends with 5000",
    witness=({"table": "user_balances", "row": {"user_id": "alice"}, "column": "balance", "ended": 6000,
              "serial": [5000]},),
)  # fmt: skip
ADDED_UP = Violation(
    check="balance_matches_ledger", message="m", witness=({"user_id": "alice", "expected_balance": 4500},)
)


def test_the_balance_that_would_be_right_comes_from_the_witness() -> None:
    assert expected_balances([ADDED_UP, SERIAL], {"alice"}) == {"alice": (5000.0,)}
    assert expected_balances([ADDED_UP], {"alice", "bob"}) == {"alice": (4500.0,)}
    assert expected_balances([SERIAL], {"bob"}) == {}
    assert expected_balances([samples.DOUBLE_REFUND, samples.SERIAL], {"alice"}) == {}


@pytest.mark.parametrize("serial", [None, "5000", [], ["x"], [1, 2, 3, 4, 5]])
def test_a_witness_that_says_nothing_definite_draws_nothing(serial: object) -> None:
    row = {**SERIAL.witness[0], "serial": serial}
    assert expected_balances([replace(SERIAL, witness=(row,))], {"alice"}) == {}


def expected_lines(*violations: Violation) -> list[float]:
    drawn = timeline(samples.legacy_history(), violations[:1])
    figure = timeline_picture(drawn, violations, "t", {}).figure()
    return [line.get_ydata()[0] for axes in figure.axes for line in axes.lines if line.get_gid() == "expected"]


def test_the_expected_balance_is_a_line_and_where_it_is_unknown_there_is_none() -> None:
    assert set(expected_lines(samples.DOUBLE_REFUND, SERIAL)) == {5000.0}
    assert expected_lines(samples.DOUBLE_REFUND) == []


def test_the_picture_is_headed_by_the_name_and_the_verdict() -> None:
    drawn = timeline(samples.legacy_history(), [samples.DOUBLE_REFUND])
    figure = timeline_picture(drawn, [samples.DOUBLE_REFUND], "legacy · schedule 5", {}).figure()
    title, *sentence = (text.get_text() for text in figure.texts)
    assert title == "legacy · schedule 5"
    assert " ".join(sentence) == f"✗ {samples.DOUBLE_REFUND.check}: {samples.DOUBLE_REFUND.message}"


def test_a_box_names_the_place_and_what_was_done_there() -> None:
    text = "refund_balance_atomic:28 UPDATE public.user_balances AS b SET balance → {…}"
    labels = {"refund_balance_atomic:28": "refund_balance_atomic:28 UPDATE user_balances"}
    found = box_text(text, labels, 22, 4, 26)
    assert (found.place, found.lines) == ("refund_balance_atomic:28", ("UPDATE user_balances →", "{…}"))
    unknown = box_text(text, {}, 22, 4, 20)
    assert unknown.place == "refund_balance_a…:28"
    assert unknown.lines == ("UPDATE", "public.user_balances", "AS b SET balance → {…}")
    assert box_text("COMMIT", labels, 22, 4, 26).place == ""


@pytest.mark.parametrize("text", ["a_long_name_of_a_function.with_a_schema", "日本語" * 20, HOSTILE, ""])
def test_no_line_is_wider_than_the_box(text: str) -> None:
    lines = wrapped(text, 12)
    assert all(0 < cell_len(line) <= 12 for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


def test_words_are_broken_only_where_they_must_be() -> None:
    assert wrapped("UPDATE user_balances", 14) == ["UPDATE", "user_balances"]
    assert wrapped("refund_balance_atomic", 15) == ["refund_balance_", "atomic"]


# ------------------------------------------------------------------------------------------------------- all alike


def test_foreign_text_is_neither_read_as_a_formula_nor_breaks_a_picture() -> None:
    steps = tuple((w + HOSTILE, s + HOSTILE, label + HOSTILE) for w, s, label in STEPS)
    sheet = drawn(searched(replace(COVERED, steps=steps), HOSTILE))
    assert sheet.png().startswith(b"\x89PNG")
    assert said(sheet)[0].startswith("$\\frac{1}{0}$ 👩‍👩‍👧 evil")
    assert max(sheet.size) < 25
    figure = timeline_picture(timeline(samples.legacy_history(), ()), (), HOSTILE, {}).figure()
    assert "$\\frac{1}{0}$ 👩‍👩‍👧 evil" in figure.texts[0].get_text()
    assert not any(text.get_parse_math() for text in figure.texts)


def test_two_processes_draw_the_same_bytes(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; sys.path.insert(0, 'tests/unit')\n"
        "import samples, test_pictures as t\n"
        "from harness.report.pictures import write_pictures\n"
        "from harness.report.write import write_report\n"
        "run = samples.run_of(t.searched(t.COVERED, 'one'), samples.red_scenario('two'))\n"
        "write_report(run, Path(sys.argv[1])); write_pictures(run, Path(sys.argv[1]))\n"
    )
    folders = [tmp_path / "a", tmp_path / "b"]
    for number, folder in enumerate(folders):
        folder.mkdir()
        environment = {"PYTHONHASHSEED": str(number), "HOME": str(tmp_path), "TZ": f"UTC{number}"}
        subprocess.run(
            [sys.executable, "-c", code, str(folder)], check=True, cwd=Path(__file__).parents[2], env=environment
        )
    one, other = ({p.name: p.read_bytes() for p in folder.glob("*.png")} for folder in folders)
    assert set(one) == {"one-coverage.png", "two-1.png"}
    assert one == other
    assert all(b"tEXt" not in png and b"tIME" not in png for png in one.values())


def test_shades_differ_in_lightness_alone() -> None:
    light = [sum(int(c[i : i + 2], 16) * w for i, w in ((1, 0.3), (3, 0.59), (5, 0.11))) for c in BLUES]
    assert all(before - after > 20 for before, after in pairwise(light))
