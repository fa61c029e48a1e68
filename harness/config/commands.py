"""Which command takes what of a configuration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.config.configuration import Configuration

SEARCHES = ("run", "check")
EXECUTES = ("run", "check", "mutants", "replay", "soak", "spec")

USED_BY: Mapping[str, tuple[str, ...]] = {
    "scenarios": ("run", "list"),
    "sql": ("check", "mutants", "init"),
    "target": EXECUTES,
    "pg-bin": (*EXECUTES, "doctor", "init"),
    "out": ("run", "check", "mutants", "soak", "audit", "report"),
    "seed": ("run", "check", "mutants", "soak"),
    "role": ("check", "mutants"),
    "server_major": SEARCHES,
    "jobs": (*SEARCHES, "mutants"),
    "cluster": SEARCHES,
    "budget": (*SEARCHES, "mutants"),
    "strategy": SEARCHES,
    "schedules": SEARCHES,
    "require": SEARCHES,
}
"""Key at the top of the file → the commands that it holds for."""
COMMANDS = frozenset(command for commands in USED_BY.values() for command in commands)

_PARAMETERS = {"scenarios": "scenario", "map": "map_"}
"""Keys that our functions call otherwise."""


def defaults(found: Configuration, command: str) -> dict[str, Any]:
    """What stands in ``found`` for ``command``, by the names of our functions' parameters. Raises `UsageError` for a
    file or folder that is not there."""
    values: dict[str, Any] = {}
    for table, given in (((), found.shared), ((command,), found.tables.get(command, {}))):
        for key, value in given.items():
            if key != "server_major" and (table or command in USED_BY[key]):  # which is no option
                _look(found, (*table, key), value)
                values[parameter(command, key)] = _as_option(key, value)
    return values


def parameter(command: str, key: str) -> str:
    """What our function for ``command`` calls ``key``."""
    if command == "report" and key == "out":
        return "folder"  # of the run to make a report of, not of a new one
    if command == "init" and key == "sql":
        return "path"
    return _PARAMETERS.get(key, key.replace("-", "_"))


def _look(found: Configuration, path: tuple[str, ...], value: Any) -> None:
    match path[-1]:
        case "scenarios" | "sql":
            for i, entry in enumerate(value):
                if not Path(entry).exists():
                    raise found.error((*path, i), f"{path[-1]!r}: there is no file or folder {entry}")
        case "map" if not Path(value).is_file():
            raise found.error(path, f"'map': there is no file {value}")


def _as_option(key: str, value: Any) -> Any:
    return ",".join(value) or "none" if key in ("faults", "isolation") else value
