"""Databases of one trial, all dropped when it is over: hundreds of mutants would fill the memory disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import psycopg

from harness.db import apply_script
from harness.model import Script
from harness.targets.databases import Databases
from harness.targets.protocol import Target

__all__ = ["OwnDatabases"]

Prepared = TypeVar("Prepared")


class OwnDatabases(Databases):
    """`close` drops every template, also on a server of ours. Clones are for whoever made them to drop.

    ``shared``: has the templates of the original. A template that has the scripts of one of those and then more is
    copied from it.
    """

    def __init__(self, target: Target, shared: Databases, common: Sequence[Script]) -> None:
        super().__init__(target)
        self._own_target, self._shared, self._common = target, shared, tuple(common)
        self._made: list[str] = []

    def template(self, scripts: Sequence[Script], *, roles: Sequence[str] = ()) -> str:
        """As `Databases.template`."""
        own = tuple(scripts)
        shared = len(self._common) if own[: len(self._common)] == self._common else len(own)
        base, more = own[:shared], own[shared:]
        original = self._shared.template(base, roles=roles)
        if not more:
            return original

        def install(connection: psycopg.Connection[Any]) -> None:
            for script in more:
                apply_script(connection, script)

        return self.derived(original, "\0".join(s.text for s in more), install)[0]

    def derived(
        self, template: str, key: str, prepare: Callable[[psycopg.Connection[Any]], Prepared]
    ) -> tuple[str, Prepared]:
        """As `Databases.derived`."""
        found = super().derived(template, key, prepare)
        if found[0] not in self._made:
            self._made.append(found[0])
        return found

    def close(self) -> None:
        """Drop what was made here."""
        for name in reversed(self._made):
            self.drop(name)
        self._made = []
        super().close()
