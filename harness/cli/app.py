"""The application that every command registers with."""

from __future__ import annotations

import typer

app = typer.Typer(
    name="harness",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Concurrency stress-test harness for money-moving PostgreSQL functions.",
    epilog="Exit codes: 0 nothing violated, 1 a violation, 2 bad usage, scenario or SQL, 3 inconclusive, "
    "4 the harness or its environment failed.",
)
