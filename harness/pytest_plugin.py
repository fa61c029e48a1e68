"""pytest plugin: scenario files are test items, each pytest process with its own server and databases.

A file is collected when its first line names our schema; no other YAML is touched. Nothing heavy is imported before
the first scenario runs.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.scenario import names_our_schema

if TYPE_CHECKING:
    from harness.config import Configuration
    from harness.driver.pool import WorkerPool
    from harness.holds import Harness
    from harness.model import ScenarioResult
    from harness.targets.databases import Databases
    from harness.targets.protocol import Target


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("refund-harness")
    group.addoption("--harness-target", default=None, help="server for scenarios: embedded, postgresql://…, env:NAME")
    group.addoption("--harness-seed", type=int, default=None, help="seed of random choices in scenarios")
    group.addoption("--harness-schedules", type=int, default=None, help="executions per search, at most")
    group.addoption(
        "--harness-config", metavar="FILE", default=None, help="defaults of these; else harness.toml, pyproject.toml"
    )
    group.addoption("--harness-no-config", action="store_true", help="look for no such file")
    group.addoption(
        "--harness-replay", metavar="FILE", help="run the test of this saved schedule, and nothing but that"
    )


@pytest.fixture
def refund_harness(request: pytest.FixtureRequest) -> Harness:
    """`harness.Harness`, on this process's server: ``refund_harness.assert_holds(workers=…, …)``."""
    from harness.pytest_harness import TestHarness

    runtime = _runtime(request.config)
    return TestHarness(
        request.node.nodeid, request.config, runtime.target, runtime.databases, _keepsakes,
        seed=runtime.asked["seed"], schedules=runtime.asked["schedules"],
    )  # fmt: skip


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

        found = _configuration(config)
        self.asked = asked = _asked(found, config)
        self.target: Target = open_target(asked["target"], pg_bin=asked["pg_bin"])
        try:
            self.databases: Databases = Databases(self.target)
            self.pool: WorkerPool = WorkerPool()
        except BaseException:
            self.target.close()
            raise
        if warning := found.other_major(self.target.server_version):
            warnings.warn(warning, pytest.PytestWarning, stacklevel=1)

    def run(self, path: Path, config: pytest.Config) -> ScenarioResult:
        from harness.campaign import Options, Silent
        from harness.run import run_one
        from harness.scenario import load_scenario
        from harness.scenario.faults import parse_faults
        from harness.scenario.levels import parse_levels
        from harness.stage import Stages

        asked = self.asked
        options = Options(
            seed=asked["seed"],
            strategy=asked["strategy"],
            schedules=asked["schedules"],
            require_exhausted=asked["require"] is not None,
            faults=parse_faults(asked["faults"]) if asked["faults"] else (),
            levels=parse_levels(asked["isolation"]) if asked["isolation"] else (),
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


def _configuration(config: pytest.Config) -> Configuration:
    """As for `harness run` that of the working directory, else that of pytest's root folder. Raises `UsageError`."""
    from harness.config import NOTHING, configuration, environment

    if config.getoption("--harness-no-config"):
        return NOTHING
    file = config.getoption("--harness-config") or os.environ.get(environment.CONFIG)
    found = configuration(config.invocation_params.dir, Path(file) if file else None)
    return configuration(config.rootpath) if found is NOTHING else found


def _asked(found: Configuration, config: pytest.Config) -> dict[str, Any]:
    """The options of `harness run` that a scenario has here: of pytest's command line, else of the environment, else of
    the file, else the usual ones. Raises `UsageError`."""
    from harness.config.commands import defaults
    from harness.config.environment import from_environment

    usual = {"target": "embedded", "pg_bin": None, "seed": 0, "strategy": None, "schedules": None, "require": None,
             "faults": None, "isolation": None}  # fmt: skip
    typed = {name: config.getoption(f"--harness-{name}") for name in ("target", "seed", "schedules")}
    asked = usual | defaults(found, "run") | from_environment() | {k: v for k, v in typed.items() if v is not None}
    pg_bin = asked["pg_bin"] if asked["target"] == "embedded" else None
    return asked | {"pg_bin": None if pg_bin is None else Path(pg_bin)}


def _keepsakes(config: pytest.Config) -> Path | None:
    """Where counterexamples outlive the test run, so that the replay command works: pytest's own cache."""
    cache = getattr(config, "cache", None)
    return _relative(Path(cache.mkdir("refund-harness")), config) if cache is not None else None


def _relative(path: Path, config: pytest.Config) -> Path:
    base = config.invocation_params.dir
    return path.relative_to(base) if path.is_relative_to(base) else path
