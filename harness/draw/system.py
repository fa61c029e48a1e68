"""What cases are drawn for: the SQL that is installed, how an execution begins, what must hold at its end."""

from __future__ import annotations

import io
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from harness.errors import ScenarioError, UsageError
from harness.model import Json, Scenario
from harness.scenario import FIRST_LINE, load_scenario

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_NOBODY = {"nobody": {"statements": ["SELECT 1"]}}


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """As the keys of a scenario file, see docs/scenarios.md. ``install``: SQL files and folders, or names under the
    shipped ``sql/``. ``setup``: SQL, or the macros ``{"charge": {…}}``, ``{"job": {…}}``, ``{"user": {…}}``.
    ``invariants``: name → query that gives rows only when broken; ``ledger``: also those of the refund ledger.
    ``users`` and ``jobs`` are names that SQL may use as variables: ``:'alice'``. ``model``: see docs/checks.md.

    Made by `system` or `harness.draw.refunds.refunds`.
    """

    name: str
    install: tuple[str, ...]
    setup: tuple[str, ...]
    invariants: tuple[tuple[str, str], ...] = ()
    ledger: bool = False
    users: tuple[str, ...] = ()
    jobs: tuple[str, ...] = ()
    model: str = ""

    @property
    def scenario(self) -> Scenario:
        """A scenario with everything but workers that do something. Raises `UsageError`."""
        return _loaded(self)

    def text(self, path: Path, workers: Mapping[str, Json], setup: Sequence[Json], name: str) -> str:
        """The scenario file ``path`` of one case, in the words of the file format. Queries are written beside it."""
        data: dict[str, Any] = {"version": 1, "name": name}
        data["install"] = [_from(path, entry) for entry in self.install]
        for key, names in (("users", self.users), ("jobs", self.jobs)):
            if names:
                data[key] = list(names)
        entries = [*map(entry_of, self.setup), *setup]
        if entries:
            data["setup"] = entries
        data["workers"] = dict(workers)
        data["orders"] = ["auto"]
        data["invariants"] = [*(["ledger"] if self.ledger else []), *self._beside(path)]
        if self.model:
            data["model"] = self.model
        return f"{FIRST_LINE}\n{_dumped(data)}"

    def _beside(self, path: Path) -> list[str]:
        folder = path.with_name(f"{path.stem}_sql")
        for name, query in self.invariants:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{name}.sql").write_text(f"{query}\n", encoding="utf-8")
        return [f"{folder.name}/{name}.sql" for name, _ in self.invariants]


def system(
    name: str,
    *,
    sql: Sequence[str | os.PathLike[str]],
    setup: Sequence[str | Mapping[str, Json]] = (),
    invariants: Mapping[str, str] | None = None,
    users: Sequence[str] = (),
    jobs: Sequence[str] = (),
) -> System:
    """A system of anybody's. ``sql``: files or folders, in order. Raises `UsageError` for what cannot be right; SQL
    that the server refuses shows when the first case is run."""
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot name a system: a letter, then letters, digits or _")
    made = System(
        name=name,
        install=tuple(str(Path(p).resolve()) for p in sql),
        setup=tuple(map(dumped_entry, setup)),
        invariants=tuple((invariants or {}).items()),
        users=tuple(users),
        jobs=tuple(jobs),
    )
    assert made.scenario
    return made


def dumped_entry(entry: str | Mapping[str, Json]) -> str:
    """An entry of ``setup`` as text, so that a `System` can be a key of dictionaries."""
    return _dumped({"entry": entry if isinstance(entry, str) else dict(entry)})


@cache
def _loaded(made: System) -> Scenario:
    with tempfile.TemporaryDirectory(prefix="refund-harness-draw-") as folder:
        path = Path(folder) / f"{made.name}.yaml"
        path.write_text(made.text(path, _NOBODY, (), made.name), encoding="utf-8")
        try:
            return load_scenario(path)
        except ScenarioError as e:
            raise UsageError(f"system {made.name}: {e.message}") from None


def _from(path: Path, entry: str) -> str:
    if not Path(entry).is_absolute():
        return entry
    relative = os.path.relpath(entry, path.parent.resolve())
    return relative if os.sep in relative else f"./{relative}"


def entry_of(text: str) -> Json:
    """The inverse of `dumped_entry`."""
    found: Json = _yaml().load(text)["entry"]
    return found


def _dumped(data: Mapping[str, Any]) -> str:
    out = io.StringIO()
    _yaml().dump(_folded(data), out)
    return out.getvalue()


def _folded(value: Any) -> Any:
    """Texts of several lines as blocks: for people's eyes."""
    from ruamel.yaml.scalarstring import LiteralScalarString

    if isinstance(value, Mapping):
        return {k: _folded(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_folded(v) for v in value]
    return LiteralScalarString(value) if isinstance(value, str) and "\n" in value else value


def _yaml() -> Any:
    from ruamel.yaml import YAML

    yaml = YAML(typ="rt")
    yaml.width = 120
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml
