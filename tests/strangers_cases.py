"""Functions as strangers write them: each a file of `tests/strangers/` with the verdict that it earns.

A file is what its author would pass to ``harness check --sql``, tables, rows and all; above it stand comment lines
``-- KEY: VALUE``, one a line: ``about``; ``call`` and ``setup`` (repeatable), ``workers`` and ``invariant NAME`` as the
options of that command; ``expect``: ``pass`` or ``violation CHECK``; ``why``: the race, or why there is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "strangers"

_LINE = re.compile(r"-- (about|call|setup|workers|invariant \w+|expect|why): (.+)")
_VERDICT = re.compile(r"pass|violation (\w+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stranger:
    """``calls``, ``setups``, ``workers``, ``invariants`` (``NAME=SQL``): as ``harness check`` takes them. ``violates``:
    the check that must be violated; None: nothing may be."""

    name: str
    path: Path
    calls: tuple[str, ...]
    setups: tuple[str, ...]
    workers: int | None
    invariants: tuple[str, ...]
    violates: str | None


def strangers(folder: Path = FOLDER) -> tuple[Stranger, ...]:
    """All of those in ``folder``, by name. Raises ValueError where a header is not as described above."""
    return tuple(_stranger(path) for path in sorted(folder.glob("*.sql")))


def _stranger(path: Path) -> Stranger:
    header = list(_header(path))
    once = {key: value for key, value in header if key in ("about", "workers", "expect", "why")}
    verdict = _VERDICT.fullmatch(once.get("expect", ""))
    if verdict is None or not {"about", "why"} <= once.keys():
        raise ValueError(f"{path.name}: needs an about, a why, and an expect: pass or violation CHECK")
    return Stranger(
        name=path.stem,
        path=path,
        calls=tuple(value for key, value in header if key == "call"),
        setups=tuple(value for key, value in header if key == "setup"),
        workers=int(once["workers"]) if "workers" in once else None,
        invariants=tuple(f"{key.split()[1]}={value}" for key, value in header if key.startswith("invariant ")),
        violates=verdict[1],
    )


def _header(path: Path) -> Iterator[tuple[str, str]]:
    """Key and value of each line above the first one that is none of them."""
    for line in path.read_text(encoding="utf-8").splitlines():
        found = _LINE.fullmatch(line)
        if found is None:
            return
        yield found[1], found[2]
