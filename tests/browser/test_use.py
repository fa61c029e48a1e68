"""Using the page: the player, the filters, links, the copy button; and doing without JavaScript."""

from __future__ import annotations

import re

import pytest
from conftest import OpenPage
from playwright.sync_api import Page, expect

PLAYER = "#s2-1 .player"


def _told(page: Page) -> str:
    return page.locator(f"{PLAYER} .told").inner_text()


def _current(page: Page) -> str:
    return page.locator("#s2-1-order tr[aria-current=step] th").inner_text()


def test_the_player_by_keyboard(told_page: str, open_page: OpenPage) -> None:
    page = open_page(told_page)
    player = page.locator(PLAYER)
    player.locator("input[type=range]").focus()
    assert _told(page) == "set-up the ledger after the set-up."
    for key, turn in [
        ("ArrowRight", "T0"),
        ("ArrowRight", "T1"),
        ("ArrowLeft", "T0"),
        ("End", "T9"),
        ("Home", "set-up"),
    ]:
        page.keyboard.press(key)
        assert _told(page).startswith(f"{turn} ")
        assert _current(page) == turn
    page.keyboard.press("ArrowLeft")  # nothing comes before the set-up
    assert _current(page) == "set-up"
    for _ in range(7):
        page.keyboard.press("ArrowRight")
    assert _told(page) == "T6 original: refund:6 UPDATE user_balances SET balance = balance + 1000 (BLOCKED by retry)."
    sessions = player.get_by_role("table", name="Sessions at T6").locator("tbody tr").all_inner_texts()
    assert [re.split(r"\s*\t\s*", row) for row in sessions] == [
        ["original", "waiting for a lock", "refund:6", "retry", "–", "transaction ShareLock"],
        ["retry", "in a transaction", "commit", "–", "row user_balances ExclusiveLock", "–"],
    ]
    assert re.fullmatch(
        r"\s*6\s+UPDATE user_balances SET balance = balance \+ 1000;\s*", player.locator(".panel mark").inner_text()
    )


def test_the_slider_and_the_buttons_do_the_same(told_page: str, open_page: OpenPage) -> None:
    page = open_page(told_page)
    slider = page.locator(f"{PLAYER} input[type=range]")
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert (_current(page), slider.get_attribute("aria-valuetext")) == ("T0", "T0")
    slider.fill("8")
    assert _current(page) == "T7"
    page.locator(PLAYER).get_by_role("button", name="Next").click()
    assert _current(page) == "T8"
    page.locator(PLAYER).get_by_role("button", name="Last").click()
    assert _told(page).endswith("Here the rule is broken.")
    expect(page.locator(PLAYER).get_by_role("button", name="Next")).to_be_disabled()
    page.keyboard.press("ArrowLeft")  # which the focused button hears even so
    assert _current(page) == "T8"
    page.keyboard.press("ArrowRight")
    page.locator("#s2-1-order").get_by_role("button", name="T1", exact=True).click()
    assert _told(page).startswith("T1 ")


def test_rows_of_the_ledger_that_a_step_changed_are_marked(told_page: str, open_page: OpenPage) -> None:
    page = open_page(told_page)
    page.locator("#s2-1-order").get_by_role("button", name="T7").click()
    changed = page.locator(f"{PLAYER} .panel tr.changed").all_inner_texts()
    assert [" ".join(row.split()) for row in changed] == [
        "≠ changed in this step j1 alice failed",
        "≠ changed in this step alice 5000",
    ]
    page.locator("#s2-1-order").get_by_role("button", name="T8").click()
    assert page.locator(f"{PLAYER} .panel tr.changed").count() == 0


def test_a_player_without_looks_at_the_sessions_tells_what_the_events_do(told_page: str, open_page: OpenPage) -> None:
    page = open_page(told_page)
    player = page.locator("#s3-1 .player")
    expect(player.locator(".bar")).to_be_visible()
    player.get_by_role("button", name="Last").click()
    assert "Sessions" not in player.locator(".panel").inner_text()
    assert player.get_by_role("table", name="user_balances as committed at T5").count() == 1


RED = ["unlocked_inside", "legacy_three_calls"]


@pytest.mark.parametrize(
    ("label", "value", "rows", "state"),
    [
        ("Verdict", "violation", RED, "#verdict=violation"),
        ("Verdict", "documented", ["known_bad"], "#verdict=documented"),
        ("Scenario", "UNLOCK", ["unlocked_inside"], "#text=UNLOCK"),
        ("Violated check", "one refund per job", [RED[1], "known_bad"], "#check=one+refund+per+job"),
    ],
)
def test_filters(told_page: str, open_page: OpenPage, label: str, value: str, rows: list[str], state: str) -> None:
    page = open_page(told_page)
    if label == "Scenario":
        page.get_by_role("searchbox", name=label).fill(value)
    else:
        page.get_by_role("combobox", name=label).select_option(value)
    for _ in range(2):  # as filtered, and again from the address alone
        assert page.locator(".overview tbody tr:visible .name").all_inner_texts() == rows
        expect(page.locator("#filters output")).to_have_text(f"{len(rows)} of 5 scenarios shown")
        assert page.url.endswith(state)
        page.reload()
    page.get_by_role("button", name="Show all").click()
    expect(page.locator("#filters output")).to_have_text("All 5 scenarios are shown")
    assert "#" not in page.url


def test_a_filter_that_fits_nothing_hides_every_chapter(told_page: str, open_page: OpenPage) -> None:
    page = open_page(f"{told_page}#text=nowhere")
    expect(page.locator("#filters output")).to_have_text("0 of 5 scenarios shown")
    assert page.locator(".chapter:visible h2").all_inner_texts() == ["Functions"]


def test_a_link_opens_and_unhides_what_it_leads_to(told_page: str, open_page: OpenPage) -> None:
    page = open_page(f"{told_page}#verdict=pass")
    page.locator(".overview").get_by_role("link", name="double_workers").click()
    expect(page.locator("#s1")).to_have_attribute("open", "")
    page.goto(f"{told_page}#%")  # leads nowhere, and harms nothing
    page.goto(f"{told_page}#verdict=pass")
    page.goto(f"{told_page}#s4")
    expect(page.locator("#s4")).to_be_visible()
    expect(page.locator("#s4-1 .bar")).to_be_visible()
    expect(page.locator("#filters output")).to_have_text("All 5 scenarios are shown")
    assert page.url.endswith("#s4")


def test_copying_the_replay_command(told_page: str, open_page: OpenPage) -> None:
    page = open_page(told_page, permissions=["clipboard-read", "clipboard-write"])
    page.locator("#s2-1").get_by_role("button", name="Copy the command").first.click()
    expect(page.locator("#said")).to_have_text("The command was copied.")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == "harness replay reports/latest/unlocked_inside-1.schedule"


def test_copying_where_the_clipboard_is_out_of_reach(told_page: str, open_page: OpenPage) -> None:
    page = open_page(told_page)
    page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.evaluate("document.execCommand = () => false")
    page.locator("#s2-1").get_by_role("button", name="Copy the command").first.click()
    expect(page.locator("#said")).to_have_text("The command is selected: press Ctrl+C to copy it.")
    assert page.evaluate("getSelection().toString()") == "harness replay reports/latest/unlocked_inside-1.schedule"


def test_without_javascript_all_can_be_read(full_page: str, open_page: OpenPage) -> None:
    page = open_page(full_page, java_script_enabled=False)
    assert page.locator("#filters, .bar").locator("visible=true").count() == 0
    for fold in page.locator(".fold").all():
        if fold.get_attribute("open") is None:
            fold.locator("> summary").click()
    page.locator("#s3-1-order summary").first.click()
    text = page.locator("main").inner_text()
    for words in (
        "original read story_jobs.status at T1", "← T6 original acts on what it read", "SELECT refund('j1')",
        "The first 3 turns are the same", "first difference", "original waited for retry from T6 to T7",
        "harness replay reports/latest/unlocked_inside-1.schedule", "sql/refund.sql", "Single calls",
    ):  # fmt: skip
        assert words in text
