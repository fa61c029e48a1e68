"""`results.json` read back: of whatever harness wrote it, as long as it says version 1. Unknown keys are ignored."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.errors import UsageError
from harness.model import Verdict
from harness.report.folder import run_places
from harness.report.results import VERSION
from harness.report.write import RESULTS


class _Read(BaseModel):
    """Keys that not every writer of version 1 knew have a default."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class ReadViolation(_Read):
    check: str
    message: str = ""
    replay: str = ""


class ReadPairs(_Read):
    seen: int
    possible: int


class ReadLevel(_Read):
    level: str
    own: bool = False
    violated: tuple[str, ...] = ()


class ReadCell(_Read):
    fault: str
    checks: Mapping[str, int] = {}


class ReadFaults(_Read):
    cells: tuple[ReadCell, ...] = ()


class ReadCase(_Read):
    name: str
    checks: Mapping[str, int] = {}


class ReadScenario(_Read):
    """One scenario of a run. ``points``, ``ordered_pairs``: None where nothing was interleaved inside functions."""

    name: str
    file: str = ""
    verdict: Verdict
    observed: Verdict
    strategy: str = ""
    schedules: int
    exhausted: bool
    meaning: str = ""
    elapsed_s: float
    violations: tuple[ReadViolation, ...] = ()
    points: int | None = None
    ordered_pairs: ReadPairs | None = None
    isolation: tuple[ReadLevel, ...] = ()
    faults: ReadFaults = ReadFaults()
    cases: tuple[ReadCase, ...] = ()

    @property
    def violated(self) -> tuple[str, ...]:
        """What was violated: names of checks, with the level, the fault or the case where that was not the scenario's
        own campaign; each once."""
        return tuple(dict.fromkeys(self._violated()))

    def _violated(self) -> Iterator[str]:
        yield from (v.check for v in self.violations)
        for row in self.isolation:
            if not row.own:
                yield from (f"{check} at {row.level}" for check in row.violated)
        for cell in self.faults.cells:
            yield from (f"{check} under {cell.fault}" for check in cell.checks)
        for case in self.cases:
            yield from (f"{check} in {case.name}" for check in case.checks)


class ReadRun(_Read):
    """A run, as far as it is compared."""

    version: int
    verdict: Verdict
    seed: int
    server_version: str
    elapsed_s: float
    scenarios: tuple[ReadScenario, ...]
    trouble: str = ""


def read_results(path: Path) -> ReadRun:
    """The results in ``path``: a file, the folder of a run, or a folder of reports, whose last run counts. Raises
    `UsageError`."""
    file = _file(path)
    try:
        value = json.loads(file.read_bytes())
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror or error}") from None
    except json.JSONDecodeError as error:
        raise UsageError(f"{file}:{error.lineno}:{error.colno}: not JSON: {error.msg}") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file}:1:1: not JSON: {error}") from None
    version = value.get("version") if isinstance(value, dict) else None
    if version is None:
        raise UsageError(f"{file}: no {RESULTS}: it says no version")
    if version != VERSION:
        raise UsageError(f"{file}: {RESULTS} of version {version!r}; this harness reads version {VERSION}")
    try:
        return ReadRun.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"{file}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def _file(path: Path) -> Path:
    if not path.is_dir():
        return path
    for place in run_places(path):
        if (place / RESULTS).is_file():
            return place / RESULTS
    raise UsageError(f"{path}: no {RESULTS} in this folder")
