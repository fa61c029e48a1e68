"""TOML text → plain data plus the place of every key, which the library for TOML does not tell."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any

from harness.scenario.yamltext import Document, Path_, error_at

_WHERE = re.compile(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", re.DOTALL)


def parse(file: str, text: str) -> Document:
    """Parse ``text``. Raises `ScenarioError`: one line with ``file:line:column``."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        what, line, column = _WHERE.fullmatch(str(error)).groups()  # type: ignore[union-attr]  # it always says where
        lines = text.rstrip().split("\n")
        place = (int(line), int(column)) if line else (len(lines), len(lines[-1]) + 1)
        raise error_at(file, place, f"not TOML: {what[:1].lower()}{what[1:]}") from None
    except RecursionError:
        raise error_at(file, (1, 1), "not TOML: nested too deeply") from None
    return Document(file=file, text=text, data=data, keys=_places(text))


def below(document: Document, *table: str) -> Document | None:
    """The table of that name as a document of its own, with the same places; None: there is no such key."""
    data: Any = document.data
    for key in table:
        if not isinstance(data, dict) or key not in data:
            return None
        data = data[key]
    n = len(table)
    keys = {path[n:]: place for path, place in document.keys.items() if path[:n] == table}
    return Document(file=document.file, text=document.text, data=data, keys=keys, values={(): keys.get((), (1, 1))})


def _places(text: str) -> dict[Path_, tuple[int, int]]:
    """Of each key the line and column, from 1, of the statement that names it first.

    The lines from the end of a statement to the first at which they parse alone are the next one: the library itself
    says where it ends, so that no brackets, quotes or comments need be understood here."""
    found: dict[Path_, tuple[int, int]] = {}
    table: Path_ = ()
    piece = ""
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        piece += line
        try:
            data = tomllib.loads(piece)
        except tomllib.TOMLDecodeError:
            piece += "\n"
            continue
        begin = number - piece.count("\n"), len(piece) - len(piece.lstrip()) + 1
        if piece.lstrip().startswith("["):
            *_, table = _paths(data)
            for n in range(len(table)):
                found.setdefault(table[: n + 1], begin)
        else:
            for path in _paths(data):
                found.setdefault((*table, *path), begin)
        piece = ""
    return found


def _paths(data: Any, path: Path_ = ()) -> Iterator[Path_]:
    """Every way down through tables, the shortest first."""
    if isinstance(data, dict):
        for key, value in data.items():
            yield (*path, key)
            yield from _paths(value, (*path, key))
