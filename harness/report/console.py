"""The console that everything prints to."""

from __future__ import annotations

import os
import sys

from rich.console import Console


class QuietPipeConsole(Console):
    """Falls silent when its reader leaves (``| head``): the run goes on, and its exit code keeps its meaning."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, sys.stdout.fileno())
        os.close(devnull)


def plain_console() -> Console:
    """For text that is ours: no markup, no highlighting, no emoji codes."""
    return QuietPipeConsole(highlight=False, markup=False, emoji=False)
