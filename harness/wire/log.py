"""What passed a proxy, and what struck. Nothing in it is a password, a row or a statement's text."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from harness.wire.faults import Fault
from harness.wire.frames import Side

Found = TypeVar("Found")


class What(StrEnum):
    """What an entry tells. `HELD`: a message of the server that a `LoseAnswer` keeps. `BROKEN`: one side does not speak
    the protocol. `UNREACHABLE`: the server could not be connected to."""

    OPENED = "opened"
    PASSED = "passed"
    REFUSED = "refused"
    HELD = "held"
    STRUCK = "struck"
    RELEASED = "released"
    BROKEN = "broken"
    UNREACHABLE = "unreachable"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the log. ``connection`` counts from 1; ``size`` in bytes, header included; ``detail``: a first word,
    command tag, SQLSTATE or status, for a lost answer how its round ended, else what happened; ``fault``: of a strike.
    """

    what: What
    connection: int
    side: Side | None = None
    kind: str = ""
    size: int = 0
    detail: str = ""
    fault: Fault | None = None


class WireLog:
    """Thread-safe. Strikes are all kept; of everything else the last ``kept`` entries."""

    def __init__(self, *, kept: int = 20_000) -> None:
        self._changed = threading.Condition()
        self._entries: deque[Entry] = deque(maxlen=kept)
        self._strikes: list[Entry] = []

    def add(self, entry: Entry) -> None:
        with self._changed:
            self._entries.append(entry)
            if entry.what is What.STRUCK:
                self._strikes.append(entry)
            self._changed.notify_all()

    def entries(self) -> tuple[Entry, ...]:
        """In the order in which they happened; strikes are among them."""
        with self._changed:
            return tuple(self._entries)

    def strikes(self) -> tuple[Entry, ...]:
        with self._changed:
            return tuple(self._strikes)

    def await_strikes(self, count: int, *, timeout_s: float) -> tuple[Entry, ...]:
        """All strikes, once there are ``count``. Raises `TimeoutError` when there are not in time."""
        return self._await(
            lambda: tuple(self._strikes) if len(self._strikes) >= count else None, f"{count} strikes", timeout_s
        )

    def await_entry(self, what: What, *, connection: int, timeout_s: float) -> Entry:
        """The first such entry that is kept. Raises `TimeoutError` when there is none in time."""
        return self._await(
            lambda: next((e for e in self._entries if (e.what, e.connection) == (what, connection)), None),
            f"entry '{what}' of connection {connection}",
            timeout_s,
        )

    def _await(self, look: Callable[[], Found | None], wanted: str, timeout_s: float) -> Found:
        with self._changed:
            found: list[Found] = []

            def there() -> bool:
                found[:] = [seen] if (seen := look()) is not None else []
                return bool(found)

            if not self._changed.wait_for(there, timeout_s):
                raise TimeoutError(f"no {wanted} within {timeout_s:g} s")
            return found[0]
