"""What a command does while its server starts: it loads what it needs next, and reads what it was given."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.targets import Target

_SHORT_S = 0.0005
"""A thread's turn, in place of 5 ms."""
_REPORT = ("harness.report.pictures", "harness.report.saved", "PIL.ImageFont", "PIL.PngImagePlugin")


class Meanwhile:
    """Parts of work, one per call, in their order. After one that fails there are no more."""

    def __init__(self, *parts: Callable[[], object]) -> None:
        self._parts = list(parts)
        self._failed: Exception | None = None

    def __call__(self) -> None:
        """Do the next part. Raises nothing but what ends a command."""
        if self._parts and self._failed is None:
            try:
                self._parts.pop(0)()
            except Exception as error:
                self._failed = error

    def rest(self) -> None:
        """Do all that is left. Raises what any part raised."""
        while self._parts and self._failed is None:
            self()
        if self._failed is not None:
            raise self._failed


class Started:
    """A ``server`` that may be let go of beside what is done when it is not needed any more."""

    def __init__(self, server: Target) -> None:
        self.server = server
        self._thread = ThreadPoolExecutor(1)
        self._closed: Future[None] | None = None

    def let_go(self) -> None:
        """Begin to close it."""
        self._closed = self._thread.submit(self.server.close)

    def gone(self) -> None:
        """It is closed. Raises what `Target.close` raises."""
        with self._thread:
            if self._closed is None:
                self.let_go()
        assert self._closed is not None
        self._closed.result()


@contextmanager
def started(spec: str, pg_bin: Path | None, *parts: Callable[[], object]) -> Iterator[Started]:
    """The server that ``spec`` names (see `open_target`), once all ``parts`` are done too; it is gone at the end. What
    a part raises is told rather than what is wrong with the server."""
    from harness.errors import HarnessError
    from harness.targets import open_target

    meanwhile = Meanwhile(*parts)
    if spec != "embedded":  # it takes no time that one could use
        meanwhile.rest()
    try:
        server = open_target(spec, pg_bin=pg_bin, meanwhile=meanwhile)
    except HarnessError:
        meanwhile.rest()
        raise
    with server:
        meanwhile.rest()
        held = Started(server)
        try:
            yield held
        finally:
            held.gone()


def load_beside(*modules: str) -> None:
    """Load ``modules`` and what writes a report, by a thread while the server works and this one would only wait."""
    patience = sys.getswitchinterval()

    def load() -> None:
        with suppress(Exception):  # whoever needs it loads it again, and says what is wrong
            for name in (*modules, *_REPORT):
                import_module(name)
            from harness.report.templating import environment

            environment().get_template("report.html.j2")
        sys.setswitchinterval(patience)

    sys.setswitchinterval(_SHORT_S)  # each answer of the server would have to wait for this thread's turn to end
    Thread(target=load).start()


def load_model() -> None:
    """The vocabulary, which everything else needs."""
    import harness.model  # noqa: F401


def fork_nurseries(count: int) -> None:
    """Make the processes that make workers, now that what they need is loaded and little else is."""
    from harness.driver import pool

    pool.fork_nurseries(count)
