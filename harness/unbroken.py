"""Where no signal may raise anything: Python runs callbacks of its own around a fork, drops what is raised in them, and
leaves what they were about to unlock locked for ever (`logging`'s lock is one of those)."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_entered: list[None] = []
_came: list[int] = []


@contextmanager
def unbroken() -> Iterator[None]:
    """On the main thread, where handlers of signals run, one that asks `put_off` comes when the block is over."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _entered.append(None)
    try:
        yield
    finally:
        _entered.pop()
        if not _entered and _came:
            number = _came[0]
            _came.clear()
            signal.raise_signal(number)


def put_off(number: int) -> bool:
    """For a handler of signal ``number`` that would raise something: whether it will be called again, and later."""
    if _entered:
        _came.append(number)
    return bool(_entered)
