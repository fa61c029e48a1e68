"""Proposals as files: scenarios, their invariants, the SQL that had to be changed, and a harness.toml."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.adhoc.save import FIRST_LINE, scalar
from harness.adhoc.sources import Source
from harness.adhoc.stubs import Prepared
from harness.scaffold.bench import Call
from harness.scaffold.invariants import Invariant

_ABOUT = {
    "requests": "Two requests at the same time, each with keys of its own.",
    "retry": "The very same call twice at the same time: a retry, or a double click.",
    "apart": "Two calls about different rows that have something in common.",
    "opposite": "Two calls that take the same things in opposite orders.",
    "first": "Twice for the first time: both calls find nothing yet.",
    "both": "Two functions that write the same table, at the same time.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """One scenario. ``name``: of its file as well. ``variant``: see `harness.scaffold.judge.Pair`; ``both``: of two
    functions. ``notes``: what a person should know, one line each. ``given``: what the arguments are, the same."""

    name: str
    title: str
    variant: str
    setup: tuple[str, ...]
    calls: tuple[Call, Call]
    given: tuple[str, ...]
    notes: tuple[str, ...]
    invariants: tuple[Invariant, ...]
    group: str


def files(proposals: Sequence[Proposal], sources: Sequence[Source], prepared: Prepared, into: Path) -> dict[Path, str]:
    """Path → text of all that is to be written below ``into``; nothing is touched."""
    found: dict[Path, str] = {}
    install = list(_install(sources, prepared, into, found))
    for proposal in proposals:
        for invariant in proposal.invariants:
            found[into / _file(proposal, invariant)] = _query(invariant)
        found[into / f"{proposal.name}.yaml"] = "\n".join([*_scenario(proposal, install), ""])
    return found


def _file(proposal: Proposal, invariant: Invariant) -> str:
    return f"invariants/{proposal.group}/{invariant.name}.sql"


def _query(invariant: Invariant) -> str:
    lines = [f"-- A row means: {invariant.means}."]
    if "(VALUES " in invariant.sql:
        lines.append("-- The totals are those of the set-up: they change with it.")
    return "\n".join([*lines, invariant.sql, ""])


def _scenario(proposal: Proposal, install: Sequence[str]) -> Iterator[str]:
    yield FIRST_LINE
    yield "# Proposed by `harness init`: a first draft, tried in serial order. Change what your program does otherwise."
    yield "version: 1"
    yield f"name: {proposal.name}"
    yield f"about: {scalar(f'{proposal.title}: {_ABOUT[proposal.variant]}')}"
    yield "install:"
    yield from (f"  - {scalar(entry)}" for entry in install)
    if proposal.setup:
        yield "# Rows that the calls find: made up, such that the server takes them. Put in what is usual with you."
        yield "setup:"
        yield from (f"  - {scalar(statement, 6)}" for statement in proposal.setup)
    yield from (f"# {note}" for note in proposal.notes)
    yield "workers:"
    for number, call in enumerate(proposal.calls, 1):
        yield f"  w{number}:"
        yield "    transaction:" if call.before and not call.apart else "    statements:"
        if number == 1:
            yield from (f"      # {line}" for line in proposal.given)
        yield from (f"      - {scalar(statement, 8)}" for statement in (*call.before, call.sql))
    yield "orders:"
    yield "  - auto"
    active = [i for i in proposal.invariants if i.holds]
    doubtful = [i for i in proposal.invariants if not i.holds]
    if active:
        yield "# Each held in the set-up and after the calls in every serial order. It is broken when:"
        yield "invariants:"
        for invariant in active:
            yield f"  # {invariant.means}"
            yield f"  - {scalar(_file(proposal, invariant))}"
    if doubtful:
        yield "# These do not hold here, perhaps by what was made up; take the # away where they ought to:"
        if not active:
            yield "# invariants:"
        for invariant in doubtful:
            yield f"  # {invariant.means}"
            yield f"  # - {scalar(_file(proposal, invariant))}"


def _install(sources: Sequence[Source], prepared: Prepared, into: Path, found: dict[Path, str]) -> Iterator[str]:
    """What a scenario installs, as it names it; what is no file of the person's goes to ``found``."""
    scripts = {s.name: s for s in prepared.scripts}
    own = {f.name for source in sources for f in source.files}
    for script in prepared.scripts:
        if script.name not in own:
            found[into / "sql" / script.name] = f"{script.text}\n"
            yield f"sql/{script.name}"
    number = 0
    for source in sources:
        if not prepared.changed & {f.name for f in source.files}:
            number += len(source.files)
            yield relative(source.path, into)
            continue
        for file in source.files:
            number += 1
            if file.name in prepared.changed:
                name = f"{number:02}_{file.path.name}"
                found[into / "sql" / name] = f"{scripts[file.name].text}\n"
                yield f"sql/{name}"
            else:
                yield relative(file.path, into)


def relative(path: Path, base: Path) -> str:
    """The path from ``base``; never the bare name of something that is shipped."""
    found = os.path.relpath(path.resolve(), base.resolve()).replace(os.sep, "/")
    return found if "/" in found else f"./{found}"


_DUMPED = re.compile(r"^-- Dumped from database version (\d+)", re.MULTILINE)


def server_major(sources: Sequence[Source]) -> int | None:
    """Of the server that a dump came from; None: nothing says it."""
    for source in sources:
        for file in source.files:
            if said := _DUMPED.search(file.text):
                return int(said[1])
    return None


def configuration(into: Path, sql: Sequence[Path], major: int | None, here: Path) -> str:
    """The text of a harness.toml in ``here``."""
    lines = [
        "# Written by `harness init`. Paths are relative to this file.",
        "",
        "# Folders of scenario files: what `harness run` runs when it is given none.",
        f"scenarios = [{_string(_plain(into, here))}]",
        "",
        "# Files or folders of SQL, in the order in which they are installed.",
        f"sql = [{', '.join(_string(_plain(path, here)) for path in sql)}]",
        "",
    ]
    if major is not None:
        lines += ["# The server that the dump came from: a run on another one says so.", f"server_major = {major}"]
    else:
        lines += ["# The version of your own server: a run on another one says so.", "# server_major = 17"]
    return "\n".join([*lines, ""])


def _plain(path: Path, here: Path) -> str:
    return os.path.relpath(path.resolve(), here.resolve()).replace(os.sep, "/")


def _string(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def lines_of(text: str, keys: Sequence[str]) -> Mapping[str, int]:
    """The line of a scenario's text on which each of ``keys`` begins."""
    found: dict[str, int] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if (key := line.rstrip(":")) in keys and line.endswith(":"):
            found.setdefault(key, number)
    return found
