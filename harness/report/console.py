"""The console that everything prints to."""

from __future__ import annotations

import os
import sys
from typing import Any, ClassVar

from rich.console import Console
from rich.text import Text

_ASCII = str.maketrans("✓✗→·–…", "+X>~-.")


class QuietPipeConsole(Console):
    """Falls silent when its reader leaves (``| head``): the run goes on, and its exit code keeps its meaning. So it
    does when what it writes to refuses (a full disk); ``refusal`` then says why, for whoever decides on the code."""

    refusal: ClassVar[str] = ""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        _to_nowhere()

    def print(self, *objects: Any, **how: Any) -> None:
        try:
            super().print(*objects, **how)
        except OSError as error:
            self._refused(error)

    def control(self, *controls: Any) -> None:
        try:
            super().control(*controls)
        except OSError as error:
            self._refused(error)

    def readable(self, line: str) -> str:
        """``line`` as it can be written: where that is not Unicode, signs of ours have ASCII in their place, and what
        is left becomes question marks."""
        if self.encoding.lower().startswith("utf"):
            return line
        return line.translate(_ASCII).encode(self.encoding, "replace").decode(self.encoding)

    def say(self, line: str, style: str = "") -> None:
        """One line, which is not broken however long it is."""
        self.print(Text(self.readable(line), style=style, no_wrap=True, overflow="ignore"), soft_wrap=True)

    def _refused(self, error: OSError) -> None:
        QuietPipeConsole.refusal = error.strerror or str(error)
        self.on_broken_pipe()


def plain_console() -> Console:
    """For text that is ours: no markup, no highlighting, no emoji codes."""
    return QuietPipeConsole(highlight=False, markup=False, emoji=False)


def _to_nowhere() -> None:
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
    os.close(devnull)
