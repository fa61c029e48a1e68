"""Faults of a network, as values: when each strikes, and what it does.

A fault strikes once, at the n-th message that its trigger fits, counted over all connections of a proxy. To lose
several connections, give several faults. Every fault counts for itself, also what another one strikes; of those that
fall due at the same message the first that ends the connection leaves the others without their moment.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from harness.errors import UsageError
from harness.wire.content import command_tag, transaction_status
from harness.wire.frames import Frame, Side, kinds_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """The ``nth`` message (from 1) of ``kind`` from ``side`` for which everything else holds that is given.

    ``sql``: a regular expression, searched for without regard to case in the statement that a Query, Parse or Execute
    carries or names; for a message of the server, in any statement of the round that it answers. ``tag``: the whole
    command tag of a CommandComplete, such as ``COMMIT``. ``status``: I, T or E of a ReadyForQuery.
    Raises `UsageError` for what can never fit.
    """

    side: Side
    kind: str
    sql: str | None = None
    tag: str | None = None
    status: str | None = None
    nth: int = 1

    def __post_init__(self) -> None:
        if self.kind not in kinds_of(self.side):
            raise UsageError(f"a {self.side} sends no {self.kind}: one of {', '.join(sorted(kinds_of(self.side)))}")
        if self.nth < 1:
            raise UsageError(f"nth counts from 1, not {self.nth}")
        if self.tag is not None and self.kind != "CommandComplete":
            raise UsageError("only a CommandComplete has a tag")
        if self.status is not None and self.kind != "ReadyForQuery":
            raise UsageError("only a ReadyForQuery has a status")
        if self.sql is not None:
            if self.side is Side.CLIENT and self.kind not in ("Query", "Parse", "Execute"):
                raise UsageError(f"a client's {self.kind} carries no SQL: Query, Parse and Execute do")
            try:
                re.compile(self.sql)
            except re.error as error:
                raise UsageError(f"sql is no regular expression: {error}") from None

    def fits(self, frame: Frame, sql: Sequence[str]) -> bool:
        """Whether this message is one to count; ``sql``: its statement, or the statements that it answers."""
        return (
            (frame.side, frame.kind) == (self.side, self.kind)
            and (self.tag is None or command_tag(frame) == self.tag)
            and (self.status is None or transaction_status(frame) == self.status)
            and (self.sql is None or any(re.search(self.sql, text, re.IGNORECASE) for text in sql))
        )


class End(StrEnum):
    """How a connection ends. A Unix socket knows no RST: there both look alike."""

    FIN = "FIN"
    RST = "RST"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """The connection is lost, towards both sides, when ``passed`` bytes of the message are through; None: all of them.

    With 0 and a message of the client the server never learns of it. With 0 and a ReadyForQuery the statement took
    effect, and the client has everything but the word that it is over. A number greater than the message is all of it.
    With RST, bytes that are still on their way may be lost too, as on a real network.
    """

    when: Trigger
    passed: int | None = 0
    how: End = End.FIN

    def __post_init__(self) -> None:
        if self.passed is not None and self.passed < 0:
            raise UsageError(f"passed is a number of bytes, not {self.passed}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoseAnswer:
    """The server does what the message asks and answers; nothing of that answer reaches the client, and when the server
    is ready again the connection is lost. ``when`` must be a Query, Parse, Execute or another part of a question."""

    when: Trigger
    how: End = End.FIN

    def __post_init__(self) -> None:
        if self.when.side is not Side.CLIENT or self.when.kind not in ASKING:
            raise UsageError(f"the answer to {self.when.kind} of the {self.when.side} cannot be lost")


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    """The message, and what its sender sends after it, waits ``seconds``; the other direction goes on."""

    when: Trigger
    seconds: float

    def __post_init__(self) -> None:
        if not 0 <= self.seconds <= LONGEST_DELAY_S:
            raise UsageError(f"a delay is between 0 and {LONGEST_DELAY_S:g} seconds, not {self.seconds:g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class BlackHole:
    """From this message on nothing passes in either direction and nothing is closed, not even when one side hangs up,
    until `Proxy.release`: then everything goes on where it stood, as when a network heals."""

    when: Trigger


Fault = Drop | LoseAnswer | Delay | BlackHole
LONGEST_DELAY_S = 3600.0
ASKING = frozenset({"Query", "Parse", "Bind", "Describe", "Execute", "Close", "Sync", "FunctionCall"})


class Plan:
    """Counts, for every fault, the messages that fit. For one thread."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self._faults = tuple(faults)
        self._seen = [0] * len(self._faults)

    def due(self, frame: Frame, sql: Sequence[str]) -> list[Fault]:
        """The faults that strike at this message, in the order in which they were given."""
        due: list[Fault] = []
        for index, fault in enumerate(self._faults):
            if fault.when.fits(frame, sql):
                self._seen[index] += 1
                if self._seen[index] == fault.when.nth:
                    due.append(fault)
        return due
