"""`run.json.gz`: the whole result of a run, from which its report can be made again, without any server.

Version 1 of the file holds the fields of `RunResult` and of all that it is made of, but for those that have their
default. A field with a default may come (older files mean the default); whatever else changes there makes it version 2.
It is for the harness itself: what other programs read is `results.json`.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from harness import __version__
from harness.errors import UsageError
from harness.files import write_atomically
from harness.model import RunResult
from harness.report.folder import LATEST, run_places

FILE = "run.json.gz"
VERSION = 1


def write_run(run: RunResult, folder: Path) -> None:
    """Write `run.json.gz` into `folder`. Equal runs give equal bytes. Raises `SaveError`."""
    fields = _keyed(TypeAdapter(RunResult).dump_python(run, exclude_defaults=True, warnings=False), json.dumps)
    saved = {"version": VERSION, "harness": __version__, "run": fields}
    # Escaped, so that a lone surrogate goes through; what JSON has no form for is told by its text, as in reports.
    text = json.dumps(saved, separators=(",", ":"), default=str)
    write_atomically(folder / FILE, gzip.compress(text.encode("ascii"), mtime=0))


def read_run(folder: Path) -> RunResult:
    """The run that was saved in `folder`, equal to what was written. Raises `UsageError` for anything else."""
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


def _keyed(run: Any, key: Callable[[Any], Any]) -> Any:
    """`run` with the only mapping whose keys are no texts given others: keys of JSON are texts."""
    for scenario in run["scenarios"]:
        drawn = (scenario.get("faults") or {}).get("drawn") or {}
        if "struck" in drawn:
            drawn["struck"] = {key(place): n for place, n in drawn["struck"].items()}
    return run
