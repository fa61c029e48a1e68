"""How large the page of a big run is, and how soon one can work with it.

    python benchmarks/report_page.py [SCENARIOS [VIOLATIONS]]

Makes a run of SCENARIOS scenarios (default 1,000), VIOLATIONS of them red (default 200), each with sources, sessions,
reasons and a nearest order that is right; writes its page; and opens it in headless Chromium. Prints the processor
time to make it, its bytes, and two times from the start of loading until the first key in the filter was handled and
drawn: by the clock, and what the page's thread worked. Exits with 1 where that work is over 2 seconds (the clock counts
what else the machine does) or the page over 10 MB.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "unit"))

import samples
import told

from harness.model import Counterexample, Event, EventKind, RunResult, Verdict
from harness.report.html import render_html

MOST_BYTES, MOST_SECONDS = 10_000_000, 2.0
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
HANDLED = """
() => new Promise(done => {
  const field = document.querySelector('#filters [name=text]');
  field.value = '7';
  field.dispatchEvent(new Event('input', { bubbles: true }));
  requestAnimationFrame(() => setTimeout(() => done(performance.now())));
})
"""


def big_run(scenarios: int, violations: int) -> RunResult:
    """No two violations are alike: other workers, jobs and amounts, a function of its own for every tenth."""
    red = [
        told.told_scenario(f"red_{n}", counterexamples=(_varied(n),), about=f"Workers {n} at once.")
        for n in range(violations)
    ]
    green = [
        samples.scenario(f"green_{n}", schedules=n, passing=samples.execution(samples.double_workers_history(), n))
        for n in range(scenarios - violations)
    ]
    return samples.run_of(*red, *green, verdict=Verdict.VIOLATION)


def _varied(n: int) -> Counterexample:
    example = told.told_example(f"red_{n}")
    body = told.BODY.replace("already refunded", f"already refunded by {n // 10}") + "\n-- and so on" * 40
    source = replace(told.SOURCE, body=body)
    history = example.execution.history
    events = tuple(_ledger(event, n) for event in history.events)
    execution = replace(example.execution, history=replace(history, events=events))
    return replace(example, execution=execution, story=replace(example.story, sources=(source,)))


def _ledger(event: Event, n: int) -> Event:
    if event.kind is not EventKind.LEDGER or event.ledger is None:
        return event
    rows = tuple({"user_id": f"user_{n}_{i}", "balance": 1000 * n + i} for i in range(20))
    return replace(event, ledger={**event.ledger, "more_balances": rows})


def seconds(page_file: Path) -> tuple[float, float]:
    """(by the clock, worked by the page's thread) until a key in the filter was handled and what it shows was drawn."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        raise SystemExit("no Chromium on PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        page = browser.new_page()
        tools = page.context.new_cdp_session(page)
        tools.send("Performance.enable", {"timeDomain": "threadTicks"})
        page.goto(page_file.as_uri(), wait_until="domcontentloaded")
        clock = float(page.evaluate(HANDLED)) / 1000
        metrics = {m["name"]: m["value"] for m in tools.send("Performance.getMetrics")["metrics"]}
        browser.close()
    return clock, float(metrics["TaskDuration"])


def main() -> int:
    scenarios, violations = (int(given) for given in [*sys.argv[1:3], *("1000", "200")[len(sys.argv) - 1 :]])
    run = big_run(scenarios, violations)
    begin = time.process_time()
    html = render_html(run).encode()
    made = time.process_time() - begin
    with tempfile.TemporaryDirectory() as folder:
        page_file = Path(folder) / "index.html"
        page_file.write_bytes(html)
        clock, worked = sorted(seconds(page_file) for _ in range(3))[1]
    print(f"{scenarios:,} scenarios, {violations:,} violations: {len(html):,} bytes, made in {made:.2f} s")
    print(f"first key handled after {clock:.2f} s by the clock, {worked:.2f} s of work (median of 3)")
    return 0 if len(html) <= MOST_BYTES and worked <= MOST_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
