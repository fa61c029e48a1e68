"""What `harness soak` does, behind its options: wiring only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.reporting import tried
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.report.soak import SoakConsole
    from harness.soak.run import SoakOptions
    from harness.soaked import Fault, Finding, Sample, SoakResult
    from harness.targets.protocol import Target

SECONDS = 60.0
"""How long a soak lasts when nobody says."""
PER_CORE = 4
_OTHER_CONNECTIONS = 20
"""Of the harness itself and of the directed search, beside the workers'."""
_USUAL_CONNECTIONS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The options of `harness soak`."""

    target: str
    pg_bin: Path | None
    workers: int | None
    users: int
    seconds: float | None
    operations: int | None
    faults: str
    sql: Sequence[Path]
    seed: int
    json: Path | None
    quiet: bool
    verbose: bool


def run_soak(asked: Asked, folder: Path) -> int:
    """Soak, report, and say how it went; the exit code. Raises `UsageError` for options that do not go together."""
    from harness.model import EXIT_CODES, Verdict
    from harness.report.canvas import write_picture
    from harness.report.folder import latest, publish
    from harness.report.soak import SoakConsole
    from harness.report.soak_json import FILE, write_soak
    from harness.report.soak_png import FILE as PICTURE
    from harness.report.soak_png import soak_picture
    from harness.soak.run import soak

    options = soak_options(asked)
    console = SoakConsole(quiet=asked.quiet, verbose=asked.verbose)
    try:
        with _open(asked, options.workers) as target:
            result = soak(options, target, folder, _Told(console))
    finally:
        console.close()
    files = [folder / FILE, *([asked.json] if asked.json is not None else [])]

    def save(result: SoakResult) -> str:
        return tried(*(partial(write_soak, result, file) for file in files))

    failed = [save(result), tried(lambda: write_picture(soak_picture(result), folder / PICTURE))]
    if any(failed):
        trouble = "; ".join(filter(None, (result.trouble, *failed)))
        result = replace(result, verdict=Verdict.ERROR, trouble=trouble)
        save(result)
    tried(lambda: publish(folder))
    console.done(result, latest(folder))
    return EXIT_CODES[result.verdict]


def soak_options(asked: Asked) -> SoakOptions:
    """``asked`` with what it leaves open filled in. Raises `UsageError`."""
    from harness.run import default_jobs
    from harness.soak.run import SoakOptions

    if asked.seconds is not None and asked.operations is not None:
        raise UsageError("--seconds and --operations: give one of them, the soak ends by it")
    seconds = SECONDS if asked.seconds is None and asked.operations is None else asked.seconds
    return SoakOptions(
        workers=asked.workers or PER_CORE * default_jobs("auto"), users=asked.users, seed=asked.seed, seconds=seconds,
        operations=asked.operations, faults=read_faults(asked.faults), more=asked.sql,
    )  # fmt: skip


def read_faults(text: str) -> tuple[Fault, ...]:
    """``kill,cancel`` → those, each once; ``none`` → nothing. Raises `UsageError`."""
    from harness.scenario.schema import nearest
    from harness.soaked import Fault

    known = {f.value: f for f in Fault}
    names = [name.strip() for name in text.split(",")]
    if names == ["none"]:
        return ()
    for name in names:
        if name not in known:
            more = ": stands alone" if name == "none" else nearest(name, [*known, "none"])
            raise UsageError(f"--faults: {'unknown ' if name != 'none' else ''}{name!r}{more}")
    return tuple(dict.fromkeys(known[name] for name in names))


def _open(asked: Asked, workers: int) -> Target:
    from harness.targets import open_target

    needed = workers + _OTHER_CONNECTIONS
    settings = {"max_connections": str(needed)} if needed > _USUAL_CONNECTIONS else {}
    return open_target(asked.target, pg_bin=asked.pg_bin, embedded=settings)


class _Told:
    """Passes on to the console what the soak tells."""

    def __init__(self, console: SoakConsole) -> None:
        self._console = console

    def started(self, description: str, server_version: str, options: SoakOptions) -> None:
        self._console.started(description, server_version, options.workers, [str(p) for p in options.more])

    def sampled(self, sample: Sample) -> None:
        self._console.sampled(sample)

    def alarmed(self) -> None:
        self._console.alarmed()

    def handing_over(self, finding: Finding) -> None:
        self._console.handing_over(finding)
