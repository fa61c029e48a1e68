"""The hash of a scenario file that was just written, for whoever saves a counterexample."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.adhoc.options import Request


States = dict[Path, "tuple[int, int, int] | None"]


class TextHash:
    """What `Scenario.text_hash` may be. To find it out the file is read back, which takes a fifth of a second: a run
    without a counterexample need not spend it. ``before``: `states` of the files of ``request``, when they were read.
    Where a file was changed since it is "", the hash of none: what was run is not there any more."""

    def __init__(self, scenario: Path, request: Request, before: States) -> None:
        self._scenario, self._request = scenario, request
        self._before = {**before, **states([scenario, *_beside(scenario)])}
        self._found: str | None = None

    def __call__(self) -> str:
        if self._found is None:
            from harness.scenario import load_scenario

            found = load_scenario(self._scenario).hash
            now = states([*files_of(self._request), self._scenario, *_beside(self._scenario)])
            self._found = found if now == self._before else ""
        return self._found


def files_of(request: Request) -> Iterator[Path]:
    """What a check was given to read: files, and folders with their files."""
    given: Iterable[Path | None] = [source.path for source in request.sources]
    for path in (*given, *(asked.path for asked in request.invariants)):
        if path is not None:
            yield path
            yield from sorted(path.glob("*.sql"))


def states(paths: Iterable[Path]) -> States:
    """What tells whether one of them has changed. To be asked of `files_of` a request as soon as they were read."""
    return {path: _state(path) for path in paths}


def _beside(scenario: Path) -> Iterator[Path]:
    """What was written along with it."""
    folder = scenario.with_name(f"{scenario.stem}_sql")
    yield folder
    yield from sorted(folder.glob("*.sql"))


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
