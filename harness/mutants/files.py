"""Mutant files: a header that says what is broken and which check must find it, then SQL."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import UsageError
from harness.model import Script
from harness.mutation import Mutant
from harness.resources import shipped
from harness.scenario import load_scenario
from harness.scenario.names import HISTORY_CHECKS
from harness.scenario.schema import nearest
from harness.sqltext import SqlSyntaxError, split, variables

LEDGER_MODEL = "ledger_model"
"""The check of a setting that names a model ledger."""
SETTINGS = "settings"
"""The folder beside mutants in which their settings lie."""

_KEYS = ("Mutant", "Setting", "Trips", "Plain")
_NEEDED = ("Mutant", "Setting", "Trips")
_KEY = re.compile(r"-- ([A-Z][a-z]+):(?: +(\S.*))?")
_MORE = re.compile(r"-- {2,}(\S.*)")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def load_mutants(names: Sequence[str] = ()) -> tuple[Mutant, ...]:
    """The mutants in ``names``: files, folders (every ``*.sql`` in them) or names of shipped ones; none: all shipped.

    Raises `UsageError`, with ``file:line:column`` for a file that is wrong.
    """
    files = [f for name in names for f in _files(name)] if names else _inside(_here(shipped("sql") / "mutants"))
    mutants: dict[str, Mutant] = {}
    for file in files:
        mutant = read_mutant(file)
        if mutant.name in mutants:
            raise UsageError(f"{file}: the name {mutant.name!r} is already used by {mutants[mutant.name].file}")
        mutants[mutant.name] = mutant
    return tuple(mutants.values())


def read_mutant(file: Path) -> Mutant:
    """One mutant, its setting read too. Raises `UsageError`."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{file}:1:1: not UTF-8") from None
    except OSError as e:
        raise UsageError(f"{file}: cannot be read: {e.strerror}") from None
    if not _NAME.fullmatch(file.stem):
        raise UsageError(f"{file}: a mutant's file name is a letter, then letters, digits or _")
    header = _Header.read(file, text)
    setting = _setting(file, header)
    workers = _check_trips(file, header, setting)
    _check_race(file, header, workers)
    _check_sql(file, text)
    return Mutant(
        name=file.stem,
        about=header.values["Mutant"],
        setting=setting,
        trips=header.values["Trips"],
        plain=header.values.get("Plain", ""),
        race=tuple(row for _, row in header.race),
        script=Script(name=str(file), text=text),
        file=str(file),
    )


@dataclass(slots=True)
class _Header:
    """``values``: by key, continuation lines joined. ``lines``: by key, from 1. ``race``: (line, row)."""

    values: dict[str, str] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    race: list[tuple[int, str]] = field(default_factory=list)

    @classmethod
    def read(cls, file: Path, text: str) -> _Header:
        header, key = cls(), ""
        for number, line in _comment(text):
            if line.startswith("-- |"):
                header.race.append((number, line.removeprefix("-- ")))
            elif header.race or line == "--":
                key = ""  # below its table a file may say what it likes
            elif found := _KEY.fullmatch(line):
                key = found[1]
                if key not in _KEYS:
                    raise _wrong(file, number, 4, f"unknown key {key!r}{nearest(key, list(_KEYS))}")
                if key in header.values:
                    raise _wrong(file, number, 4, f"{key} is given twice")
                header.values[key], header.lines[key] = found[2] or "", number
            elif key and (more := _MORE.fullmatch(line)):
                header.values[key] = f"{header.values[key]} {more[1]}".strip()
            else:
                raise _wrong(file, number, 1, "not a line of a mutant's header: `-- Key: value`, or `--   ` and more")
        for wanted in _NEEDED:
            if not header.values.get(wanted):
                problem = "is empty" if wanted in header.lines else "is missing"
                raise _wrong(file, header.lines.get(wanted, 1), 1, f"`-- {wanted}: …` {problem} in the header")
        if header.values.get("Plain") == "":
            raise _wrong(file, header.lines["Plain"], 1, "`-- Plain: …` is empty: leave it out, or say why")
        if not header.race:
            raise _wrong(file, 1, 1, "the table of the race is missing in the header: `-- | time | … |`")
        return header


def _comment(text: str) -> Iterator[tuple[int, str]]:
    """The lines of the comment with which ``text`` begins."""
    for number, line in enumerate(text.splitlines(), 1):
        if not line.startswith("--"):
            return
        yield number, line.rstrip()


def _setting(file: Path, header: _Header) -> Path:
    name, line = header.values["Setting"], header.lines["Setting"]
    folders = (file.parent / SETTINGS, shipped("sql") / "mutants" / SETTINGS)
    if _NAME.fullmatch(name):
        for folder in folders:
            if (folder / f"{name}.yaml").is_file():
                return _here(folder / f"{name}.yaml")
    known = sorted({p.stem for folder in folders for p in folder.glob("*.yaml")})
    raise _wrong(file, line, 13, f"no setting {name!r} in {folders[0]}{nearest(name, known)}")


def _check_trips(file: Path, header: _Header, setting: Path) -> list[str]:
    """The setting's workers, once it is known to make the check that must trip. Raises `UsageError`."""
    scenario = load_scenario(setting)
    judged = [c for c in HISTORY_CHECKS if scenario.model or c != LEDGER_MODEL]
    known = [*(i.name for i in scenario.invariants), *judged]
    trips = header.values["Trips"]
    if trips not in known:
        message = f"{setting.name} makes no check {trips!r}{nearest(trips, known)}"
        raise _wrong(file, header.lines["Trips"], 11, message)
    return [w.name for w in scenario.workers]


def _check_race(file: Path, header: _Header, workers: Sequence[str]) -> None:
    (first, head), *rows = header.race
    cells = _cells(head)
    if cells[0] != "time" or (missing := [w for w in workers if w not in cells]):
        wanted = "time" if cells[0] != "time" else missing[0]
        raise _wrong(file, first, 4, f"the table of the race has no column {wanted!r}: one for time, one per worker")
    if not rows or set(rows[0][1]) - set("|- :"):
        raise _wrong(file, first, 4, "below the heading of the table of the race stands its rule: `|---|---|`")
    if len(rows) < 3:
        raise _wrong(file, first, 4, "a race has two steps at least: T0, T1")
    for i, (number, row) in enumerate(rows[1:]):
        found = _cells(row)
        if found[0] != f"T{i}":
            raise _wrong(file, number, 6, f"T{i} should stand here, found {found[0]!r}")
        if len(found) != len(cells):
            raise _wrong(file, number, 4, f"{len(found)} columns, the heading has {len(cells)}")


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip().removeprefix("|").removesuffix("|").split("|")]


def _check_sql(file: Path, text: str) -> None:
    try:
        pieces = split(text)
    except SqlSyntaxError as e:
        before = text[: e.offset or 0]
        line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
        raise _wrong(file, line, column, f"bad SQL: {e.message}") from None
    if not pieces:
        raise _wrong(file, text.count("\n") + 1, 1, "no SQL below the header")
    for name, offset in variables(text).items():
        line = text.count("\n", 0, offset) + 1
        raise _wrong(file, line, 1, f":'{name}' is an id of one execution; a mutant serves them all")


def _files(name: str) -> list[Path]:
    path = Path(name)
    if path.is_dir():
        return _inside(path)
    if path.is_file():
        return [path]
    folder = shipped("sql") / "mutants"
    if (folder / f"{name}.sql").is_file():
        return [_here(folder / f"{name}.sql")]
    known = sorted(p.stem for p in folder.glob("*.sql"))
    raise UsageError(f"no mutant {name!r}: neither a file or folder here nor shipped{nearest(name, known)}")


def _inside(folder: Path) -> list[Path]:
    files = sorted(folder.glob("*.sql"))
    if not files:
        raise UsageError(f"{folder}: no mutants here (files that end in .sql)")
    return files


def _here(path: Path) -> Path:
    """As a person here would name it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _wrong(file: Path, line: int, column: int, message: str) -> UsageError:
    return UsageError(f"{file}:{line}:{column}: {message}")
