"""A shard's process: executes batches as they come, and lives as long as the other end of its connection."""

from __future__ import annotations

import signal
import sys
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import NoReturn

from harness.db import answering
from harness.errors import HarnessError
from harness.sharding.host import Host
from harness.sharding.work import Batch, Place


def main(fd: int) -> NoReturn:
    """First comes a `Place`, then every `Batch` is answered by what was recorded, or by the words of what went
    wrong."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the campaign, which then hangs up
    signal.signal(signal.SIGTERM, _leave)
    connection: Connection[object, object] = Connection(fd)
    try:
        place = connection.recv()
        assert isinstance(place, Place)
        with _opened(place) as host:
            while True:
                batch = connection.recv()
                assert isinstance(batch, Batch)
                connection.send(host.execute(batch))
    except HarnessError as error:
        _say(connection, str(error))
    except (EOFError, OSError):
        pass  # the campaign is over, or its process dead
    sys.exit(0)


def _opened(place: Place) -> Host:
    """Raises a `HarnessError` also for what the system refuses."""
    with answering():
        return Host(place)


def _say(connection: Connection[object, object], trouble: str) -> None:
    with suppress(OSError):  # nobody is there to hear it
        connection.send(trouble)


def _leave(*_: object) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(128 + signal.SIGTERM)
