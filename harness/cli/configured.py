"""What a configuration file gives a command in place of its defaults, and whether an option was given beside it."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import typer

from harness.cli.group import HELPS
from harness.config import NOTHING, Configuration, configuration
from harness.config.commands import COMMANDS, defaults
from harness.errors import UsageError


class Later:
    """What is configured, read when a command first asks for an option's default."""

    def __init__(self, command: str, file: Path | None) -> None:
        self._command, self._file = command, file

    @cached_property
    def found(self) -> Configuration:
        """Raises `UsageError`."""
        return configuration(Path.cwd(), self._file)

    @cached_property
    def _defaults(self) -> dict[str, Any]:
        return defaults(self.found, self._command)

    def get(self, name: str, default: Any = None) -> Any:
        """As of a mapping: what stands in the file for the parameter ``name``."""
        return self._defaults.get(name, default)


def configure(context: typer.Context, file: Path | None, *, none: bool) -> None:
    """Give the command of ``context`` what is configured in ``file`` (None: where the working directory's lies; with
    ``none``: nothing) in place of its defaults. Raises `UsageError`."""
    if none and typed(context, "config"):
        raise UsageError("--config and --no-config: give one of them")
    command = context.invoked_subcommand or ""
    if none or context.meta.get(HELPS) or command not in COMMANDS:
        return
    context.obj = Later(command, file)
    context.default_map = {command: context.obj}


def configured(context: typer.Context) -> Configuration:
    """The configuration in force for a command."""
    return context.obj.found if isinstance(context.obj, Later) else NOTHING


def given(context: typer.Context, name: str) -> bool:
    """Whether the person at the keyboard gave the option, or a variable did: then it is no default of a file's."""
    return _source(context, name) in ("COMMANDLINE", "ENVIRONMENT")


def typed(context: typer.Context, name: str) -> bool:
    """Whether the option stands on the command line."""
    return _source(context, name) == "COMMANDLINE"


def _source(context: typer.Context, name: str) -> str:
    source = context.get_parameter_source(name)
    return "" if source is None else source.name


def say_which(found: Configuration, *, verbose: bool) -> None:
    """With `-v`: the file that is in force."""
    if verbose and found.file:
        typer.echo(f"configuration {found.file}")


def warn_of_major(found: Configuration, version: str) -> tuple[str, ...]:
    """What is to be said of a server of ``version``, where the file expects another major one: by now it was said on
    standard error."""
    warning = found.other_major(version)
    if not warning:
        return ()
    typer.echo(f"harness: warning: {warning}", err=True)
    return (warning,)
