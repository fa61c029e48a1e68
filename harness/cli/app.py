"""The application that every command registers with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness import __version__
from harness.cli.group import Group
from harness.config import environment

app = typer.Typer(
    name="harness",
    cls=Group,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Concurrency stress-test harness for money-moving PostgreSQL functions.",
    epilog="Exit codes: 0 nothing violated, 1 a violation, 2 bad usage, scenario or SQL, 3 inconclusive, "
    "4 the harness or its environment failed.",
)


def _say_version(asked: bool) -> None:
    if asked:
        typer.echo(f"refund-harness {__version__}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            envvar=environment.CONFIG,
            help="defaults of options; else harness.toml or [tool.refund-harness] in pyproject.toml, here or above",
        ),
    ] = None,
    no_config: Annotated[bool, typer.Option("--no-config", help="look for no such file")] = False,
    version: Annotated[  # noqa: ARG001
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="say which this is")
    ] = False,
) -> None:
    from harness.cli.configured import configure

    configure(context, config, none=no_config)
