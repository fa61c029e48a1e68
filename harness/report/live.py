"""Lines at the foot of a terminal that are written over again and again, and leave nothing behind."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import IO

from rich.cells import cell_len
from rich.console import Console
from rich.control import Control
from rich.segment import ControlType
from rich.text import Text


def somebody_watches(file: IO[str], environment: Mapping[str, str] = os.environ) -> bool:
    """Whether lines may be written over: a terminal that knows how, and not the log of a CI that looks like one."""
    return file.isatty() and not environment.get("CI") and environment.get("TERM", "dumb") not in ("dumb", "unknown")


class LiveArea:
    """Shows and takes away. It starts no thread and never hides the cursor, so that a fork or a kill at any time leaves
    a terminal as it should be. Whoever prints something else erases first."""

    def __init__(self, console: Console, environment: Mapping[str, str] = os.environ) -> None:
        self._console = console
        self._shown: Sequence[int] = ()  # cells of each line
        # What these keep of a line that has become too long, they keep on one row.
        self._cuts = environment.get("TERM") == "linux" or any(name in environment for name in ("XTERM_VERSION", "STY"))

    def show(self, lines: Sequence[Text]) -> None:
        """``lines`` in place of what was shown; each narrower than the terminal, and fewer than it has rows."""
        self._console.print(*self._back(), Text("\n").join(lines), sep="", end="", soft_wrap=True)
        self._shown = [cell_len(line.plain) for line in lines]

    def erase(self) -> None:
        """Nothing is shown any more; the cursor is where the first line began. Idempotent."""
        if self._shown:
            self._console.print(*self._back(), sep="", end="")
            self._shown = ()

    def _back(self) -> list[Control]:
        if not self._shown:
            return []
        width = max(self._console.width, 1)  # it may have become narrower since
        rows = sum(1 if self._cuts else max(1, -(-cells // width)) for cells in self._shown)
        up = ((ControlType.CURSOR_UP, 1), (ControlType.ERASE_IN_LINE, 2))
        return [Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2), *(up * (rows - 1)))]
