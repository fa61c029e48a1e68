"""What `harness report` does, behind its options: wiring only."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from harness.cli.reporting import can_be_written, write_pages
from harness.errors import UsageError


def rebuild(folder: Path, out: Path | None, json: Path | None, junit: Path | None) -> int:
    """Make the report of the run saved in ``folder`` again, there or in ``out``; the exit code, which says nothing of
    the run. Raises `UsageError` for a folder without a saved run, `SaveError`."""
    from harness.report.junit import write_junit
    from harness.report.rebuilt import print_rebuilt
    from harness.report.results import write_results
    from harness.report.saved import find_run, read_run

    can_be_written("--json", json)
    can_be_written("--junit", junit)
    place = find_run(folder)
    run = read_run(place)
    if out is not None:
        place = _copied(place, out)
    write_pages(run, place)
    if json is not None:
        write_results(run, json)
    if junit is not None:
        write_junit(run, junit)
    print_rebuilt(run, place)
    return 0


def _copied(folder: Path, out: Path) -> Path:
    """A new folder with all that was saved with the run, so that it is one like the other: what the page links to, what
    the next `harness report` needs."""
    from harness.files import cannot_write
    from harness.report.folder import MARKER

    if out.resolve().is_relative_to(folder.resolve()):
        raise UsageError(f"--out {out}: lies in the run's own folder {folder}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"--out {out}: is there already: name a new folder")
    try:
        shutil.copytree(folder, out, dirs_exist_ok=True, ignore=shutil.ignore_patterns(MARKER))
    except OSError as error:
        raise cannot_write(out, error) from None
    return out


def compared(old: Path, new: Path, json: Path | None) -> int:
    """Say how the run ``new`` differs from ``old``; 1 when anything turned red or became an error, else 0. Raises
    `UsageError` for what holds no results, `SaveError`."""
    from harness.report.compare import compare
    from harness.report.compare_json import write_comparison
    from harness.report.compare_table import comparison_markdown, print_comparison
    from harness.report.github import append_markdown
    from harness.report.results_read import read_results

    can_be_written("--json", json)
    found = compare(read_results(old), read_results(new))
    print_comparison(found)
    if json is not None:
        write_comparison(found, json)
    append_markdown(lambda: comparison_markdown(found), os.environ)
    return 1 if found.worse else 0
