"""PostgreSQL's protocol (3.0 and 3.2) as frames: bytes in, whole messages out. No input or output here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Side(StrEnum):
    """Who sent a message."""

    CLIENT = "client"
    SERVER = "server"


class WireError(Exception):
    """These bytes are not PostgreSQL's protocol. The text names the place, never the bytes: they may be a password."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One message. ``kind`` is its name in PostgreSQL's documentation, ``data`` all of its bytes, header included.

    What a client sends as `p` (a password, SASL, GSS) is ``Password``; the packets without a type byte, with which it
    begins, are ``Startup``, ``SSLRequest``, ``GSSENCRequest`` and ``CancelRequest``.
    """

    side: Side
    kind: str
    data: bytes

    @property
    def body(self) -> bytes:
        """Without type and length."""
        return self.data[4:] if self.kind in UNTYPED else self.data[5:]


UNTYPED = frozenset({"Startup", "SSLRequest", "GSSENCRequest", "CancelRequest"})
_REQUESTS = {80877102: "CancelRequest", 80877103: "SSLRequest", 80877104: "GSSENCRequest"}

KINDS: dict[Side, dict[int, str]] = {
    Side.CLIENT: {
        ord("B"): "Bind",
        ord("C"): "Close",
        ord("D"): "Describe",
        ord("E"): "Execute",
        ord("F"): "FunctionCall",
        ord("H"): "Flush",
        ord("P"): "Parse",
        ord("Q"): "Query",
        ord("S"): "Sync",
        ord("X"): "Terminate",
        ord("c"): "CopyDone",
        ord("d"): "CopyData",
        ord("f"): "CopyFail",
        ord("p"): "Password",
    },
    Side.SERVER: {
        ord("1"): "ParseComplete",
        ord("2"): "BindComplete",
        ord("3"): "CloseComplete",
        ord("A"): "NotificationResponse",
        ord("C"): "CommandComplete",
        ord("D"): "DataRow",
        ord("E"): "ErrorResponse",
        ord("G"): "CopyInResponse",
        ord("H"): "CopyOutResponse",
        ord("I"): "EmptyQueryResponse",
        ord("K"): "BackendKeyData",
        ord("N"): "NoticeResponse",
        ord("R"): "Authentication",
        ord("S"): "ParameterStatus",
        ord("T"): "RowDescription",
        ord("V"): "FunctionCallResponse",
        ord("W"): "CopyBothResponse",
        ord("Z"): "ReadyForQuery",
        ord("c"): "CopyDone",
        ord("d"): "CopyData",
        ord("n"): "NoData",
        ord("s"): "PortalSuspended",
        ord("t"): "ParameterDescription",
        ord("v"): "NegotiateProtocolVersion",
    },
}

# The limits of the server itself: MAX_STARTUP_PACKET_LENGTH, and MaxAllocSize for everything after it.
LARGEST_STARTUP = 10_000
LARGEST = 0x3FFFFFFF


def kinds_of(side: Side) -> frozenset[str]:
    """Every kind of message that this side can send."""
    return frozenset(KINDS[side].values()) | (UNTYPED if side is Side.CLIENT else frozenset())


class Framer:
    """Cuts one direction of a connection into frames, however its bytes arrive.

    Holds at most one incomplete message. Once `feed` has raised, the direction is lost: nothing says where the next
    message would begin. ``begun``: what a client begins with has passed before.
    """

    def __init__(self, side: Side, *, begun: bool = False) -> None:
        self._side = side
        self._held = bytearray()
        self._untyped = side is Side.CLIENT and not begun

    @property
    def held(self) -> bytes:
        """What has come of a message that is not complete yet."""
        return bytes(self._held)

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The messages that ``data`` completes, in order. Raises `WireError` at the first that cannot be one."""
        self._held += data
        at = 0
        try:
            while (end := self._end(at)) is not None and end <= len(self._held):
                frame = self._frame(bytes(self._held[at:end]))
                at = end
                yield frame
        finally:
            del self._held[:at]

    def _end(self, at: int) -> int | None:
        """Where the message that begins at ``at`` ends; None while too little of it is here to say."""
        header = 4 if self._untyped else 5
        here = len(self._held) - at
        if not self._untyped and here and self._held[at] not in KINDS[self._side]:
            raise WireError(f"the {self._side} sent a message of an unknown type")
        if here < header:
            return None
        length = int.from_bytes(self._held[at + header - 4 : at + header])
        least, most = (8, LARGEST_STARTUP) if self._untyped else (4, LARGEST)
        if not least <= length <= most:
            raise WireError(f"the {self._side} sent a message with an impossible length")
        return at + header - 4 + length

    def _frame(self, data: bytes) -> Frame:
        if not self._untyped:
            return Frame(side=self._side, kind=KINDS[self._side][data[0]], data=data)
        # Any other number is a protocol version, and whether it can be had is for the server to say.
        kind = _REQUESTS.get(int.from_bytes(data[4:8]), "Startup")
        self._untyped = kind != "Startup"
        return Frame(side=self._side, kind=kind, data=data)
