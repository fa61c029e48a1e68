"""A stage whose server may be crashed: its own one, since a crash takes everybody's connection."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace

from harness.driver.pool import WorkerPool
from harness.errors import UsageError
from harness.model import CRASHES, Action, Scenario
from harness.stage import Stage
from harness.targets.databases import Databases
from harness.targets.durable import DurableTarget
from harness.targets.embedded import EmbeddedTarget
from harness.targets.protocol import Target


def refuse_elsewhere(faults: Collection[str], target: Target, where: str) -> None:
    """Raises `UsageError` when one of ``faults`` crashes a server, and none of ours can be had beside ``target``.
    ``where``: who asks."""
    asked = [name for name in CRASHES if name in faults]
    if asked and not isinstance(target, EmbeddedTarget):
        raise UsageError(f"{where}: {asked[0]} kills a server of its own: that goes with --target embedded only")


@contextmanager
def crashing(scenario: Scenario, target: Target, pool: WorkerPool) -> Iterator[Stage]:
    """``scenario`` on a durable server of its own with the programs of ``target``, which is not touched. The server is
    gone when it is left; the processes of ``pool`` may serve another stage afterwards. Raises `HarnessError`."""
    refuse_elsewhere(tuple(CRASHES), target, scenario.file)
    assert isinstance(target, EmbeddedTarget)
    with DurableTarget(pg_bin=target.binaries.folder) as server, Databases(server) as databases:

        def crash(action: Action, backend: int) -> None:
            if action is Action.BACKEND_CRASH:
                server.crash_backend(backend)
            else:
                server.crash_server()
            databases.reconnect()

        # What restores a database between executions lives in a session, which no crash spares.
        whole = replace(scenario, fresh_database=scenario.fresh_database or scenario.restore, restore=False)
        stage = Stage(whole, server, databases, pool, inside=True, crash=crash)
        try:
            yield stage
        finally:
            stage.close()
