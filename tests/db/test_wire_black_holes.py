"""Refunds whose connection is neither alive nor closed: nothing passes, and neither side is told."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable

import psycopg
import pytest
from wire_shop import (
    ALREADY,
    ARGUMENTS,
    BOUND_S,
    COMMIT,
    COMMITTED,
    REFUND,
    REFUNDED,
    Connection,
    Shop,
    open_shop,
    refund,
    worker,
)

from harness.targets.embedded import EmbeddedTarget
from harness.wire import BlackHole, Proxy, What


@pytest.fixture
def shop(new_database: Callable[..., Connection], target: EmbeddedTarget) -> Shop:
    return open_shop(new_database, target)


class Calling:
    """A refund in a thread of its own, which may wait for as long as it takes."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo, self.answer, self.error = conninfo, None, None
        self.conn: Connection | None = None
        self._thread = threading.Thread(target=self._call)
        self._thread.start()

    def _call(self) -> None:
        try:
            with worker(self._conninfo) as self.conn:
                row = self.conn.execute(REFUND, ARGUMENTS).fetchone()
                self.conn.commit()
                assert row is not None
                self.answer = row[0]
        except psycopg.Error as error:
            self.error = error

    def give_up(self) -> None:
        """As a client that has waited long enough: it hangs up."""
        assert self.conn is not None
        with socket.socket(fileno=os.dup(self.conn.fileno())) as raw:
            raw.shutdown(socket.SHUT_RDWR)

    def join(self) -> None:
        self._thread.join(BOUND_S)
        assert not self._thread.is_alive()


def blocked(shop: Shop) -> tuple[int, int]:
    """Who waits for a lock in this database, and for whom."""
    deadline = time.monotonic() + BOUND_S
    while time.monotonic() < deadline:
        row = shop.db.execute(
            "SELECT pid, pg_blocking_pids(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND wait_event_type = 'Lock'"
        ).fetchone()
        if row is not None and row[1]:
            return row[0], row[1][0]
        time.sleep(0.01)
    raise AssertionError("nobody waits for a lock")


def test_d_a_black_hole_after_the_commit(shop: Shop) -> None:
    with Proxy(shop.conninfo, [BlackHole(when=COMMITTED)]) as proxy:
        first = Calling(proxy.conninfo)
        proxy.log.await_strikes(1, timeout_s=BOUND_S)
        first.give_up()
        first.join()
        assert isinstance(first.error, psycopg.OperationalError)
        assert refund(proxy.conninfo) == ALREADY
    assert shop.one_refund()


def test_d_a_black_hole_before_the_commit_that_heals(shop: Shop) -> None:
    """The server knows nothing of the client's leaving: its transaction stays open, and the retry waits for it. Then
    the network heals, and the COMMIT of a client that is long gone arrives."""
    with Proxy(shop.conninfo, [BlackHole(when=COMMIT)]) as proxy:
        first = Calling(proxy.conninfo)
        proxy.log.await_strikes(1, timeout_s=BOUND_S)
        first.give_up()
        first.join()
        assert isinstance(first.error, psycopg.OperationalError)
        second = Calling(proxy.conninfo)
        blocked(shop)
        assert What.ENDED not in {entry.what for entry in proxy.log.entries()}
        proxy.release()
        second.join()
        assert second.answer == ALREADY
        proxy.log.await_entry(What.RELEASED, connection=1, timeout_s=BOUND_S)
        proxy.log.await_entry(What.ENDED, connection=1, timeout_s=BOUND_S)
    assert shop.one_refund()


def test_d_a_black_hole_before_the_commit_that_the_server_gives_up(shop: Shop) -> None:
    """As above, but the server ends the session that it hears nothing of, as its idle_in_transaction_session_timeout
    would."""
    with Proxy(shop.conninfo, [BlackHole(when=COMMIT)]) as proxy:
        first = Calling(proxy.conninfo)
        proxy.log.await_strikes(1, timeout_s=BOUND_S)
        first.give_up()
        first.join()
        second = Calling(proxy.conninfo)
        _, zombie = blocked(shop)
        shop.db.execute("SELECT pg_terminate_backend(%s)", [zombie])
        second.join()
        assert second.answer == REFUNDED
        proxy.release()
        proxy.log.await_entry(What.ENDED, connection=1, timeout_s=BOUND_S)
    assert shop.one_refund()
