"""Templates compiled once, and kept where Python keeps its own modules compiled: in a folder beside them."""

from __future__ import annotations

import hashlib
import io
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import cache_from_source
from pathlib import Path

from jinja2 import BytecodeCache, __version__
from jinja2.bccache import Bucket

from harness.errors import SaveError
from harness.files import write_atomically


class Compiled(BytecodeCache):
    """Compiled templates of ``folder``. Each is known by its text (which jinja2 looks after, and Python's version),
    by the version of jinja2, and by the texts of the modules ``made_by``, which say how they are compiled."""

    def __init__(self, folder: Path, made_by: Sequence[Path]) -> None:
        self._folder = Path(cache_from_source(str(folder / "template.py"))).parent
        digest = hashlib.sha256(__version__.encode())
        for path in made_by:
            digest.update(path.read_bytes())
        self._kind = digest.hexdigest()[:16]

    def load_bytecode(self, bucket: Bucket) -> None:
        """What cannot be read is compiled anew."""
        with suppress(Exception):  # half a file, or none: whatever it is, it is not needed
            bucket.load_bytecode(io.BytesIO(self._file(bucket).read_bytes()))

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep it, unless Python is not to keep its own, or the folder cannot be written."""
        if sys.dont_write_bytecode:
            return
        content = io.BytesIO()
        bucket.write_bytecode(content)
        with suppress(OSError, SaveError):
            self._folder.mkdir(exist_ok=True)
            write_atomically(self._file(bucket), content.getvalue())

    def _file(self, bucket: Bucket) -> Path:
        return self._folder / f"{bucket.key[:16]}.{sys.implementation.cache_tag}.{self._kind}.j2c"
