"""Isolation levels by name, in a scenario file or on the command line."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from harness.model import LEVELS, Json
from harness.scenario.named import ALL, names_in
from harness.scenario.schema import nearest
from harness.scenario.yamltext import Document, Path_

WHERE = "isolation"

Documented = Mapping[str, tuple[str, ...] | None]


def every_level(names: Iterable[str]) -> tuple[str, ...]:
    """The levels that known ``names`` name, each once, from the weakest."""
    named = set(names)
    return tuple(name for name in LEVELS if ALL in named or name in named)


def parse_levels(text: str) -> tuple[str, ...]:
    """``read_committed,serializable`` or ``all``. Raises `UsageError` for a name that is none."""
    return every_level(names_in("--isolation", text, [*LEVELS]))


def read_levels(document: Document, given: Json, checks: Collection[str]) -> Documented:
    """The key ``isolation`` of a file: a list of levels, or levels and what is documented of each. ``checks``: all that
    there are. Raises `ScenarioError`."""
    if isinstance(given, list):
        for i, name in enumerate(given):
            _check_name(document, (WHERE, i), name, [*LEVELS, ALL])
        return dict.fromkeys(every_level(given))
    if isinstance(given, dict):
        for name in given:
            _check_name(document, (WHERE, name), name, list(LEVELS))
        return {name: _documented(document, (WHERE, name), given[name], checks) for name in LEVELS if name in given}
    raise document.error((WHERE,), f"'isolation' is a list of levels, or a mapping of them: {', '.join(LEVELS)}")


def _check_name(document: Document, where: Path_, name: Any, known: list[str]) -> None:
    if name not in known:
        raise document.error(where, f"unknown isolation level {name!r}{nearest(str(name), known)}")


def _documented(document: Document, where: Path_, given: Json, checks: Collection[str]) -> tuple[str, ...]:
    """``pass``: nothing may be violated; ``{violation: …}``: these checks must be."""
    if given == "pass":
        return ()
    named = given.get("violation") if isinstance(given, dict) and list(given) == ["violation"] else None
    names = [named] if isinstance(named, str) else named
    if not isinstance(names, list) or not names:
        raise document.error(where, "a level is `pass`, or `{violation: …}` with a check or a list of checks")
    for i, name in enumerate(names):
        if name not in checks:
            place = (*where, "violation", i) if isinstance(named, list) else (*where, "violation")
            raise document.error(place, f"unknown check {name!r}{nearest(str(name), sorted(checks))}")
    return tuple(dict.fromkeys(names))
