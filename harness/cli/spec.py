"""What `harness spec` does, behind its options: wiring only."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import HarnessError, UsageError

if TYPE_CHECKING:
    from harness.model import Scenario
    from harness.replay import ReplayResult
    from harness.schedule import SavedSchedule
    from harness.spec.form import Spec
    from harness.spec.printing import Stream
    from harness.targets.databases import Databases
    from harness.targets.protocol import Target

EMBEDDED = {
    # A spec counts on what a server does when nobody has set anything; ours otherwise breaks deadlocks at once.
    "deadlock_timeout": "1s",
    "plan_cache_mode": "auto",
    "max_prepared_transactions": "10",
}
"""Settings of the embedded server, for specs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The options of `harness spec`."""

    files: Sequence[Path]
    expected: Path | None
    out: Path | None
    target: str
    pg_bin: Path | None


def run_specs(asked: Asked) -> int:
    """Run each file in a database of its own; the exit code. Raises `UsageError`."""
    from harness.spec.expected import difference, expected_files
    from harness.spec.parse import read_spec
    from harness.spec.run import limit_s
    from harness.targets import open_target
    from harness.targets.databases import Databases

    limit = limit_s()
    files = _specs(asked.files)
    specs = [read_spec(file) for file in files]  # a mistake is told before anything is run
    wanted = [] if asked.expected is None else [expected_files(file, asked.expected) for file in files]
    if asked.expected is not None and asked.expected.is_file() and len(files) > 1:
        raise UsageError(f"--expected {asked.expected}: of several specs give the folder of their expected outputs")
    outs = _outs(asked.out, files)
    differing = 0
    target = open_target(asked.target, pg_bin=asked.pg_bin, embedded=EMBEDDED)
    with target, Databases(target) as databases:
        for i, (file, spec) in enumerate(zip(files, specs, strict=True)):
            printed = _carried_out(spec, target, databases, limit, echo=not wanted and asked.out is None, out=outs[i])
            if wanted:
                diff = difference(printed, wanted[i], file.name)
                differing += bool(diff)
                _write(f"{'differs' if diff else 'same'} {file}\n".encode() + diff)
            elif asked.out is not None:
                _write(f"wrote {outs[i]}\n".encode())
    return 1 if differing else 0


def spec_of(
    saved: SavedSchedule, scenario: Scenario, file: Path, out: Path | None
) -> Callable[[ReplayResult], Iterator[str]]:
    """What writes the counterexample ``saved`` to ``out`` once it has been replayed, and says so (nothing for no
    ``out``). Raises `UsageError` at once where that cannot be."""
    if out is None:
        return lambda _: iter(())
    from harness.spec.written import check_writable, rows_read, write_spec

    check_writable(saved, scenario, file, out)

    def write(result: ReplayResult) -> Iterator[str]:
        write_spec(saved, scenario, file, rows_read(result.execution.history, result.violations), out)
        yield f"wrote {out}"

    return write


def _carried_out(
    spec: Spec, target: Target, databases: Databases, limit: float, *, echo: bool, out: Path | None
) -> bytes:
    """Everything that ``spec`` printed, both streams as they came; with ``echo`` it is printed at once, too."""
    from harness.files import write_atomically
    from harness.spec.printing import Stream
    from harness.spec.run import run_spec

    printed: list[bytes] = []

    def sink(piece: bytes, stream: Stream) -> None:
        printed.append(piece)
        if echo:
            _write(piece, error=stream is Stream.ERR)

    database = databases.clone(databases.template(()))
    try:
        run_spec(spec, target.conninfo(database), sink, limit=limit)
    except HarnessError:
        if not echo:  # what came before says more than the error
            _write(b"".join(printed))
        raise
    databases.drop(database)
    if out is not None:
        write_atomically(out, b"".join(printed))
    return b"".join(printed)


def _specs(paths: Sequence[Path]) -> list[Path]:
    """The files that are named, and those in the folders that are named. Raises `UsageError`."""
    files: list[Path] = []
    for path in paths:
        found = sorted(path.glob("*.spec")) if path.is_dir() else [path]
        if not found:
            raise UsageError(f"{path}: no *.spec file in this folder")
        files += found
    return files


def _outs(folder: Path | None, files: Sequence[Path]) -> list[Path | None]:
    """Where each output goes. Raises `UsageError`."""
    if folder is None:
        return [None] * len(files)
    if not folder.is_dir():
        raise UsageError(f"--out {folder}: there is no such folder")
    outs = [folder / f"{file.stem}.out" for file in files]
    twice = next((file for file, out in zip(files, outs, strict=True) if outs.count(out) > 1), None)
    if twice is not None:
        raise UsageError(f"--out {folder}: two specs are called {twice.stem}")
    return list(outs)


def _write(piece: bytes, *, error: bool = False) -> None:
    """Straight on, so that both streams keep their order where they go to the same place."""
    stream = sys.stderr if error else sys.stdout
    stream.flush()
    stream.buffer.write(piece)
    stream.buffer.flush()
