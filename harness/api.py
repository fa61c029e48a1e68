"""What other people's tests call: one scenario file, or calls and functions of their own, run and judged.

Importing this loads nothing heavy.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.holds import Asked, Harness, assert_holds, check

if TYPE_CHECKING:
    from harness.model import ScenarioResult
    from harness.programs.invariants import Answer

__all__ = ["Answer", "Asked", "Harness", "assert_holds", "assert_no_violation", "check", "run_scenario"]

_Path = str | os.PathLike[str]


def __getattr__(name: str) -> Any:
    if name == "Answer":  # the room that it lives in is no light one
        from harness.programs.invariants import Answer

        return Answer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def run_scenario(path: _Path, *, target: str = "embedded", seed: int = 0, out: _Path | None = None) -> ScenarioResult:
    """The result of the scenario in ``path``, on a server that is started (``embedded``) or named (``postgresql://…``,
    ``env:NAME``) by ``target``, and left when it is done.

    ``out``: a folder in which counterexamples are saved, in a new folder of their own; None: they are not, and cannot
    be replayed. Raises `UsageError` when the file or its SQL is wrong, `TargetError` when there is no server; that an
    execution failed for another reason is the result's verdict "error".
    """
    from harness.campaign import Options
    from harness.report.folder import discard_unless_saved, new_run_folder
    from harness.run import SilentReporter, run_scenarios
    from harness.scenario import load_scenario
    from harness.targets import open_target

    scenario = load_scenario(_from_here(Path(path)))
    folder = new_run_folder(Path(out)) if out is not None else None
    try:
        with open_target(target) as server:
            run = run_scenarios([scenario], server, Options(seed=seed, folder=folder), SilentReporter(), jobs=1)
    finally:
        if folder is not None:
            discard_unless_saved(folder)
    return run.scenarios[0]


def assert_no_violation(path: _Path, *, target: str = "embedded", seed: int = 0, out: _Path | None = "reports") -> None:
    """Raise `AssertionError`, with the timeline and the replay command, unless the scenario in ``path`` passes.

    "Nothing was shown" (inconclusive) is no pass. Arguments and other errors as in `run_scenario`.
    """
    __tracebackhide__ = True
    from harness.model import Verdict
    from harness.report.explained import explained

    result = run_scenario(path, target=target, seed=seed, out=out)
    if result.verdict is not Verdict.PASS:
        raise AssertionError(explained(result))


def _from_here(path: Path) -> Path:
    """As a person here would name it: saved schedules name their scenario so."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
