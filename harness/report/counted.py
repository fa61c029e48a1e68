"""A line that counts what is done of many, for the commands that go through a list."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.console import Console
from rich.text import Text

from harness.report.live import LiveArea, somebody_watches
from harness.report.watched import overall


class Counted:
    """``noun``: what is counted, ``found``: what is red, both in the singular. Shows nothing where nobody watches."""

    def __init__(self, console: Console, noun: str, found: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._console, self._noun, self._found, self._clock = console, noun, found, clock
        self._live = LiveArea(console) if somebody_watches(console.file) else None
        self._total = self._done = self._red = 0
        self._began = 0.0

    def begin(self, total: int) -> None:
        """From now on, so many."""
        self._total, self._began = total, self._clock()
        self.show()

    def count(self, *, red: bool = False) -> None:
        """One more."""
        self._done, self._red = self._done + 1, self._red + red
        self.show()

    def show(self) -> None:
        """The line, at the cursor."""
        if self._live is None or not self._total:
            return
        passed = self._clock() - self._began
        line = overall(
            self._done, self._total, self._red, passed, max(self._console.width - 1, 1), self._noun, self._found
        )
        if not self._console.encoding.lower().startswith("utf"):
            line = Text(line.plain.replace("━", "#").replace("╌", "."))
        self._live.show([line])

    def hide(self) -> None:
        """Before anything else is printed. Idempotent."""
        if self._live is not None:
            self._live.erase()

    def close(self) -> None:
        """No line any more. Idempotent."""
        self.hide()
        self._live = None
