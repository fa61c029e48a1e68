"""The code that `dataclasses` writes for every class, compiled once.

A command loads some 150 of them. Their methods are texts that Python compiles anew in every process, since its own
compiled modules hold only what makes the texts: a fifth of all that it takes until a command can begin. Here what was
compiled is kept by its text, in the folder where Python keeps the package's compiled modules and for the same version
of Python. The same text gives the same code, so that nothing kept can be out of date.
"""

from __future__ import annotations

import atexit
import dataclasses
import hashlib
import marshal
import sys
from contextlib import suppress
from importlib.util import MAGIC_NUMBER, cache_from_source
from pathlib import Path
from types import CodeType
from typing import Any

from harness.errors import SaveError
from harness.files import write_atomically

_MOST = 5000
"""So many texts are kept: who makes classes without end is not to fill a disk."""
_DIGEST = hashlib.sha256().digest_size


class Generated:
    """What `exec` is to `dataclasses`. ``file``: where the code is kept."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._code: dict[str, CodeType] = _read(file)
        self._used: set[str] = set()
        self._new = False

    def __call__(self, text: str, *scopes: Any) -> None:
        code = self._code.get(text)
        if code is None:
            code = compile(text, "<string>", "exec", dont_inherit=True)
            if len(self._used) < _MOST:
                self._code[text] = code
                self._new = True
        if text in self._code:
            self._used.add(text)
        exec(code, *scopes)

    def keep(self) -> None:
        """Write down what is new, unless Python is not to keep its own, or the folder cannot be written."""
        if self._new and not sys.dont_write_bytecode:
            # What classes were long ago makes room for what they are.
            code = self._code if len(self._code) <= _MOST else {text: self._code[text] for text in sorted(self._used)}
            content = marshal.dumps(code)
            with suppress(OSError, SaveError):
                self._file.parent.mkdir(exist_ok=True)
                write_atomically(self._file, _signature(content) + content)


def compile_once() -> None:
    """From now on, in this process."""
    generated = Generated(Path(cache_from_source(__file__)).with_suffix(".generated"))
    # A name of the module's goes before the built-in one.
    vars(dataclasses)["exec"] = generated
    atexit.register(generated.keep)


def _read(file: Path) -> dict[str, CodeType]:
    """What is kept there; nothing where it is of another Python, or damaged."""
    with suppress(OSError):
        found = file.read_bytes()
        content = found[_DIGEST:]
        if found[:_DIGEST] == _signature(content):
            code: dict[str, CodeType] = marshal.loads(content)
            return code
    return {}


def _signature(content: bytes) -> bytes:
    return hashlib.sha256(MAGIC_NUMBER + content).digest()
