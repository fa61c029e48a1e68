"""`harness check`."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.app import app
from harness.cli.clustering import on_cluster, refuse_elsewhere
from harness.cli.configured import configured, say_which, warn_of_major
from harness.cli.options import (
    Budget,
    Call,
    CallAs,
    Cluster,
    Invariant,
    Out,
    PgBin,
    Quiet,
    Role,
    Seed,
    Setup,
    Target,
    Verbose,
    Workers,
    one_of,
    request_of,
)
from harness.cli.reporting import Keep, can_be_written, remove_empty, reported

if TYPE_CHECKING:
    from harness.adhoc.options import Request
    from harness.cli.hashed import States
    from harness.model import RunResult


@app.command(short_help="Check any function, without a scenario file")
def check(
    context: typer.Context,
    sql: Annotated[list[str], typer.Option(metavar="FILE|DIR", help="SQL to install, in order")],
    call: Call = None,
    call_as: CallAs = None,
    setup: Setup = None,
    role: Role = None,
    workers: Workers = None,
    invariant: Invariant = None,
    save: Annotated[Path | None, typer.Option(metavar="FILE", help="write it as a scenario file")] = None,
    target: Target = "embedded",
    pg_bin: PgBin = None,
    strategy: Annotated[str | None, typer.Option(metavar="NAME", help="of the search, auto by default")] = None,
    schedules: Annotated[int | None, typer.Option(metavar="N", min=1, help="executions, at most")] = None,
    budget: Budget = None,
    seed: Seed = 0,
    jobs: Annotated[
        str, typer.Option(metavar="N|auto", help="shards, where the search is long; auto: one per processor")
    ] = "auto",
    cluster: Cluster = None,
    out: Out = Path("reports"),
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="also write results.json here")] = None,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="also write JUnit XML here")] = None,
    require: Annotated[
        str | None, typer.Option(metavar="exhausted", help="exit 3 unless the search was exhausted")
    ] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Check any function: SQL to install, calls to make at the same time, no scenario file."""
    from harness.cli.meanwhile import fork_nurseries, load_beside, load_model, started

    one_of("--require", require, ("exhausted",))
    refuse_elsewhere(cluster, target, pg_bin)
    can_be_written("--json", json)
    can_be_written("--junit", junit)
    found = configured(context)
    say_which(found, verbose=verbose)
    asked: list[Request] = []
    as_read: States = {}

    def read() -> None:
        from harness.cli.hashed import files_of, states

        asked.append(request_of(sql, call, call_as, setup, role, workers, invariant))
        as_read.update(states(files_of(asked[0])))

    def load() -> None:
        import harness.adhoc.check
        import harness.report.folder
        import harness.targets.databases  # noqa: F401
        from harness.strategies.free_running import FreeRunning
        from harness.strategies.registry import NAMES

        one_of("--strategy", strategy, (*NAMES, FreeRunning.name))

    with started(target, pg_bin, load_model, partial(fork_nurseries, 1), read, load) as held:
        from harness.adhoc.check import check_on
        from harness.cli.hashed import TextHash
        from harness.report.folder import new_run_folder
        from harness.targets.databases import Databases

        begun, server = monotonic(), held.server
        warnings = warn_of_major(found, server.server_version)
        folder = new_run_folder(out)
        try:
            load_beside("harness.run", "harness.adhoc.announce", "harness.report.terminal")  # while it is tried out
            with Databases(server, keeps=True) as databases:
                ready = check_on(server, asked[0], databases, file=save, folder=folder)
            scenario = replace(ready.scenario, text_hash=TextHash(Path(ready.scenario.file), asked[0], as_read))
            from harness.adhoc.announce import Announced
            from harness.campaign import Options
            from harness.report.console import plain_console
            from harness.report.terminal import ConsoleReporter
            from harness.run import default_jobs, run_scenarios, with_budget

            count = default_jobs(jobs)
        except BaseException:
            remove_empty(folder)
            raise
        options = Options(
            seed=seed, strategy=strategy, schedules=schedules, require_exhausted=require is not None, folder=folder
        )
        reporter = ConsoleReporter(quiet=quiet, verbose=verbose, budget=budget)
        announced = Announced(reporter, ready, plain_console().print, quiet=quiet)

        def go(keep: Keep) -> RunResult:
            within = with_budget(options, None if budget is None else budget - (monotonic() - begun))
            try:
                with on_cluster(within, cluster, server, count) as within:
                    return run_scenarios(
                        [scenario], server, within, announced, jobs=count, keep=keep, warnings=warnings
                    )
            finally:
                held.let_go()  # it goes while the report is written

        return reported(go, folder, json, junit, reporter)
