"""A real Chromium, and pages that it opens from files. `make browser` runs these tests; without a browser they fail."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))

import everything
import told

from harness.model import RunResult
from harness.report.write import write_report

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
OpenPage = Callable[..., Page]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        raise RuntimeError(f"no browser: none of {', '.join(NAMES)} is on PATH")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield launched
        launched.close()


def _written(run: RunResult, folder: Path) -> str:
    folder.mkdir()
    return write_report(run, folder).as_uri()


@pytest.fixture(scope="session")
def told_page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of the page of a run with all that explains a violation."""
    return _written(told.told_run(), tmp_path_factory.mktemp("told") / "run")


@pytest.fixture(scope="session")
def full_page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a page on which every part is there: faults, levels, cases and notes, too."""
    return _written(everything.full_run(), tmp_path_factory.mktemp("full") / "run")


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """``open_page(address, **context)``: a new page in a context of its own. Whatever the page complains of by the end
    of the test fails it: an error in the console, a breach of its own policy, a dialog, a request to anywhere."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def opened(address: str, **options: object) -> Page:
        context = browser.new_context(**options)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: (complaints.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda r: None if r.url.startswith(("file:", "data:")) else complaints.append(r.url))
        page.goto(address)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []
