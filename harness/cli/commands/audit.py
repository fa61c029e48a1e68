"""`harness audit`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.app import app
from harness.cli.configured import configured, say_which
from harness.cli.options import Out
from harness.cli.reporting import can_be_written


@app.command(short_help="Read-only checks of a live ledger")
def audit(
    context: typer.Context,
    target: Annotated[
        str, typer.Option(metavar="SERVER", help="postgresql://… or env:NAME (a variable that holds a DSN)")
    ],
    map_: Annotated[
        Path | None, typer.Option("--map", metavar="FILE", help="YAML with the names of your tables and columns")
    ] = None,
    since: Annotated[str, typer.Option(metavar="12h|1d|2w", help="how far back the monitoring queries look")] = "1d",
    timeout: Annotated[float, typer.Option(metavar="SECONDS", min=0.001, help="that a query may take")] = 60.0,
    stuck_after: Annotated[
        int, typer.Option(metavar="MINUTES", min=1, help="in processing after which a job is stuck")
    ] = 60,
    limit: Annotated[
        int, typer.Option(metavar="N", min=1, max=10_000, help="rows kept per check; all are counted")
    ] = 50,
    show_ids: Annotated[bool, typer.Option("--show-ids", help="user ids as they are, in place of hashes")] = False,
    out: Out = Path("reports"),
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="also write audit.json here")] = None,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="only what is not as it should be")] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="also all rows that are kept")] = False,
) -> int:
    """Read-only checks of a live ledger: is the money right, and are the functions deployed as they should be?"""
    from harness.cli.audit import Asked, run_audit

    can_be_written("--json", json)
    say_which(configured(context), verbose=verbose)
    return run_audit(
        Asked(
            target=target, mapping=map_, since=since, timeout=timeout, stuck_after=stuck_after, limit=limit,
            show_ids=show_ids, out=out, json=json, quiet=quiet, verbose=verbose,
        )
    )  # fmt: skip
