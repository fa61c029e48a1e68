"""pytest plugin: scenario files are test items, each pytest process with its own server and databases.

A file is collected when its first line names our schema; no other YAML is touched. Nothing heavy is imported before
the first scenario runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.scenario import names_our_schema

if TYPE_CHECKING:
    from harness.driver.pool import WorkerPool
    from harness.holds import Harness
    from harness.model import ScenarioResult
    from harness.targets.databases import Databases
    from harness.targets.protocol import Target


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("refund-harness")
    group.addoption(
        "--harness-target", default="embedded", help="server for scenarios: embedded, postgresql://…, env:NAME"
    )
    group.addoption("--harness-seed", type=int, default=0, help="seed of random choices in scenarios")
    group.addoption("--harness-schedules", type=int, default=None, help="executions per search, at most")
    group.addoption(
        "--harness-replay", metavar="FILE", help="run the test of this saved schedule, and nothing but that"
    )


@pytest.fixture
def refund_harness(request: pytest.FixtureRequest) -> Harness:
    """`harness.Harness`, on this process's server: ``refund_harness.assert_holds(workers=…, …)``."""
    from harness.pytest_harness import TestHarness

    runtime = _runtime(request.config)
    return TestHarness(request.node.nodeid, request.config, runtime.target, runtime.databases, _keepsakes)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if (path := config.getoption("--harness-replay")) is not None:
        from harness.pytest_harness import only_that_of

        only_that_of(path, config, items)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if file_path.suffix in (".yaml", ".yml") and names_our_schema(file_path):
        file: ScenarioFile = ScenarioFile.from_parent(parent, path=file_path)
        return file
    return None


def pytest_unconfigure(config: pytest.Config) -> None:
    runtime = config.stash.get(_RUNTIME, None)
    if runtime is not None:
        runtime.close()


class ScenarioFile(pytest.File):
    """A scenario file; its one item bears the file's name."""

    def collect(self) -> Iterator[pytest.Item]:
        yield ScenarioItem.from_parent(self, name=self.path.stem)


class ScenarioItem(pytest.Item):
    """One scenario's campaign. It fails unless the verdict is "pass"."""

    def runtest(self) -> None:
        result = _runtime(self.config).run(self.path, self.config)
        if result.verdict.value != "pass":
            raise ScenarioFailed(result)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        from harness.errors import HarnessError
        from harness.report.explained import explained

        if isinstance(excinfo.value, ScenarioFailed):
            return explained(excinfo.value.result)
        if isinstance(excinfo.value, HarnessError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, 0, f"scenario {self.name}"


class ScenarioFailed(Exception):
    """The verdict was not "pass"; ``result`` says why."""

    def __init__(self, result: ScenarioResult) -> None:
        super().__init__(f"{result.name}: {result.verdict.value}")
        self.result = result


class _Runtime:
    """What all scenarios of one pytest process share, started by the first of them."""

    def __init__(self, config: pytest.Config) -> None:
        from harness.driver.pool import WorkerPool
        from harness.targets import open_target
        from harness.targets.databases import Databases

        self.target: Target = open_target(config.getoption("--harness-target"))
        try:
            self.databases: Databases = Databases(self.target)
            self.pool: WorkerPool = WorkerPool()
        except BaseException:
            self.target.close()
            raise

    def run(self, path: Path, config: pytest.Config) -> ScenarioResult:
        from harness.campaign import Options, Silent
        from harness.run import run_one
        from harness.scenario import load_scenario
        from harness.stage import Stages

        options = Options(
            seed=config.getoption("--harness-seed"),
            schedules=config.getoption("--harness-schedules"),
            folder=_keepsakes(config),
        )
        scenario = load_scenario(_relative(path, config))
        stages = Stages(scenario, self.target, self.databases, self.pool)
        try:
            return run_one(scenario, stages, options, Silent(), self.target.server_version)
        finally:
            stages.close()

    def close(self) -> None:
        self.pool.close()
        self.databases.close()
        self.target.close()


_RUNTIME = pytest.StashKey[_Runtime]()


def _runtime(config: pytest.Config) -> _Runtime:
    if _RUNTIME not in config.stash:
        config.stash[_RUNTIME] = _Runtime(config)
    return config.stash[_RUNTIME]


def _keepsakes(config: pytest.Config) -> Path | None:
    """Where counterexamples outlive the test run, so that the replay command works: pytest's own cache."""
    cache = getattr(config, "cache", None)
    return _relative(Path(cache.mkdir("refund-harness")), config) if cache is not None else None


def _relative(path: Path, config: pytest.Config) -> Path:
    base = config.invocation_params.dir
    return path.relative_to(base) if path.is_relative_to(base) else path
