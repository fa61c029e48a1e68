"""The wire: connections lost, cut, delayed and black-holed between any PostgreSQL client and its server."""

from harness.wire.carrier import Adopted, Carrier
from harness.wire.faults import BlackHole, Delay, Drop, End, Fault, LoseAnswer, Trigger
from harness.wire.frames import Frame, Framer, Side, WireError
from harness.wire.log import Entry, What, WireLog
from harness.wire.proxy import Proxy

__all__ = [
    "Adopted",
    "BlackHole",
    "Carrier",
    "Delay",
    "Drop",
    "End",
    "Entry",
    "Fault",
    "Frame",
    "Framer",
    "LoseAnswer",
    "Proxy",
    "Side",
    "Trigger",
    "What",
    "WireError",
    "WireLog",
]
