"""`harness.Harness` in a test: on the process's own server, named after the test, replayed by pytest."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.holds import Harness
from harness.schedule import read_saved
from harness.targets.databases import Databases
from harness.targets.protocol import Target


class TestHarness(Harness):
    """For the test ``node``. ``keepsakes``: the folder in which counterexamples outlive the run."""

    __test__ = False

    def __init__(
        self,
        node: str,
        config: pytest.Config,
        target: Target,
        databases: Databases,
        keepsakes: Callable[[pytest.Config], Path | None],
        *,
        seed: int = 0,
        schedules: int | None = None,
    ) -> None:
        super().__init__(seed=seed, schedules=schedules)
        self._node, self._config, self._keepsakes = node, config, keepsakes
        self._server = target, databases
        self._names = 0

    def close(self) -> None:
        """The server is everybody's."""

    def _name(self, function: str) -> str:  # noqa: ARG002
        self._names += 1
        number = f"_{self._names}" if self._names > 1 else ""
        return self._node.removesuffix("]").rpartition("/")[2].replace(".py::", ".").replace("::", ".") + number

    def _place(self, place: str) -> str:  # noqa: ARG002
        return self._node

    def _again(self, path: str) -> str:
        return f"pytest {shlex.quote(self._node)} --harness-replay {shlex.quote(path)}"

    def _replayed(self, name: str, given: str | os.PathLike[str] | None) -> Path | None:
        asked = self._config.getoption("--harness-replay")
        if asked is not None and read_saved(Path(asked)).scenario == name:
            return Path(asked)
        return super()._replayed(name, given)

    def _folder(self) -> Path | None:
        return self._keepsakes(self._config)

    def _tidy(self, folder: Path | None) -> None:
        """It is pytest's cache."""


def only_that_of(path: str, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave of ``items`` the test that the schedule in ``path`` was saved by. Raises `pytest.UsageError`."""
    try:
        place = read_saved(Path(path)).file
    except UsageError as error:
        raise pytest.UsageError(f"--harness-replay: {error}") from None
    kept = [item for item in items if item.nodeid == place]
    if not kept:
        raise pytest.UsageError(f"--harness-replay {path}: its test {place} is not among those collected")
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid != place])
    items[:] = kept
