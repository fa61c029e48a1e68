"""The way of `harness init` from files to files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from harness.adhoc.check import Server
from harness.adhoc.preflight import Place
from harness.adhoc.sources import Source, read_source
from harness.adhoc.stubs import Facts, prepare, summary
from harness.db import connect
from harness.errors import UsageError
from harness.files import cannot_write, write_atomically
from harness.scaffold.propose import Answer, propose
from harness.scaffold.write import configuration, files, lines_of, server_major

CONFIGURATION = "harness.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """``written``: in order. ``answers``, ``passed``: see `propose`. ``notices``: lines for people. ``kept``: the
    configuration that was there already, or ""."""

    answers: tuple[Answer, ...]
    passed: tuple[tuple[str, str], ...]
    written: dict[Path, str]
    notices: tuple[str, ...]
    kept: str


def init_on(
    server: Server,
    place: Place,
    sources: Sequence[Source],
    into: Path,
    here: Path,
    *,
    force: bool,
    in_force: str = "",
    watch: Callable[[str], object] = str,
) -> Done:
    """Propose scenarios for the functions in ``sources``, tried out on ``server``, and write them into ``into``, and
    a harness.toml into ``here`` unless it has one or another configuration is ``in_force`` there. ``watch`` hears
    which function is looked at. Raises `UsageError`; nothing was written then, but for a full disk."""

    def connected(name: str) -> psycopg.Connection[Any]:
        return connect(server.conninfo(name), application_name="refund-harness init")

    with connected(server.maintenance_database) as conn:
        facts = Facts.of(conn, owned=server.owned, description=server.description)
    prepared = prepare([f for source in sources for f in source.files], (), facts)
    name = place.clone(place.template(prepared.scripts))
    try:
        answers, passed = propose(connected, name, watch)
    finally:
        place.drop(name)
    proposals = [p for a in answers for p in a.proposals]
    written = files(proposals, sources, prepared, into) if proposals else {}
    kept = in_force or (CONFIGURATION if (here / CONFIGURATION).exists() else "")
    if proposals and not kept:
        text = configuration(into, [s.path for s in sources], server_major(sources), here)
        written[here / CONFIGURATION] = text
    _write(written, force=force)
    stubbed = summary(prepared.stubbed)
    return Done(
        answers=tuple(answers),
        passed=tuple(passed),
        written=written,
        notices=(*([stubbed] if stubbed else []), *prepared.notices),
        kept=kept,
    )


def read_sources(paths: Sequence[str]) -> list[Source]:
    """Raises `UsageError`, with file, line and column for bad SQL."""
    sources = [read_source(path, option="PATH") for path in paths]
    seen: set[Path] = set()
    for source in sources:
        for file in source.files:
            if file.path.resolve() in seen:
                raise UsageError(f"{file.name} is given twice")
            seen.add(file.path.resolve())
    return sources


def refuse_existing(into: Path, *, force: bool) -> None:
    """Before anything is started. Raises `UsageError` for a folder with something in it."""
    if into.exists() and not into.is_dir():
        raise UsageError(f"{into} is no folder: give another one with --into DIR")
    if not force and into.is_dir() and any(into.iterdir()):
        raise UsageError(f"{into} is there and not empty: give another folder with --into DIR, or --force")


def _write(written: dict[Path, str], *, force: bool) -> None:
    for path in written:
        if path.exists() and not force:
            raise UsageError(f"{path} is there already: it stays as it is (--force writes it anew)")
    for path, text in written.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(path, error) from None
        write_atomically(path, text.encode())


def told(done: Done, into: Path) -> Iterator[str]:
    """What is said at the end, line by line."""
    yield from done.notices
    for answer in done.answers:
        yield ""
        yield answer.title
        yield from (f"  {line}" for line in answer.lines)
        for proposal in answer.proposals:
            path = into / f"{proposal.name}.yaml"
            lines = lines_of(done.written[path], ("setup", "workers"))
            places = [
                f"{what} {path}:{lines[key]}" for key, what in (("setup", "rows"), ("workers", "calls")) if key in lines
            ]
            yield f"  edit  {'   '.join(places)}"
    if done.passed:
        yield ""
        yield "left out: " + "; ".join(f"{title} ({why})" for title, why in done.passed)
    yield ""
    count = sum(len(a.proposals) for a in done.answers)
    if not count:
        yield "No scenario was proposed, and nothing was written."
        return
    yield f"{count} scenario{'s' if count > 1 else ''} written into {into}" + (
        f"; {done.kept} was there and stays as it is" if done.kept else f", and {CONFIGURATION}"
    )
    yield f"next  harness run {into}"
