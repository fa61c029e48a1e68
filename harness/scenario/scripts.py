"""Finds SQL: paths relative to the scenario file, or names under the shipped ``sql/`` folder."""

from __future__ import annotations

import re
import stat
from collections.abc import Callable
from pathlib import Path

from harness.model import Script
from harness.resources import from_here, shipped
from harness.scenario.schema import nearest
from harness.scenario.yamltext import Document, Path_
from harness.sqltext import Piece, SqlSyntaxError, split

_ROW_MEANS = re.compile(r"^--\s*A row means:\s*(.*?)\.?\s*$", re.MULTILINE)


def read_script(document: Document, where: Path_, path: Path, name: str) -> Script:
    """The text of ``path``; errors point at ``where`` in the scenario file."""
    if not _exists(path, stat.S_ISREG):
        raise document.error(where, f"{name} is not a regular file")
    try:
        return Script(name=name, text=path.read_text(encoding="utf-8-sig"), file=from_here(path))
    except UnicodeDecodeError:
        raise document.error(where, f"{name} is not UTF-8") from None
    except OSError as e:
        raise document.error(where, f"{name} cannot be read: {e.strerror}") from None


def install_scripts(document: Document, where: Path_, entry: str, base: Path) -> tuple[Script, ...]:
    """The scripts of one ``install`` entry: a file, or a folder's ``*.sql`` in file-name order."""
    for path in (base / entry, shipped("sql") / entry, shipped("sql") / f"{entry}.sql"):
        if _exists(path, stat.S_ISDIR) and entry:
            names = {f"{entry.rstrip('/')}/{f.name}": f for f in sorted(path.glob("*.sql"))}
            if not names:
                raise document.error(where, f"{entry} holds no .sql file")
        elif _exists(path, stat.S_ISREG):
            names = {entry: path}
        else:
            continue
        scripts = tuple(read_script(document, where, file, name) for name, file in names.items())
        for script in scripts:
            _split(document, where, script.name, script.text)
        return scripts
    raise document.error(where, f"no file {entry!r} beside the scenario or in the shipped sql/")


def invariant_script(document: Document, where: Path_, entry: str, base: Path) -> Script:
    """The query of one ``invariants`` entry; its name is the file's, without folder and ending."""
    sql = shipped("sql")
    for path in (base / entry, sql / "invariants" / f"{entry}.sql", sql / "monitoring" / f"{entry}.sql"):
        if _exists(path, stat.S_ISREG):
            script = read_script(document, where, path, path.stem)
            pieces = _split(document, where, entry, script.text)
            if len(pieces) != 1:
                raise document.error(where, f"{entry}: an invariant is one query, found {len(pieces)}")
            header = _ROW_MEANS.search(script.text)
            return Script(name=script.name, text=pieces[0].text, about=header[1] if header else "")
    known = ["ledger", *sorted(p.stem for d in ("invariants", "monitoring") for p in (sql / d).glob("*.sql"))]
    raise document.error(where, f"unknown invariant {entry!r}{nearest(entry, known)}")


def state_scripts() -> tuple[Script, ...]:
    """The queries that read one execution's rows of the refund ledger."""
    files = sorted((shipped("sql") / "state").glob("*.sql"))
    return tuple(Script(name=f.stem, text=split(f.read_text(encoding="utf-8"))[0].text) for f in files)


def _split(document: Document, where: Path_, name: str, text: str) -> tuple[Piece, ...]:
    try:
        return split(text)
    except SqlSyntaxError as e:
        line = "" if e.offset is None else f" (line {text.count(chr(10), 0, e.offset) + 1})"
        raise document.error(where, f"{name}: bad SQL: {e.message}{line}") from None


def _exists(path: Path, is_kind: Callable[[int], bool]) -> bool:
    """Whether ``path`` is there and of that kind; a name that no file can have is not there."""
    try:
        return is_kind(path.stat().st_mode)
    except (OSError, ValueError):
        return False
