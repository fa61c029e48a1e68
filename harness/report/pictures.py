"""The pictures of a run that belong to a scenario as a whole; those of counterexamples are `harness.report.png`'s."""

from __future__ import annotations

from pathlib import Path

from harness.files import write_atomically
from harness.model import RunResult
from harness.report.coverage_png import coverage_picture
from harness.report.fault_png import fault_picture
from harness.report.write import stems


def write_pictures(run: RunResult, folder: Path) -> None:
    """``NAME-faults.png`` of every scenario with a fault matrix, ``NAME-coverage.png`` of every one in which points
    inside functions were searched. What has nothing to show has no file."""
    for result, stem in zip(run.scenarios, stems([r.name for r in run.scenarios]), strict=True):
        matrix = result.faults
        for kind, picture in (
            ("coverage", coverage_picture(result)),
            ("faults", fault_picture(matrix, result.name) if matrix is not None else None),
        ):
            if picture is not None:
                write_atomically(folder / f"{stem}-{kind}.png", picture.png())
