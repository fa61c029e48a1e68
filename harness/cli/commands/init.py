"""`harness init`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.app import app
from harness.cli.options import PgBin


@app.command(short_help="Propose scenarios for the functions in your SQL")
def init(
    context: typer.Context,
    path: Annotated[
        list[str] | None, typer.Argument(metavar="PATH", help="SQL files and folders (migrations, a dump), in order")
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(metavar="DSN", help="instead: the schema of this database, which is only read (with --schema)"),
    ] = None,
    schema: Annotated[list[str] | None, typer.Option(metavar="NAME", help="of --target; repeatable")] = None,
    into: Annotated[Path, typer.Option(metavar="DIR", help="folder of the proposals")] = Path("concurrency"),
    force: Annotated[bool, typer.Option("--force", help="write over an earlier proposal")] = False,
    pg_bin: PgBin = None,
) -> int:
    """Propose scenarios for the functions in your SQL: rows to find, calls to make at the same time, what must hold."""
    from harness.cli.configured import configured, typed
    from harness.cli.init import run_init

    if target is not None and not typed(context, "path"):
        path = None  # a file's SQL is not what is asked for
    return run_init(path or [], target, schema or [], into, pg_bin, force=force, in_force=configured(context).file)
