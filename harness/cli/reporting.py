"""What `harness run` and `harness check` leave behind, however they end: wiring only."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import HarnessError, UsageError

if TYPE_CHECKING:
    from harness.model import RunResult
    from harness.report.terminal import ConsoleReporter

Keep = Callable[["RunResult"], None]


def reported(
    go: Callable[[Keep], RunResult], folder: Path, json: Path | None, junit: Path | None, reporter: ConsoleReporter
) -> int:
    """Run ``go`` and report what it gives; the exit code. What it hands to its argument is reported too, when it then
    raises: a run that was cut short keeps what was done."""
    kept: list[RunResult] = []
    try:
        result = go(kept.append)
    except BaseException:
        reporter.close()
        if kept:
            _report(kept[-1], folder, json, junit, reporter)
        else:
            remove_empty(folder)
        raise
    return _report(result, folder, json, junit, reporter)


def can_be_written(option: str, path: Path | None) -> None:
    """Raise `UsageError` now when a file that is written at the end could not be."""
    if path is None:
        return
    if path.is_dir():
        raise UsageError(f"{option}: {path} is a folder: name a file")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"{option}: there is no folder {path.absolute().parent}")


def remove_empty(folder: Path) -> None:
    """Nothing was started, or nothing came of it: leave no folder."""
    if not any(folder.rglob("*.schedule")) and not any(folder.glob("*.json")):
        shutil.rmtree(folder, ignore_errors=True)


def tried(*writes: Callable[[], object]) -> str:
    """Do each of them, whatever becomes of the others; what failed, in one line ("": nothing)."""
    from harness.db import one_line

    failed = []
    for write in writes:
        try:
            write()
        except (HarnessError, OSError) as error:
            failed.append(one_line(str(error)))
    return "; ".join(failed)


def write_pages(result: RunResult, folder: Path) -> None:
    """What people and programs read of a run, in its folder. Raises `SaveError`."""
    from harness.report.pictures import drawn_beside, picture_names
    from harness.report.write import write_report

    with drawn_beside(result, folder):
        write_report(result, folder, picture_names(result))


def _report(result: RunResult, folder: Path, json: Path | None, junit: Path | None, reporter: ConsoleReporter) -> int:
    from harness.model import EXIT_CODES
    from harness.report.cases import print_cases
    from harness.report.fault_table import print_faults
    from harness.report.folder import latest, publish
    from harness.report.github import print_annotations
    from harness.report.level_table import print_levels
    from harness.report.write import INDEX

    result, written = _saved(result, folder, json, junit)
    page: Path | None = None
    if written:
        tried(lambda: publish(folder))  # without it the report is there all the same, if not by the name `latest`
        page = latest(folder / INDEX)
    reporter.close()
    print_faults(result)
    print_levels(result)
    print_cases(result)
    print_annotations(result, os.environ)
    reporter.run_done(result, page)
    return EXIT_CODES[result.verdict]


def _saved(result: RunResult, folder: Path, json: Path | None, junit: Path | None) -> tuple[RunResult, bool]:
    """Write it wherever it is to go; where that fails the verdict is "error", and what can be written says so. Gives
    the result as it was written, and whether the report's folder is whole."""
    from harness.model import Verdict
    from harness.report.github import append_summary
    from harness.report.junit import write_junit
    from harness.report.results import write_results
    from harness.report.saved import write_run
    from harness.report.write import INDEX, RESULTS

    def everywhere(result: RunResult) -> str:
        return tried(
            lambda: write_run(result, folder),  # with it the rest can be made again
            lambda: write_pages(result, folder),
            *([lambda: write_results(result, json)] if json is not None else []),
            *([lambda: write_junit(result, junit)] if junit is not None else []),
        )

    def failing(result: RunResult, failed: str) -> RunResult:
        trouble = "; ".join(filter(None, (result.trouble, failed)))
        return replace(result, verdict=Verdict.ERROR, trouble=trouble) if failed else result

    failed = everywhere(result)
    result = failing(result, failed)
    # It is appended to, so once only, when it is known what became of the others.
    unsaid = tried(lambda: append_summary(result, os.environ))
    result = failing(result, unsaid)
    if failed or unsaid:
        everywhere(result)
        # The page may be what did not fit: the figures are small.
        tried(lambda: write_results(result, folder / RESULTS))
    return result, (folder / INDEX).is_file()
