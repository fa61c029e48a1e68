"""What `harness mutants` does, behind its options: wiring only."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.reporting import tried
from harness.errors import SaveError, UsageError
from harness.mutation import BASELINES, PLAIN

if TYPE_CHECKING:
    from harness.adhoc.options import Request
    from harness.fates import Judged
    from harness.model import ScenarioResult
    from harness.report.counted import Counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The options that both kinds of mutants have."""

    target: str
    pg_bin: Path | None
    strategies: Sequence[str]
    seed: int
    seeds: int
    schedules: int | None
    budget: float | None
    jobs: int
    json: Path | None
    quiet: bool
    verbose: bool


def score_shipped(names: Sequence[str], asked: Asked, folder: Path) -> int:
    """Run mutant files against the suite; the exit code."""
    from harness.mutants.files import load_mutants
    from harness.mutants.run import run_mutants
    from harness.mutants.trial import Limits
    from harness.report.canvas import write_picture
    from harness.report.folder import latest, publish
    from harness.report.mutants import MutationConsole
    from harness.report.mutants_json import FILE, write_mutants
    from harness.report.mutants_png import FILE as PICTURE
    from harness.report.mutants_png import mutants_picture
    from harness.targets import open_target

    mutants = load_mutants(names)
    deadline = None if asked.budget is None else time.monotonic() + asked.budget
    console = MutationConsole(quiet=asked.quiet, verbose=asked.verbose)
    with closing(console), open_target(asked.target, pg_bin=asked.pg_bin) as server:
        run = run_mutants(
            mutants, server, console, strategies=asked.strategies, seed=asked.seed, seeds=asked.seeds,
            jobs=asked.jobs, folder=folder, limits=Limits(schedules=asked.schedules, deadline=deadline),
        )  # fmt: skip
    files = [folder / FILE, *([asked.json] if asked.json is not None else [])]
    failed = tried(
        *(partial(write_mutants, run, file) for file in files),
        lambda: write_picture(mutants_picture(run), folder / PICTURE),
        lambda: publish(folder),
    )
    console.run_done(run, latest(folder))
    if failed:
        raise SaveError(failed)
    return run.exit_code


def score_own(request: Request, asked: Asked, folder: Path) -> int:
    """Break somebody's functions in all small ways, and see which of them their checks notice; the exit code."""
    from harness.adhoc.check import check_on
    from harness.campaign import Options
    from harness.files import write_atomically
    from harness.model import EXIT_CODES
    from harness.mutants.generic import run_generic
    from harness.report.console import plain_console
    from harness.report.counted import Counted
    from harness.report.folder import publish
    from harness.report.mutants_generic import generic_json, generic_text
    from harness.report.mutants_json import FILE
    from harness.run import with_budget
    from harness.scenario import load_scenario
    from harness.targets import open_target
    from harness.targets.databases import Databases

    if len(asked.strategies) > 1 or asked.seeds != 1:
        raise UsageError("--sql: the mutants of your own functions are searched once, by one --strategy and one seed")
    if {*asked.strategies} & {*BASELINES, PLAIN}:
        raise UsageError(f"--strategy {asked.strategies[0]}: is for shipped mutants; yours need a search")
    strategy = next(iter(asked.strategies), None)
    console = plain_console()
    options = with_budget(Options(seed=asked.seed, strategy=strategy, schedules=asked.schedules), asked.budget)
    with open_target(asked.target, pg_bin=asked.pg_bin) as server:
        with Databases(server, keeps=True) as databases:
            ready = check_on(server, request, databases, file=None, folder=folder)
        scenario = replace(ready.scenario, text_hash=load_scenario(Path(ready.scenario.file)).text_hash)
        if not asked.quiet:
            console.print(f"PostgreSQL {server.server_version} ({server.description}) · {ready.head}", soft_wrap=True)
        for notice in ready.notices:
            console.print(notice, soft_wrap=True)
        counted = Counted(console, "mutant", "survivor")
        with closing(_Judged(counted)) as progress:
            result = run_generic(scenario, server, options, jobs=asked.jobs, progress=None if asked.quiet else progress)
    text = json.dumps(generic_json(result), ensure_ascii=False, indent=2) + "\n"
    content = text.encode("utf-8", "backslashreplace")
    files = [folder / FILE, *([asked.json] if asked.json is not None else [])]
    failed = tried(*(partial(write_atomically, file, content) for file in files), lambda: publish(folder))
    console.print(generic_text(result, console.width, verbose=asked.verbose), soft_wrap=True)
    if failed:
        raise SaveError(failed)
    return EXIT_CODES[result.verdict]


class _Judged:
    """Counts the mutants that are judged."""

    def __init__(self, counted: Counted) -> None:
        self._counted = counted

    def original_done(self, result: ScenarioResult, mutants: int) -> None:  # noqa: ARG002
        self._counted.begin(mutants)

    def mutant_done(self, judged: Judged) -> None:
        self._counted.count(red=judged.fate == "survived")

    def close(self) -> None:
        self._counted.close()
