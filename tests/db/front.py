"""Something in front of a server, in a thread of its own: what stands between is for those who inherit to say."""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

from psycopg.conninfo import make_conninfo

BOUND_S = 120


class Front(ABC):
    """Listens on a free port of 127.0.0.1 while it is open. ``parameters``: of libpq, for clients that come this way
    (by name, as text)."""

    def __init__(self, **parameters: str) -> None:
        self._parameters = parameters
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self.port = 0

    def conninfo(self, conninfo: str) -> str:
        """``conninfo`` of the server, by way of here."""
        return make_conninfo(conninfo, host="127.0.0.1", port=self.port, **self._parameters)

    def __enter__(self) -> Self:
        self._thread.start()
        self.port = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(BOUND_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._leave(), self._loop).result(BOUND_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @abstractmethod
    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client, until it leaves or this is cancelled."""

    def left(self) -> None:  # noqa: B027 - most have nothing to do here
        """Everybody has been served: close what is still open."""

    async def _listen(self) -> int:
        self._listening = await asyncio.start_server(self.accept, "127.0.0.1", 0)
        port: int = self._listening.sockets[0].getsockname()[1]
        return port

    async def _leave(self) -> None:
        self._listening.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.left()
