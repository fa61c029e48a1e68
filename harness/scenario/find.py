"""Finds scenario files: by path, by folder, by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.errors import UsageError
from harness.model import Scenario
from harness.resources import shipped
from harness.scenario import load_scenario, names_our_schema
from harness.scenario.schema import nearest


def find_scenarios(paths: Sequence[str], configured: Sequence[str] = ()) -> list[Path]:
    """Files named by ``paths``: files, folders (every file in them that names our schema), or names of shipped or
    local scenarios. None: ``scenarios/`` here, else the shipped ones. ``configured``: what a project names, whose
    folders are looked at for names, too. Raises `UsageError`."""
    if not paths:
        here = Path("scenarios")
        paths = [str(here if here.is_dir() else _short(shipped("scenarios")))]
    found: list[Path] = []
    for given in paths:
        path = Path(given)
        if path.is_dir():
            inside = [p for p in sorted(path.rglob("*.y*ml")) if names_our_schema(p)]
            if not inside:
                raise UsageError(f"{given}: no scenario files here (their first line names the schema)")
            found += inside
        elif path.is_file():
            found.append(path)
        else:
            found.append(_by_name(given, [Path(p) for p in configured]))
    return found


def load_all(paths: Sequence[Path]) -> list[Scenario]:
    """Every scenario, before anything is started. Raises `ScenarioError`, and `UsageError` for a name used twice."""
    scenarios = [load_scenario(p) for p in paths]
    seen: dict[str, str] = {}
    for s in scenarios:
        if s.name in seen:
            raise UsageError(f"{s.file}: the name {s.name!r} is already used by {seen[s.name]}")
        seen[s.name] = s.file
    return scenarios


def _by_name(name: str, configured: Sequence[Path]) -> Path:
    for folder in (*configured, Path("scenarios"), shipped("scenarios")):
        path = folder / f"{name}.yaml"
        if path.is_file():
            return _short(path)
    known = sorted(p.stem for p in shipped("scenarios").glob("*.yaml"))
    raise UsageError(f"no scenario {name!r}: neither a file nor a shipped name{nearest(name, known)}")


def _short(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
