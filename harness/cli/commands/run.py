"""`harness run`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.app import app
from harness.cli.clustering import on_cluster, refuse_elsewhere
from harness.cli.configured import configured, say_which, warn_of_major
from harness.cli.options import Budget, Cluster, Out, PgBin, Quiet, Seed, Target, Verbose, one_of
from harness.cli.reporting import Keep, can_be_written, reported

if TYPE_CHECKING:
    from harness.model import RunResult


@app.command(short_help="Run scenarios and report what they show")
def run(
    context: typer.Context,
    scenario: Annotated[
        list[str] | None, typer.Argument(metavar="SCENARIO", help="files, folders or names; default: scenarios/")
    ] = None,
    target: Target = "embedded",
    pg_bin: PgBin = None,
    strategy: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="for searches: auto, exhaustive, preemption_bounded, pct, random_walk, draw, free_running",
        ),
    ] = None,
    schedules: Annotated[int | None, typer.Option(metavar="N", min=1, help="executions per search, at most")] = None,
    budget: Budget = None,
    seed: Seed = 0,
    jobs: Annotated[
        str,
        typer.Option(metavar="N|auto", help="campaigns at a time, and shards of a long one; auto: per processor"),
    ] = "auto",
    cluster: Cluster = None,
    out: Out = Path("reports"),
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="also write results.json here")] = None,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="also write JUnit XML here")] = None,
    require: Annotated[
        str | None, typer.Option(metavar="exhausted", help="exit 3 unless every search was exhausted")
    ] = None,
    faults: Annotated[
        str | None,
        typer.Option(
            metavar="KIND,…|all",
            help="at every point of every worker, each followed by a retry: crash, run_on, terminate, cancel, reset, "
            "lost_answer, sigterm, idle_timeout, statement_timeout, lock_timeout, lost_request, torn_request, "
            "lost_ack, black_hole; not among all, on the embedded server alone: "
            "backend_crash, server_crash",
        ),
    ] = None,
    isolation: Annotated[
        str | None,
        typer.Option(metavar="LEVEL,…|all", help="also at other levels: read_committed, repeatable_read, serializable"),
    ] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Run scenarios: every interleaving they name, checked, with a report."""
    from harness.cli.meanwhile import fork_nurseries, load_beside, load_model, started
    from harness.scenario.faults import parse_faults
    from harness.scenario.find import find_scenarios, load_all
    from harness.scenario.levels import parse_levels

    one_of("--require", require, ("exhausted",))
    refuse_elsewhere(cluster, target, pg_bin)
    can_be_written("--json", json)
    can_be_written("--junit", junit)
    found = configured(context)
    say_which(found, verbose=verbose)
    # Before the server is started: for files that say nothing that can be run there is to be none.
    struck = parse_faults(faults) if faults is not None else ()
    at_levels = parse_levels(isolation) if isolation is not None else ()
    scenarios = load_all(find_scenarios(scenario or [], found.scenarios))

    def load() -> None:
        import harness.report.terminal
        import harness.run  # noqa: F401
        from harness.campaign import STRATEGIES

        one_of("--strategy", strategy, STRATEGIES)

    with started(target, pg_bin, load_model, partial(fork_nurseries, 1), load) as held:
        from harness.campaign import Options
        from harness.report.folder import new_run_folder
        from harness.report.terminal import ConsoleReporter
        from harness.run import default_jobs, run_scenarios, with_budget

        server = held.server
        count = default_jobs(jobs)
        folder = new_run_folder(out)
        options = Options(
            seed=seed, strategy=strategy, schedules=schedules, require_exhausted=require is not None, folder=folder,
            faults=struck, levels=at_levels,
        )  # fmt: skip
        reporter = ConsoleReporter(quiet=quiet, verbose=verbose, budget=budget)

        def go(keep: Keep) -> RunResult:
            load_beside()
            try:
                warnings = warn_of_major(found, server.server_version)
                within = with_budget(options, budget)
                with on_cluster(within, cluster, server, count) as within:
                    return run_scenarios(scenarios, server, within, reporter, jobs=count, keep=keep, warnings=warnings)
            finally:
                held.let_go()  # it goes while the report is written

        return reported(go, folder, json, junit, reporter)
