"""A cut connection, over TCP and over a local socket: reset or ended for one side, ended for the other."""

from __future__ import annotations

import os
import socket

import pytest

from harness.driver.cut import cut
from harness.driver.wire import Wire


def test_over_tcp_the_other_side_meets_a_reset() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.create_connection(listening.getsockname()) as ours,
    ):
        theirs, _ = listening.accept()
        with theirs:
            cut(ours.fileno())
            assert os.read(ours.fileno(), 1) == b""
            with pytest.raises(ConnectionResetError):
                theirs.recv(1)


def test_a_local_socket_ends_for_both() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(b"x")
        cut(ours.fileno())
        assert os.read(ours.fileno(), 1) == b""
        assert theirs.recv(2) == b"x"
        assert theirs.recv(1) == b""
        with pytest.raises(BrokenPipeError):
            theirs.sendall(b"y")


def test_a_file_that_was_lent_stays_open_when_its_owner_closes_it() -> None:
    ours, theirs = socket.socketpair()
    left, right = socket.socketpair()
    with theirs, right:
        with ours, left:
            Wire(ours).lend({"lent": True}, left.fileno())
        borrowed = Wire(theirs).borrow()
        assert borrowed is not None
        message, [descriptor] = borrowed
        assert message == {"lent": True}
        with socket.socket(fileno=descriptor) as kept:
            kept.sendall(b"z")
            assert right.recv(1) == b"z"
        assert Wire(theirs).borrow() is None
