"""The pictures of a run that belong to a scenario as a whole; those of counterexamples are `harness.report.png`'s.

A run of many scenarios would have to wait for them at its end. So a process beside draws them while the page is
written. It imports nobody's main module, unlike those of a pool.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from harness.errors import SaveError
from harness.files import write_atomically
from harness.model import RunResult, ScenarioResult
from harness.report.coverage_png import coverage_picture
from harness.report.fault_png import fault_picture
from harness.report.text import one_line
from harness.report.write import stems

_WORK = {"coverage": 1, "faults": 6}
"""What a picture of each kind takes, in twentieths of a second."""
_LITTLE = 12
"""So much is done sooner than another process has loaded what it needs."""
_LONGEST_S = 300
"""For a process that hangs: pictures take seconds."""
_START = """
import sys
folder, sys.path[:] = sys.argv[1], sys.argv[2:]
from harness.report.pictures import draw_for_parent
draw_for_parent(folder)
"""
"""The modules that we have found, and none that happens to lie in the folder where somebody works."""


class Drawn(Protocol):
    """A picture, however it is made."""

    def png(self) -> bytes: ...


@contextmanager
def drawn_beside(run: RunResult, folder: Path) -> Iterator[None]:
    """While the body runs, the pictures of ``run`` are drawn into ``folder``, as `write_pictures` does; at its end they
    are there. Raises `SaveError` when they could not be written."""
    if sum(_WORK[kind] for result in run.scenarios for kind in _kinds(result)) <= _LITTLE:
        yield
        write_pictures(run, folder)
        return
    # What no picture needs is long: histories.
    light = replace(run, scenarios=tuple(replace(s, counterexamples=(), passing=None) for s in run.scenarios))
    command = [sys.executable, "-c", _START, str(folder), *sys.path]
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as said:
        pickle.dump(light, given)
        given.seek(0)
        beside = subprocess.Popen(
            command,
            stdin=given,
            stdout=subprocess.DEVNULL,
            stderr=said,
            start_new_session=True,  # Ctrl-C is for us alone: we end it
        )
        try:
            yield
            code = beside.wait(_LONGEST_S)
        except subprocess.TimeoutExpired:
            raise SaveError(f"cannot draw the pictures of {folder}: nothing came in {_LONGEST_S} s") from None
        finally:
            beside.kill()  # of one that has ended nothing is left to kill
            beside.wait()
        if code:
            said.seek(0)
            last = said.read().decode(errors="replace").strip().rpartition("\n")[2]
            raise SaveError(f"cannot draw the pictures of {folder}: {one_line(last, 200) or f'exit code {code}'}")


def draw_for_parent(folder: str) -> None:
    """`write_pictures` of the run that standard input holds, as long as the process that wants them lives."""
    parent = os.getppid()
    write_pictures(pickle.load(sys.stdin.buffer), Path(folder), wanted=lambda: os.getppid() == parent)


def write_pictures(run: RunResult, folder: Path, *, wanted: Callable[[], bool] = lambda: True) -> None:
    """``NAME-faults.png`` of every scenario with a fault matrix, ``NAME-coverage.png`` of every one in which points
    inside functions were searched. What has nothing to show has no file. Ends early once they are not ``wanted``."""
    for result, stem in zip(run.scenarios, stems([r.name for r in run.scenarios]), strict=True):
        for kind, picture in _pictures(result):
            if not wanted():
                return
            write_atomically(folder / f"{stem}-{kind}.png", picture.png())


def picture_names(run: RunResult) -> list[list[tuple[str, str]]]:
    """Of each scenario, what `write_pictures` draws of it: the kind, "coverage" or "faults", and the file's name."""
    return [
        [(kind, f"{stem}-{kind}.png") for kind in _kinds(result)]
        for result, stem in zip(run.scenarios, stems([r.name for r in run.scenarios]), strict=True)
    ]


def _kinds(result: ScenarioResult) -> list[str]:
    """Which pictures there are, as `_pictures` finds without laying them out."""
    there = {
        "coverage": result.covered is not None and bool(result.covered.before),
        "faults": result.faults is not None and bool(result.faults.cells),
    }
    return [kind for kind, is_there in there.items() if is_there]


def _pictures(result: ScenarioResult) -> Iterator[tuple[str, Drawn]]:
    if (covered := coverage_picture(result)) is not None:
        yield "coverage", covered
    if result.faults is not None and (struck := fault_picture(result.faults, result.name)) is not None:
        yield "faults", struck
