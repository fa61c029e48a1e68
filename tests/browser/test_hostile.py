"""Nothing that comes out of a run is more than text, in whatever field it stands."""

from __future__ import annotations

import re
from pathlib import Path

import everything
from conftest import OpenPage
from playwright.sync_api import Browser, Page

from harness.report.write import write_report

ELEMENTS = frozenset(
    re.findall(
        r"\w+",
        """HTML HEAD META LINK TITLE STYLE BODY HEADER NAV MAIN FOOTER SECTION FORM LABEL INPUT SELECT OPTION OUTPUT
        BUTTON DIV P SPAN H1 H2 H3 H4 H5 A CODE PRE MARK B STRONG SMALL UL LI DL DT DD TABLE CAPTION THEAD TBODY TR TH
        TD DETAILS SUMMARY FIGURE IMG SCRIPT""",
    )
)
WALK = """
[...document.querySelectorAll('*')].map(e => [e.tagName, [...e.attributes].map(a => [a.name, a.value])])
"""


def _step_through(page: Page) -> None:
    page.evaluate("for (const fold of document.querySelectorAll('details')) fold.open = true")
    for slider in page.locator(".bar input[type=range]").all():
        slider.focus()
        for _ in range(14):
            page.keyboard.press("ArrowRight")
    for label in ("Verdict", "Violated check"):
        page.get_by_role("combobox", name=label).select_option(index=1)
    page.get_by_role("searchbox", name="Scenario").fill(everything.HOSTILE[:60])


def test_hostile_texts_in_every_field_stay_texts(tmp_path: Path, open_page: OpenPage) -> None:
    page = open_page(write_report(everything.hostile_run(), tmp_path).as_uri())
    _step_through(page)
    page.reload()  # with what was filtered for in the address
    page.get_by_role("button", name="Show all").click()
    _step_through(page)
    page.get_by_role("button", name="Show all").click()
    assert page.evaluate("window.struck") is None
    for tag, attributes in page.evaluate(WALK):
        assert tag in ELEMENTS
        for name, value in attributes:
            assert re.fullmatch(r"[a-z-]+", name)
            assert not name.startswith("on")
            assert name not in ("style", "srcdoc", "action", "formaction")
            if name in ("href", "src"):
                assert re.match(r"#|data:|[\w%.-]+$", value), value
            if name in ("id", "class", "data-of", "data-example"):
                assert "script" not in value
    assert page.locator("script").count() == 2
    text = page.locator("body").inner_text()
    assert "<script>window.struck=1</script>" in text
    assert "{{7*7}}" in text
    assert "<!--" in text
    assert not re.search("[\u202e\x1b\x00]", text)


def test_the_policy_stops_what_would_slip_through(told_page: str, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(told_page)
    page.evaluate("""() => {
      window.breaches = [];
      document.addEventListener('securitypolicyviolation', e => window.breaches.push(e.effectiveDirective));
      const script = document.createElement('script');
      script.textContent = 'window.struck = 1';
      document.body.append(script);
      document.body.setAttribute('style', 'display: none');
    }""")
    page.wait_for_function("window.breaches.length === 2")
    assert page.evaluate("window.breaches") == ["script-src-elem", "style-src-attr"]
    assert page.evaluate("window.struck") is None
    page.close()
