"""The server of a test process, started by the first case and left when the process ends; a stage per system."""

from __future__ import annotations

import atexit
from contextlib import ExitStack

from harness.draw.system import System
from harness.driver.pool import WorkerPool
from harness.errors import UsageError
from harness.stage import Stage
from harness.targets import open_target
from harness.targets.databases import Databases
from harness.targets.protocol import Target

MOST_STAGES = 8
"""Each holds a database and worker connections: the one that was used longest ago goes first."""


class Runtime:
    """``spec``: where the server is, as for ``--target``. A context manager by `close`, which may be called again."""

    def __init__(self, spec: str = "embedded") -> None:
        with ExitStack() as opened:
            self._target: Target = opened.enter_context(open_target(spec))
            self._databases = opened.enter_context(Databases(self._target))
            self._pool = opened.enter_context(WorkerPool())
            self._opened = opened.pop_all()
        self._stages: dict[System, Stage] = {}

    @property
    def server_version(self) -> str:
        return self._target.server_version

    def stage(self, system: System) -> Stage:
        """The stage of a system, made when it is first needed; every function there has gates."""
        stage = self._stages.pop(system, None)
        if stage is None:
            if len(self._stages) >= MOST_STAGES:
                self._stages.pop(next(iter(self._stages))).close()
            stage = Stage(system.scenario, self._target, self._databases, self._pool, inside=True, everywhere=True)
        self._stages[system] = stage
        return stage

    def forget(self, system: System) -> None:
        """Something went wrong in mid-execution: begin with a new database next time."""
        stage = self._stages.pop(system, None)
        if stage is not None:
            stage.close()

    def close(self) -> None:
        for stage in self._stages.values():
            stage.close()
        self._stages = {}
        self._opened.close()


_spec = "embedded"
_runtime: Runtime | None = None


def use_target(spec: str) -> None:
    """Say where the server is, before the first case is run: ``embedded``, ``postgresql://…`` or ``env:NAME``."""
    global _spec
    if _runtime is not None and spec != _spec:
        raise UsageError(f"the server of this process is {_spec} already: say so before the first case is run")
    _spec = spec


def runtime() -> Runtime:
    """That of this process."""
    global _runtime
    if _runtime is None:
        _runtime = Runtime(_spec)
        atexit.register(close)
    return _runtime


def close() -> None:
    """Leave the server. May be called again; the next case would start another."""
    global _runtime
    if _runtime is not None:
        atexit.unregister(close)
        _runtime.close()
        _runtime = None
