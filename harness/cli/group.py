"""Options of the whole program, wherever they stand on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from typer.core import TyperGroup

from harness.cli.plain import take_plainly
from harness.errors import UsageError

HELPS = "harness.help"
"""Key of a context's ``meta``: somebody asks for help, so that nothing is to be read."""
CONFIG, NO_CONFIG = "--config", "--no-config"


class Group(TyperGroup):
    """``harness run --config FILE`` is ``harness --config FILE run``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        from harness.adhoc.arguments import join_call_as

        ctx.meta[HELPS] = "--help" in args
        ours, others = apart(args)
        take_plainly(self.get_params(ctx))
        return super().parse_args(ctx, [*ours, *join_call_as(others)])

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            take_plainly(command.get_params(ctx))
        return command


def apart(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """The program's own options, and the command with all others. Raises `UsageError`."""
    ours: list[str] = []
    others: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            others += [argument, *rest]
        elif argument == CONFIG:
            value = next(rest, None)
            if value is None:
                raise UsageError(f"{CONFIG} takes a file")
            ours += [argument, value]
        elif argument == NO_CONFIG or argument.startswith(f"{CONFIG}="):
            ours.append(argument)
        else:
            others.append(argument)
    return ours, others
