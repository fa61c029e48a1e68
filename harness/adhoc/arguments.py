"""The one option that the library for options cannot take: repeatable, with two values."""

from __future__ import annotations

from collections.abc import Sequence

CALL_AS = "--call-as"
BETWEEN = "\0"
"""Between the role and the SQL of a joined `--call-as`: no argument of a program can hold it."""


def join_call_as(arguments: Sequence[str]) -> list[str]:
    """A command line in which every ``--call-as ROLE SQL`` is one ``--call``, so that calls keep their order.

    What lacks a value stays as it is.
    """
    if arguments[:1] not in (["check"], ["mutants"]):
        return list(arguments)
    joined: list[str] = []
    rest = iter(range(len(arguments)))
    for i in rest:
        argument = arguments[i]
        role, here = (argument.removeprefix(f"{CALL_AS}="), 0) if argument.startswith(f"{CALL_AS}=") else ("", 1)
        if (argument != CALL_AS and here) or i + here + 1 >= len(arguments):
            joined.append(argument)
            continue
        role = role or arguments[i + 1]
        joined += ["--call", f"{role}{BETWEEN}{arguments[i + here + 1]}"]
        for _ in range(here + 1):
            next(rest)
    return joined
