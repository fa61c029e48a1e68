"""`run.json.gz`: the whole result of a run, from which its report can be made again, without any server.

Version 1 of the file holds the fields of `RunResult` and of all that it is made of, but for those that have their
default. A field with a default may come (older files mean the default); whatever else changes there makes it version 2.
It is for the harness itself: what other programs read is `results.json`.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

from harness import __version__
from harness.errors import UsageError
from harness.files import write_atomically
from harness.model import RunResult
from harness.report.folder import LATEST, run_places

FILE = "run.json.gz"
VERSION = 1


def write_run(run: RunResult, folder: Path) -> None:
    """Write `run.json.gz` into `folder`. Equal runs give equal bytes. Raises `SaveError`."""
    saved = {"version": VERSION, "harness": __version__, "run": _keyed(_told(run), json.dumps)}
    # Escaped, so that a lone surrogate goes through; what JSON has no form for is told by its text, as in reports.
    text = json.dumps(saved, separators=(",", ":"), default=str)
    write_atomically(folder / FILE, gzip.compress(text.encode("ascii"), mtime=0))


def read_run(folder: Path) -> RunResult:
    """The run that was saved in `folder`, equal to what was written. Raises `UsageError` for anything else."""
    from pydantic import TypeAdapter, ValidationError  # to write one it takes no library

    path = folder / FILE
    try:
        saved = json.loads(gzip.decompress(path.read_bytes()))
    except OSError as error:  # a file that is no gzip is one, too
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (EOFError, zlib.error, ValueError) as error:
        raise UsageError(f"{path}: not a saved run: {error}") from None
    if not isinstance(saved, dict) or not {"version", "harness", "run"} <= saved.keys():
        raise UsageError(f"{path}: not a saved run")
    if saved["version"] != VERSION:
        raise UsageError(
            f"{path}: saved by harness {saved['harness']} as version {saved['version']}; "
            f"this is harness {__version__}, which reads version {VERSION}"
        )
    try:
        return TypeAdapter(RunResult).validate_python(_keyed(saved["run"], lambda key: tuple(json.loads(key))))
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"{path}: not a saved run: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        raise UsageError(f"{path}: not a saved run: {error}") from None


def find_run(folder: Path) -> Path:
    """`folder` where a run was saved in it, else the last run of that folder of reports. Raises `UsageError`."""
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder")
    for place in run_places(folder):
        if (place / FILE).is_file():
            return place
    raise UsageError(f"{folder}: holds no saved run: no {FILE}, neither here nor in {LATEST}")


def _told(value: Any) -> Any:
    """What a value is made of, without what is as it is by default."""
    if is_dataclass(value) and not isinstance(value, type):
        parts = ((name, getattr(value, name), default) for name, default in _defaults(type(value)))
        return {name: _told(part) for name, part, default in parts if part != default}
    if isinstance(value, Mapping):
        return {key: _told(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_told(part) for part in value]
    return value


@cache
def _defaults(kind: Any) -> tuple[tuple[str, Any], ...]:
    """Each field of a dataclass and what it is by default; `MISSING` where it has to be given."""
    made = ((f.name, f.default_factory() if f.default_factory is not MISSING else f.default) for f in fields(kind))
    return tuple(made)


def _keyed(run: Any, key: Callable[[Any], Any]) -> Any:
    """`run` with the only mapping whose keys are no texts given others: keys of JSON are texts."""
    for scenario in run["scenarios"]:
        drawn = (scenario.get("faults") or {}).get("drawn") or {}
        if "struck" in drawn:
            drawn["struck"] = {key(place): n for place, n in drawn["struck"].items()}
    return run
