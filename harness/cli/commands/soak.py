"""`harness soak`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.app import app
from harness.cli.configured import configured, given, say_which
from harness.cli.options import Out, PgBin, Quiet, Seed, Target
from harness.cli.reporting import can_be_written, remove_empty


@app.command(short_help="Load without control: does the ledger hold?")
def soak(
    context: typer.Context,
    seconds: Annotated[
        float | None, typer.Option(metavar="SECONDS", min=0, help="how long; 60 when --operations is not given")
    ] = None,
    operations: Annotated[int | None, typer.Option(metavar="N", min=1, help="end after so many instead")] = None,
    workers: Annotated[int | None, typer.Option(metavar="N", min=1, help="processes; default: 4 per processor")] = None,
    users: Annotated[
        int, typer.Option(metavar="N", min=1, help="accounts; fewer of them wait more for each other")
    ] = 100,
    faults: Annotated[
        str, typer.Option(metavar="KIND,…|none", help="kill, terminate, cancel")
    ] = "kill,terminate,cancel",
    sql: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="to install above the shipped migrations; repeatable")
    ] = None,
    target: Target = "embedded",
    pg_bin: PgBin = None,
    seed: Seed = 0,
    out: Out = Path("reports"),
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="also write soak.json here")] = None,
    quiet: Quiet = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="also errors, and every finding in full")] = False,
) -> int:
    """Load without control, with faults at random: does the ledger hold? Not repeatable, whatever the seed."""
    from harness.cli.soak import Asked, run_soak, soak_options
    from harness.report.folder import new_run_folder

    if given(context, "operations"):
        seconds = seconds if given(context, "seconds") else None
    elif given(context, "seconds"):
        operations = None
    asked = Asked(
        target=target, pg_bin=pg_bin, workers=workers, users=users, seconds=seconds, operations=operations,
        faults=faults, sql=sql or (), seed=seed, json=json, quiet=quiet, verbose=verbose,
    )  # fmt: skip
    can_be_written("--json", json)
    say_which(configured(context), verbose=verbose)
    soak_options(asked)  # a mistake is told before there is a folder
    folder = new_run_folder(out)
    try:
        return run_soak(asked, folder)
    except BaseException:
        remove_empty(folder)
        raise
