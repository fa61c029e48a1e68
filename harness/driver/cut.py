"""Cuts a connection as a network does: neither end is told, each finds out when it next uses it."""

from __future__ import annotations

import os
import socket
import struct


def cut(descriptor: int) -> None:
    """Close the socket behind ``descriptor``, over TCP with a reset. The descriptor stays open, so that the library
    that owns it meets an end of its stream rather than a stranger's file."""
    with socket.socket(fileno=os.dup(descriptor)) as connection:
        if connection.family != socket.AF_UNIX:  # no farewell: a reset in place of an orderly end
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        dead, other = socket.socketpair()
        other.close()
        with dead:
            os.dup2(dead.fileno(), descriptor)
