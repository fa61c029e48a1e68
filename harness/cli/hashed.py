"""The hash of a scenario file that was just written, for whoever saves a counterexample."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.adhoc.options import Request


class TextHash:
    """What `Scenario.text_hash` may be. To find it out the file is read back, which takes a fifth of a second: a run
    without a counterexample need not spend it. Where a file was changed meanwhile it is "", the hash of none: what was
    run is not there any more."""

    def __init__(self, scenario: Path, request: Request) -> None:
        self._scenario, self._request = scenario, request
        self._before = self._files()
        self._found: str | None = None

    def __call__(self) -> str:
        if self._found is None:
            from harness.scenario import load_scenario

            found = load_scenario(self._scenario).hash
            self._found = found if self._files() == self._before else ""
        return self._found

    def _files(self) -> dict[Path, tuple[int, int, int] | None]:
        return {path: _state(path) for path in self._read()}

    def _read(self) -> Iterator[Path]:
        """Everything that the scenario is made of: a folder's files, and what lies beside the scenario."""
        yield self._scenario
        given: Iterable[Path | None] = [source.path for source in self._request.sources]
        beside = self._scenario.with_name(f"{self._scenario.stem}_sql")
        for path in (*given, *(asked.path for asked in self._request.invariants), beside):
            if path is not None:
                yield path
                yield from sorted(path.glob("*.sql"))


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
