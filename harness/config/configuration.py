"""A configuration in force. Importing this loads nothing heavy."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """``file``: which it was read from, as a person in the working directory names it; "": none. ``shared``: key →
    value for every command that has the option; ``tables``: command → key → value for that command alone. Paths are
    relative to the working directory. ``error``: of a key's value, with its place in the file."""

    file: str = ""
    shared: Mapping[str, Any] = field(default_factory=dict)
    tables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    error: Callable[[tuple[str | int, ...], str], UsageError] = field(default=lambda _, what: UsageError(what))

    @property
    def scenarios(self) -> tuple[str, ...]:
        """Folders and files of scenarios."""
        return tuple(self.shared.get("scenarios", ()))

    def wrong(self, command: str, key: str, message: str) -> UsageError:
        """An error about what ``command`` was given for ``key``, at its place in the file."""
        return self.error((command, key) if key in self.tables.get(command, {}) else (key,), f"{key!r}: {message}")

    def other_major(self, version: str) -> str:
        """What is to be said of a server of ``version`` where another major one is expected; "": nothing."""
        expected, here = self.shared.get("server_major"), re.match(r"\d+", version)  # of 18.6, 18beta1, 15.8 (Debian …)
        if expected is None or (here is not None and int(here[0]) == expected):
            return ""
        return f"this is PostgreSQL {version.split()[0]}, and {self.file} expects {expected}: there it may go otherwise"


NOTHING = Configuration()
"""Where there is no file."""
