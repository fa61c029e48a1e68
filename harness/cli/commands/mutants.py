"""`harness mutants`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.app import app
from harness.cli.configured import configured, given, say_which
from harness.cli.options import (
    Budget,
    Call,
    CallAs,
    Invariant,
    Out,
    PgBin,
    Role,
    Seed,
    Setup,
    Target,
    Workers,
    one_of,
    request_of,
)
from harness.cli.reporting import can_be_written, remove_empty
from harness.errors import UsageError


@app.command(short_help="Break functions in every known way: is it found?")
def mutants(
    context: typer.Context,
    mutant: Annotated[
        list[str] | None, typer.Argument(metavar="MUTANT", help="files, folders or names; default: all shipped")
    ] = None,
    sql: Annotated[
        list[str] | None, typer.Option(metavar="FILE|DIR", help="break the functions in your own SQL instead")
    ] = None,
    call: Call = None,
    call_as: CallAs = None,
    setup: Setup = None,
    role: Role = None,
    workers: Workers = None,
    invariant: Invariant = None,
    target: Target = "embedded",
    pg_bin: PgBin = None,
    strategy: Annotated[list[str] | None, typer.Option(metavar="NAME|all", help="repeatable")] = None,
    seeds: Annotated[int, typer.Option(metavar="N", min=1, help="so many seeds, from --seed on")] = 1,
    schedules: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="executions per mutant and strategy, at most")
    ] = None,
    budget: Budget = None,
    seed: Seed = 0,
    jobs: Annotated[str, typer.Option(metavar="N|auto", help="mutants at a time; auto: one per processor")] = "auto",
    out: Out = Path("reports"),
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="also write mutants.json here")] = None,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="only survivors")] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="also what each mutant is")] = False,
) -> int:
    """Break the shipped functions, or with --sql your own, in every known way: does the suite find it?"""
    from harness.cli.mutants import Asked, score_own, score_shipped
    from harness.mutants.run import STRATEGIES
    from harness.report.folder import new_run_folder
    from harness.run import default_jobs

    can_be_written("--json", json)
    chosen = STRATEGIES if strategy == ["all"] else tuple(strategy or ())
    for name in chosen:
        one_of("--strategy", name, STRATEGIES)
    asked = Asked(
        target=target, pg_bin=pg_bin, strategies=chosen, seed=seed, seeds=seeds, schedules=schedules, budget=budget,
        jobs=default_jobs(jobs), json=json, quiet=quiet, verbose=verbose,
    )  # fmt: skip
    say_which(configured(context), verbose=verbose)
    if mutant or not (call or call_as):  # what a file says of one's own SQL is for a run that is about it
        sql = sql if given(context, "sql") else None
        role = role if given(context, "role") else None
        workers = workers if given(context, "workers") else None
    if not sql and any((call, call_as, setup, role, workers, invariant)):
        raise UsageError("--call, --setup, --role, --workers and --invariant go with --sql")
    if sql and mutant:
        raise UsageError(f"{mutant[0]}: mutant files and --sql are two different runs")
    request = request_of(sql, call, call_as, setup, role, workers, invariant) if sql else None
    folder = new_run_folder(out)
    try:
        if request is not None:
            return score_own(request, asked, folder)
        return score_shipped(mutant or [], asked, folder)
    except BaseException:
        remove_empty(folder)
        raise
