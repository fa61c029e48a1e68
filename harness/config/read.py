"""A file → a `Configuration`: read, validated, its paths made those of the working directory."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.config.configuration import Configuration
from harness.config.form import TABLES, ConfigurationSpec, keys_of
from harness.config.tomltext import below, parse
from harness.scenario.load import first_error
from harness.scenario.yamltext import Document, read_text

PATHS = {"scenarios", "sql", "pg-bin", "out", "map"}
"""Keys whose values are files or folders, relative to the file they stand in."""


def read_document(file: Path, table: tuple[str, ...]) -> Document | None:
    """The table of that name in ``file``, () for the whole of it; None: it is not there. Raises `ScenarioError`."""
    return below(parse(str(file), read_text(file, noun="a configuration")), *table)


def read(file: Path, table: tuple[str, ...]) -> Configuration | None:
    """What ``table`` of ``file`` says; None: it has no such table. Raises `ScenarioError`: one line with its place."""
    document = read_document(file, table)
    if document is None:
        return None
    if not isinstance(document.data, dict):
        raise document.error((), f"'{'.'.join(table)}' must be a table")
    _require_places(document, document.data)
    try:
        spec = ConfigurationSpec.model_validate(document.data)
    except ValidationError as error:
        raise first_error(document, error) from None
    values = _from_here(spec.model_dump(by_alias=True, exclude_unset=True), file.parent)
    tables = {name: values.pop(name) for name in TABLES if name in values}
    return Configuration(file=str(file), shared=values, tables=tables, error=document.error)


def _require_places(document: Document, data: Mapping[str, Any]) -> None:
    """Raise `ScenarioError` for a key that is known, but not where it stands."""
    top = keys_of(ConfigurationSpec) - {*TABLES}
    tables = {name: keys_of(table) for name, table in TABLES.items()}
    for key in data:
        if key not in top and (homes := [f"[{name}]" for name, keys in tables.items() if key in keys]):
            raise document.error((key,), f"{key!r} stands in a table of a command: {' or '.join(homes)}")
    for name, keys in tables.items():
        for key in data[name] if isinstance(data.get(name), dict) else ():
            if key in top - keys:
                raise document.error((name, key), f"{key!r} stands at the top of the file, not in [{name}]")


def _from_here(values: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """``values`` with the paths in them relative to the working directory."""

    def moved(key: str, value: Any) -> Any:
        if isinstance(value, dict):
            return _from_here(value, folder)
        if key not in PATHS:
            return value
        return [_path(folder, entry) for entry in value] if isinstance(value, list) else _path(folder, value)

    return {key: moved(key, value) for key, value in values.items()}


def _path(folder: Path, entry: str) -> str:
    return entry if Path(entry).is_absolute() else os.path.relpath(folder / entry)
