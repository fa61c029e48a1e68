"""The SQL that `--sql` names: files and folders, and psql's own commands in them turned into plain SQL."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.adhoc.dump import plain
from harness.adhoc.position import UserText, located
from harness.errors import UsageError
from harness.sqltext import SqlSyntaxError, split, variables


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One SQL file. ``text``: what is installed, line for line the file's. ``converted``: it is not the file's own,
    which held commands of psql's or rows for COPY."""

    name: str
    path: Path
    text: str
    converted: bool

    @property
    def user_text(self) -> UserText:
        return UserText(name=self.name, text=self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One `--sql`: a file, or a folder's ``*.sql`` in file-name order."""

    entry: str
    path: Path
    files: tuple[File, ...]


def read_source(entry: str, *, option: str = "--sql") -> Source:
    """``option``: what errors call it. Raises `UsageError` when there is nothing to read, `UserSqlError` with a
    position for bad SQL."""
    if not entry:
        raise UsageError(f"{option} is empty: it takes a file or a folder")
    path = Path(entry)
    if path.is_dir():
        names = {f"{entry.rstrip('/')}/{f.name}": f for f in sorted(path.glob("*.sql"))}
        if not names:
            raise UsageError(f"{option} {entry}: this folder holds no .sql file")
    else:
        names = {entry: path}
    return Source(entry=entry, path=path, files=tuple(_read(name, file, option) for name, file in names.items()))


def read_text(path: Path, option: str) -> str:
    """The text of a file that ``option`` names. Raises `UsageError`."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{option}: {path} is not UTF-8") from None
    except (OSError, ValueError) as e:
        said = e.strerror if isinstance(e, OSError) else str(e)
        raise UsageError(f"{option}: {path} cannot be read: {said}") from None


def _read(name: str, path: Path, option: str) -> File:
    given = read_text(path, option)
    text = plain(UserText(name=name, text=given))
    file = File(name=name, path=path, text=text, converted=text != given)
    with located(file.user_text):
        split(text)
        for variable, offset in variables(text).items():
            raise SqlSyntaxError(f"psql's variable :'{variable}' has no value here", offset)
    return file
