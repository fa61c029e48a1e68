"""Files that are written whole or not at all."""

from __future__ import annotations

import json
import secrets
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness.errors import SaveError


def write_atomically(path: Path, content: bytes) -> None:
    """Replace ``path`` by ``content`` in one step; a link stays and its target is replaced. The folder must exist. What
    is there and is no file (``/dev/stdout``, a pipe) is written to. Raises `SaveError`, and the old file is still there
    then."""
    try:
        _write(path, content)
    except OSError as error:
        raise cannot_write(path, error) from None


def write_json(path: Path, value: Any) -> None:
    """``value`` as JSON for people and programs, in one step as `write_atomically` does. Raises `ValueError` for what
    JSON cannot say (NaN)."""
    text = json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n"
    # A lone surrogate has no UTF-8 form; Python's escape for it happens to be JSON's.
    write_atomically(path, text.encode("utf-8", "backslashreplace"))


def cannot_write(path: Path, error: OSError) -> SaveError:
    """What to raise when a file or folder could not be made."""
    return SaveError(f"cannot write {path}: {error.strerror or error}")


def _write(path: Path, content: bytes) -> None:
    # A device must not be replaced by a file: as root that would even succeed.
    if _is_no_file(path):
        path.write_bytes(content)
        return
    path = path.resolve()
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        draft.write_bytes(content)
        draft.replace(path)
    finally:
        with suppress(OSError):  # the first error is the one to tell
            draft.unlink(missing_ok=True)


def _is_no_file(path: Path) -> bool:
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        return False
