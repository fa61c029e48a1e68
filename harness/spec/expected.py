"""What a spec is expected to print, and how that differs from what it printed."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

from harness.errors import UsageError

ALTERNATIVES = 10
"""``NAME.out`` and ``NAME_0.out`` to ``NAME_9.out``: any of them will do, as in PostgreSQL's own tests."""


def expected_files(spec: Path, where: Path) -> tuple[Path, ...]:
    """The expected outputs of ``spec``: ``where`` itself, or what belongs to it in that folder. Raises `UsageError`
    when there is none."""
    if where.is_file():
        return (where,)
    names = [f"{spec.stem}.out", *(f"{spec.stem}_{n}.out" for n in range(ALTERNATIVES))]
    found = tuple(where / name for name in names if (where / name).is_file())
    if not found:
        raise UsageError(f"{where}: no expected output of {spec}: there is no {where / names[0]}")
    return found


def difference(printed: bytes, files: Sequence[Path], name: str) -> bytes:
    """A unified diff from the nearest of ``files`` to ``printed``, which it calls ``name``; empty when they are equal.
    Raises `UsageError` for a file that cannot be read."""
    diffs: list[bytes] = []
    for file in files:
        try:
            wanted = file.read_bytes()
        except OSError as e:
            raise UsageError(f"{file}: cannot be read: {e.strerror or e}") from None
        if wanted == printed:
            return b""
        diffs.append(_diff(wanted, printed, str(file), name))
    return min(diffs, key=lambda diff: diff.count(b"\n"))


def _diff(wanted: bytes, printed: bytes, old: str, new: str) -> bytes:
    lines = difflib.diff_bytes(
        difflib.unified_diff, wanted.splitlines(keepends=True), printed.splitlines(keepends=True), old.encode(),
        new.encode(),
    )  # fmt: skip
    return b"".join(line if line.endswith(b"\n") else line + b"\n\\ No newline at end of file\n" for line in lines)
