"""The pictures of `docs/report.md`: a real run of `docs/examples/redeem.sql`, its page in a headless Chromium.

Every run gives the same pictures on the same machine: what differs from one run to the next, where its folder lies and
how long it took, is written as ``reports/latest`` and ``…``. Without a Chromium nothing is changed.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from palette import write_slim
from playwright.sync_api import Locator, Page, sync_playwright

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CALLS = ("SELECT redeem('SPRING', 'ann')", "SELECT redeem('SPRING', 'bob')")
ALIKE = r"""(folder) => {
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
for (let node; (node = walk.nextNode()); ) {
  const text = node.data.replaceAll(folder, "reports");
  node.data = text.replace(/\d{8}T\d{6}Z-\w+/g, "latest").replace(/[\d.]+ s\b/g, "… s");
}}"""
MARGIN = 14
"""Pixels around what a picture shows."""


def main() -> int:
    """The exit code: 0 also where there is no browser."""
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser is None:
        print(f"no browser ({', '.join(BROWSERS)}): the pictures of the page stay as they are")
        return 0
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        calls = [word for call in CALLS for word in ("--call", call)]
        command = [sys.executable, "-m", "harness", "check", "--sql", "docs/examples/redeem.sql", *calls]
        subprocess.run([*command, "--quiet", "--out", folder], cwd=ROOT, check=False)
        run = (Path(folder) / "latest").resolve()
        chromium = playwright.chromium.launch(executable_path=browser, args=["--headless", "--no-sandbox"])
        context = chromium.new_context(viewport={"width": 1000, "height": 900}, color_scheme="light", locale="en")
        page = context.new_page()
        page.goto((run / "index.html").as_uri())
        page.evaluate(ALIKE, folder)
        for name, parts in _parts(page):
            write_slim(_shot(page, parts), IMAGES / f"{name}.png")
        chromium.close()
        write_slim((run / "redeem-1.png").read_bytes(), IMAGES / "report-timeline.png")
    return 0


def _parts(page: Page) -> Iterator[tuple[str, list[Locator]]]:
    """Name of a picture, and what it shows: all that lies between the first and the last of these."""
    body = page.locator("#s1-1")
    player = body.locator(".player")
    yield "report-verdict", [page.locator("header .brand"), page.locator("header nav")]
    yield "report-why", [page.locator("#violations > h2"), body.locator("> .code").last]
    yield "report-table", [player.locator("h4"), player.locator("table").first, body.locator(".again").first]
    player.get_by_title("Step to this turn").filter(has_text="T8").click()
    yield "report-player", [player.locator(".bar"), player.locator(".panel")]
    yield "report-right", [page.get_by_role("heading", name="An order that goes right"), body.locator(".again").last]
    yield "report-scenarios", [page.locator("#scenarios > h2"), page.locator("#scenarios table")]


def _shot(page: Page, parts: list[Locator]) -> bytes:
    page.evaluate("document.activeElement.blur()")  # no blinking caret, no ring
    boxes = [box for part in parts if (box := part.bounding_box())]
    top = page.evaluate("scrollY") + min(box["y"] for box in boxes) - MARGIN
    bottom = page.evaluate("scrollY") + max(box["y"] + box["height"] for box in boxes) + MARGIN
    width = page.viewport_size["width"] if page.viewport_size else 1000
    clip = {"x": 0, "y": max(round(top), 0), "width": width, "height": round(bottom - top)}
    return page.screenshot(full_page=True, clip=clip, animations="disabled", caret="hide")  # type: ignore[arg-type]


if __name__ == "__main__":
    sys.exit(main())
