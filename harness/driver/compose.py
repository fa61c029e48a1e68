"""How the statements of a program come about, which only itself knows."""

from __future__ import annotations

from typing import Protocol

from harness.driver.wire import Message
from harness.model import Statement, Worker


class Compose(Protocol):
    """Makes the statement that a program is about to send."""

    def __call__(self, worker: Worker, said: Message) -> Statement:
        """``worker``: with what it has sent so far. ``said``: its process's ``next``; see `harness.driver.relay`."""
        ...
