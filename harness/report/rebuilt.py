"""What `harness report` prints of a report that it has made again."""

from __future__ import annotations

from pathlib import Path

from harness.model import RunResult
from harness.report.console import plain_console
from harness.report.text import one_line
from harness.report.words import SYMBOLS, headline, seconds, server_words
from harness.report.write import INDEX


def print_rebuilt(run: RunResult, folder: Path) -> None:
    """What the run had found, and the page."""
    console = plain_console()
    said = f"{headline(run)} {server_words(run.server_version)}, seed {run.seed}, {seconds(run.elapsed_s)}"
    for line in (f"report  {one_line(str(folder / INDEX))}", f"{SYMBOLS[run.verdict]} {said}"):
        console.print(line.encode(console.encoding, "replace").decode(console.encoding), soft_wrap=True)
