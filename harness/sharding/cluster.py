"""Shards on other machines, by Dask: its scheduler hands batches out, has others do what a lost worker had in hand, and
has a dashboard. Needs the extra ``cluster``, here and on every worker's machine.

Every Dask worker executes on an embedded server of its own, which it ends when the campaign is over, or when nobody has
asked anything of it for a minute. Batches are pickled functions' arguments: a cluster runs what it is sent, so it is to
be as closed to strangers as a shell (see Dask's own pages on TLS).
"""

from __future__ import annotations

import re
import threading
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from harness.errors import DriverError, HarnessError, UsageError
from harness.sharding.work import Batch, Place, Recorded

if TYPE_CHECKING:
    from harness.sharding.host import Host

LOCAL = "local"
"""In place of an address: a cluster on this machine, for trying."""
_ADDRESS = re.compile(r"(tcp|tls)://[^/]+:[0-9]+")
CONNECT_BOUND_S = 10.0
IDLE_S = 60.0
_LEAVE_BOUND_S = 30.0


class ClusterShards:
    """The workers of the scheduler at ``address`` (``tcp://HOST:PORT``), or ``jobs`` new ones for `LOCAL`. Raises
    `UsageError` when there is no such cluster, or its workers cannot do what is asked."""

    def __init__(self, address: str, place: Place, jobs: int) -> None:
        if address != LOCAL and not _ADDRESS.fullmatch(address):
            raise UsageError(f"--cluster {address!r}: give tcp://HOST:PORT or tls://HOST:PORT, or {LOCAL}")
        try:
            import distributed
        except ImportError:
            raise UsageError("--cluster needs Dask: pip install 'refund-harness[cluster]'") from None

        self._place = place
        self._cluster = None
        self._closed = False
        if address == LOCAL:
            self._cluster = distributed.LocalCluster(
                n_workers=jobs, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=50
            )
        if address.startswith("tls") and distributed.Security().get_connection_args("client")["ssl_context"] is None:
            raise UsageError(f"--cluster {address}: Dask's configuration names no certificates (distributed.comm.tls)")
        try:
            self._client = distributed.Client(self._cluster or address, timeout=CONNECT_BOUND_S, set_as_default=False)
        except (OSError, ValueError) as error:
            if self._cluster is not None:
                self._cluster.close(timeout=_LEAVE_BOUND_S)
            raise UsageError(f"--cluster {address}: no scheduler answers there ({error})") from None
        try:
            self.width = self._require_fit(address)
        except BaseException:
            self._hang_up()
            raise
        self._executor = self._client.get_executor(pure=False)

    def submit(self, batch: Batch) -> Future[list[Recorded]]:
        asked: Future[list[Recorded]] = self._executor.submit(execute, self._place, batch)
        told: Future[list[Recorded]] = Future()
        asked.add_done_callback(lambda done: _pass_on(done, told))
        told.add_done_callback(lambda done: done.cancelled() and asked.cancel())
        return told

    def close(self) -> None:
        if self._closed:
            return
        import distributed

        self._closed = True
        self._executor.shutdown(wait=False)
        with suppress(OSError, TimeoutError, distributed.CancelledError):  # who does not answer ends by himself
            living = self._client.nthreads()
            ends = [self._client.submit(release, workers=[worker], pure=False) for worker in living]
            for end in ends:
                end.exception(timeout=_LEAVE_BOUND_S)
        self._hang_up()

    def _require_fit(self, address: str) -> int:
        """How many workers there are. Raises `UsageError` for one that will not do."""
        try:
            self._client.wait_for_workers(1, timeout=CONNECT_BOUND_S)
            found: dict[str, Any] = self._client.run(version)
        except TimeoutError:
            raise UsageError(f"--cluster {address}: its scheduler has no worker") from None
        except Exception as error:
            raise UsageError(
                f"--cluster {address}: its workers cannot run the harness ({type(error).__name__}: {error}); install "
                f"refund-harness[cluster] {version()} there"
            ) from None
        for worker, its in found.items():
            if its != version():
                raise UsageError(f"--cluster {address}: worker {worker} has refund-harness {its}, here is {version()}")
        return len(found)

    def _hang_up(self) -> None:
        self._client.close(timeout=_LEAVE_BOUND_S)
        if self._cluster is not None:
            self._cluster.close(timeout=_LEAVE_BOUND_S)


def _pass_on(done: Future[list[Recorded]], told: Future[list[Recorded]]) -> None:
    if not told.set_running_or_notify_cancel():
        return
    if done.cancelled():
        told.set_exception(DriverError("the campaign is over"))
    elif (error := done.exception()) is None:
        told.set_result(done.result())
    else:
        words = str(error) if isinstance(error, HarnessError) else f"{type(error).__name__}: {error}"
        told.set_exception(DriverError(f"in the cluster: {words}"))


# ------------------------------------------------------------------------------------------------ on a worker


class _Here:
    """What a worker's process keeps between batches."""

    lock = threading.Lock()
    host: Host | None = None
    place: Place | None = None
    timer: threading.Timer | None = None


def version() -> str:
    """Of the harness in this process."""
    from harness import __version__

    return __version__


def execute(place: Place, batch: Batch) -> list[Recorded]:
    """Execute a batch in this process; one at a time, however many threads Dask has here."""
    from harness.sharding.host import Host

    with _Here.lock:
        if _Here.timer is not None:
            _Here.timer.cancel()
        if _Here.host is None or _Here.place != place:
            _close()
            _Here.host, _Here.place = Host(place), place
        try:
            return _Here.host.execute(batch)
        except BaseException:
            _close()
            raise
        finally:
            _Here.timer = threading.Timer(IDLE_S, release)
            _Here.timer.daemon = True
            _Here.timer.start()


def release() -> None:
    """End the server of this process, once nothing is executed on it."""
    with _Here.lock:
        _close()


def _close() -> None:
    host, _Here.host = _Here.host, None
    if host is not None:
        host.close()
