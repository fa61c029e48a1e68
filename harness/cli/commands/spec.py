"""`harness spec`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.app import app
from harness.cli.options import PgBin, Target


@app.command(short_help="Run specs of PostgreSQL's isolationtester")
def spec(
    file: Annotated[list[Path], typer.Argument(metavar="FILE", help="of isolationtester, or folders of them")],
    expected: Annotated[
        Path | None, typer.Option(metavar="FILE|DIR", help="expected outputs (NAME.out): compare, print what differs")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="write each output there instead, as NAME.out")
    ] = None,
    target: Target = "embedded",
    pg_bin: PgBin = None,
) -> int:
    """Run specs of PostgreSQL's isolationtester, and print what that prints."""
    from harness.cli.spec import Asked, run_specs

    return run_specs(Asked(files=file, expected=expected, out=out, target=target, pg_bin=pg_bin))
