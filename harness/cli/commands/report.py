"""`harness report` and `harness explain`: of what a run has saved."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.app import app
from harness.cli.configured import typed
from harness.config import environment
from harness.errors import UsageError


@app.command(short_help="Make a saved run's report again, or compare two")
def report(
    context: typer.Context,
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="DIR", envvar=environment.OUT, help="of a run, or of reports: the last run there; default: reports"
        ),
    ] = None,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option(metavar="OLD NEW", help="folders or results.json files: what turned red from one to the other?"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="a new folder for it, in place of the run's own")
    ] = None,
    json: Annotated[
        Path | None, typer.Option(metavar="FILE", help="also write results.json (with --compare: the comparison) here")
    ] = None,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="also write JUnit XML here")] = None,
) -> int:
    """Make the report of a saved run again, without a server; or compare two runs."""
    from harness.cli.rebuilding import compared, rebuild

    if compare is None:
        return rebuild(folder or Path("reports"), out, json, junit)
    named = folder if typed(context, "folder") else None
    for option, value in (("DIR", named), ("--out", out), ("--junit", junit)):
        if value is not None:
            raise UsageError(f"{option} does not go with --compare: {value}")
    return compared(*compare, json)


@app.command(short_help="Why it came to a saved counterexample")
def explain(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="a saved schedule, or the history beside it")],
) -> int:
    """Explain a saved counterexample: what was violated, the timeline, why. Needs no server."""
    from harness.cli.explain import explain_file

    return explain_file(file)
