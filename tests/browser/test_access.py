"""Who cannot see the colours, needs large text or a small screen, prints, or reads at night."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import OpenPage
from playwright.sync_api import Page

THEMES = ("light", "dark")
COLOURS = """
[...document.querySelectorAll('body, .finding, .controls button')].map(e => getComputedStyle(e).backgroundColor)
"""


def _grave(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [
        f"{v['id']}: {node['html'][:160]} {[m['message'] for m in (*node['any'], *node['all'])]}"
        for v in found
        if v["impact"] in ("serious", "critical")
        for node in v["nodes"][:5]
    ]


def _open_all(page: Page) -> None:
    page.evaluate("for (const fold of document.querySelectorAll('details')) fold.open = true")


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", [1280, 320])
def test_axe_finds_nothing_grave(full_page: str, open_page: OpenPage, theme: Any, width: int) -> None:
    page = open_page(full_page, color_scheme=theme, viewport={"width": width, "height": 900})
    assert _grave(page) == []
    _open_all(page)
    for name in ("T6", "T9"):
        page.locator("#s1-1-order").get_by_role("button", name=name, exact=True).click()
    page.get_by_role("combobox", name="Verdict").focus()
    assert _grave(page) == []


def test_axe_sees_what_is_wrong(full_page: str, open_page: OpenPage) -> None:
    page = open_page(full_page)
    page.evaluate("document.querySelector('#filters label').replaceWith(document.querySelector('#filters input'))")
    assert any(line.startswith("label:") for line in _grave(page))


def test_the_themes_differ(told_page: str, open_page: OpenPage) -> None:
    colours = []
    for theme in THEMES:
        page = open_page(told_page, color_scheme=theme)
        colours.append(page.evaluate(COLOURS))
    assert all(light != dark for light, dark in zip(*colours, strict=True))


@pytest.mark.parametrize("every", [False, True], ids=["as it comes", "all open"])
def test_no_small_screen_scrolls_sideways(full_page: str, open_page: OpenPage, every: bool) -> None:
    page = open_page(full_page, viewport={"width": 320, "height": 640})
    if every:
        _open_all(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 320


def test_headings_are_in_order(full_page: str, open_page: OpenPage) -> None:
    page = open_page(full_page)
    levels = [
        int(tag[1]) for tag in page.locator("h1, h2, h3, h4, h5, h6").evaluate_all("all => all.map(e => e.tagName)")
    ]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_on_paper_everything_is_open_and_what_is_pressed_is_gone(
    full_page: str, open_page: OpenPage, tmp_path: Path
) -> None:
    page = open_page(full_page)
    page.emulate_media(media="print")
    assert page.locator("#filters, nav, .bar, .panel, .again button").locator("visible=true").count() == 0
    closed = page.locator("details:not([open]) > :not(summary)").first
    assert closed.evaluate("e => e.checkVisibility({contentVisibilityAuto: true})")
    assert closed.bounding_box()["height"] > 0  # type: ignore[index]
    page.pdf(path=tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
    assert page.locator("details:not([open])").count() > 0  # closed again


def test_every_control_shows_its_focus(full_page: str, open_page: OpenPage) -> None:
    page = open_page(full_page)
    seen = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        tag, style = page.evaluate(
            "[document.activeElement.tagName, getComputedStyle(document.activeElement).outlineStyle]"
        )
        seen.add(tag)
        assert style != "none", tag
    assert {"A", "INPUT", "SELECT", "BUTTON", "SUMMARY"} <= seen
