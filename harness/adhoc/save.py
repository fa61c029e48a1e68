"""What was checked, as a scenario file: to be kept, changed, and replayed from."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from harness.adhoc.options import Request
from harness.adhoc.stubs import Prepared
from harness.errors import UsageError
from harness.model import Scenario, Script, Search, Worker

FIRST_LINE = "# yaml-language-server: $schema=refund-harness.schema.json"


def save(scenario: Scenario, request: Request, prepared: Prepared, path: Path) -> None:
    """Write ``scenario`` to ``path``. SQL of files is named by its path from there; what stood in options, and files
    that had to be changed, go into a folder beside it. Raises `UsageError`."""
    try:
        _require_ours(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_Writer(path).text(scenario, request, prepared), encoding="utf-8")
    except OSError as e:
        raise UsageError(f"cannot save {path}: {e.strerror or e}") from None


def _require_ours(path: Path) -> None:
    """Whatever else has that name stays."""
    if path.exists() and not path.read_bytes().startswith(b"# yaml-language-server: $schema="):
        raise UsageError(f"--save {path}: this file is no scenario, and stays as it is")


class _Writer:
    def __init__(self, path: Path) -> None:
        self.base = path.parent
        self.folder = path.with_name(f"{path.stem}_sql")

    def text(self, scenario: Scenario, request: Request, prepared: Prepared) -> str:
        return "".join(line + "\n" for line in self._lines(scenario, request, prepared))

    def _lines(self, scenario: Scenario, request: Request, prepared: Prepared) -> Iterator[str]:
        yield FIRST_LINE
        yield "version: 1"
        yield f"name: {scenario.name}"
        yield "install:"
        yield from (f"  - {scalar(entry)}" for entry in self._install(request, prepared))
        if scenario.setup:
            yield "setup:"
            for script in scenario.setup:
                yield f"  - {scalar(script.text, 6)}"
        yield "workers:"
        for worker in scenario.workers:
            yield from _worker(worker)
        yield "orders:"
        for search in scenario.interleavings:
            assert isinstance(search, Search)
            yield f"  - {search.strategy}"
        if scenario.invariants:
            yield "invariants:"
            for asked, script in zip(request.invariants, scenario.invariants, strict=True):
                if asked.path is not None and asked.path.stem == script.name:
                    yield f"  - {scalar(self._from_here(asked.path))}"
                else:
                    text = f"-- A row means: {script.about}.\n{script.text}" if script.about else script.text
                    yield f"  - {scalar(self._beside(Script(name=script.name + '.sql', text=text)))}"

    def _install(self, request: Request, prepared: Prepared) -> Iterator[str]:
        scripts = {s.name: s for s in prepared.scripts}
        own = {f.name for source in request.sources for f in source.files}
        for number, script in enumerate(prepared.scripts):
            if script.name not in own:
                yield self._beside(script)
                continue
            for source in request.sources:
                if source.files[0].name != script.name:
                    continue
                if not prepared.changed & {f.name for f in source.files}:
                    yield self._from_here(source.path)
                    continue
                for place, file in enumerate(source.files, number):
                    if file.name in prepared.changed:
                        renamed = Script(name=f"{place:02}_{file.path.name}", text=scripts[file.name].text)
                        yield self._beside(renamed)
                    else:
                        yield self._from_here(file.path)

    def _beside(self, script: Script) -> str:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / script.name).write_text(f"{script.text}\n", encoding="utf-8")
        return f"{self.folder.name}/{script.name}"

    def _from_here(self, path: Path) -> str:
        """The path from the scenario; never the bare name of something that is shipped."""
        relative = os.path.relpath(path.resolve(), self.base.resolve())
        return relative if os.sep in relative else f"./{relative}"


def _worker(worker: Worker) -> Iterator[str]:
    yield f"  {worker.name}:"
    if worker.role is not None:
        yield f"    role: {scalar(worker.role)}"
    yield "    statements:"
    yield from (f"      - {scalar(s.sql, 10)}" for s in worker.statements)


def scalar(text: str, indent: int = 0) -> str:
    """``text`` as a YAML scalar: a block where it has lines and nothing that a block could lose, else in quotes.
    ``indent``: of a block's lines."""
    lines = text.split("\n")
    plain = all(line.isprintable() and line == line.rstrip() for line in lines)
    if len(lines) > 1 and plain and lines[0] == lines[0].lstrip() != "" and lines[-1]:
        return "|-\n" + "\n".join(" " * indent + line if line else "" for line in lines)
    return '"' + "".join(_escaped(c) for c in text) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if character == "\n":
        return "\\n"
    return character if character.isprintable() else f"\\U{ord(character):08x}"
