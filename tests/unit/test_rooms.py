"""A room imports only rooms above it; what everybody imports stays light."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "harness"

MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "model": set(),
    "files": {"errors"},
    "config": {"errors", "model", "scenario", "mutation", "soaked", "strategies", "targets"},
    "machine": set(),
    "resources": set(),
    "sqltext": {"model"},
    "statements": {"model", "sqltext"},
    "queue": set(),
    "scenario": {"errors", "model", "resources", "sqltext", "statements", "queue"},
    "patience": set(),
    "unbroken": set(),
    "db": {"errors", "model", "patience"},
    "catalog": {"sqltext"},
    "gating": {"model", "sqltext"},
    "adhoc": {"errors", "model", "sqltext", "statements", "db", "resources"},
    "targets": {"errors", "model", "sqltext", "db", "machine", "unbroken"},
    "scaffold": {"errors", "files", "model", "sqltext", "db", "catalog", "adhoc", "targets"},
    "schedule": {"errors", "model"},
    "dependence": {"model"},
    "strategies": {"errors", "model", "schedule", "dependence"},
    "driver": {"errors", "model", "patience", "db", "dependence", "strategies", "wire"},
    "checks": {"model"},
    "coverage": {"model"},
    "tally": {"model", "coverage"},
    "meaning": {"model", "checks", "tally"},
    "saving": {"files", "model", "schedule"},
    "recorded": {"errors", "model"},
    "causes": {"model", "sqltext"},
    "shrink": {"model", "schedule"},
    "wire": {"errors"},
    "points": {"model", "sqltext", "gating", "driver"},
    "stage": {"errors", "model", "sqltext", "catalog", "gating", "points", "targets", "strategies", "driver", "checks"},
    "crash": {"errors", "model", "driver", "targets", "stage"},
    "telling": {"model", "sqltext"},
    "found": {"errors", "model", "causes", "checks", "shrink", "strategies", "driver", "stage", "telling"},
    "nearest": {"errors", "model", "checks", "strategies", "stage", "found"},
    "campaign": {"errors", "model", "db", "strategies", "checks", "tally", "meaning", "saving", "found", "stage"}
    | {"nearest", "sharding"},
    "matrix": {"errors", "model", "db", "saving", "strategies", "checks", "stage", "found", "campaign", "crash"}
    | {"nearest"},
    "isolation": {"errors", "model", "driver", "checks", "stage", "campaign"},
    "cases": {"errors", "model", "checks", "tally", "saving", "strategies", "stage", "found", "campaign"},
    "replay": {"errors", "model", "crash", "matrix", "isolation", "cases", "scenario", "schedule", "strategies"}
    | {"driver", "checks", "targets", "stage", "found"},
    "tasks": {"driver"},
    "sharding": {"errors", "model", "db", "strategies", "driver", "checks", "targets", "stage"},
    "run": {"errors", "model", "crash", "db", "driver", "targets", "stage", "campaign", "matrix", "isolation", "cases"}
    | {"tally", "sharding", "tasks", "machine"},
    "mutation": {"model"},
    "soaked": {"model"},
    "audited": {"model"},
    "audit": {"errors", "model", "audited", "scenario", "db", "targets"},
    "soak": {"errors", "model", "soaked", "resources", "sqltext", "scenario", "db", "targets", "driver"}
    | {"campaign", "run"},
    "fates": {"model", "sqltext"},
    "mutants": {"errors", "model", "resources", "mutation", "fates", "sqltext", "scenario", "db", "catalog", "targets"}
    | {"strategies", "driver", "checks", "stage", "campaign", "tasks", "matrix"},
    "report": {"errors", "files", "machine", "model", "mutation", "fates", "soaked", "audited"},
    "draw": {
        "errors",
        "model",
        "sqltext",
        "statements",
        "scenario",
        "targets",
        "strategies",
        "driver",
        "checks",
        "saving",
        "stage",
        "found",
        "matrix",
        "report",
    },
    "programs": {"errors", "model", "sqltext", "statements", "scenario", "db", "gating", "adhoc", "targets", "schedule"}
    | {"strategies", "driver", "checks", "points", "stage", "campaign"},
    "spec": {"errors", "files", "model", "sqltext", "patience", "db", "schedule", "driver", "checks"},
    "regression": {"errors", "files", "model", "scenario", "schedule", "report"},
}
WIRING = {"api", "holds", "cli", "pytest_plugin", "pytest_harness", "__main__", "__init__"}


def room_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "harness":
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.split(".")[0] == "harness")


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_room_imports_only_rooms_above_it(path: Path) -> None:
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if room in WIRING:
        return
    for module in imports(path):
        other = room_of(module)
        assert other in {room, "__init__", *MAY_IMPORT[room]}, f"{room} may not import {module}"


def test_the_order_of_rooms_has_no_circle() -> None:
    done: set[str] = set()
    while done != set(MAY_IMPORT):
        ready = {room for room, needs in MAY_IMPORT.items() if needs <= done} - done
        assert ready
        done |= ready


@pytest.mark.parametrize("module", ["harness", "harness.api", "harness.pytest_plugin", "harness.cli"])
def test_importing_it_loads_nothing_heavy(module: str) -> None:
    code = (
        f"import sys, {module}; print({{'postgast', 'matplotlib', 'psycopg', 'pydantic', 'jinja2'}} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PACKAGE.parent, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("face", sorted(p.parent.relative_to(PACKAGE.parent) for p in PACKAGE.rglob("__init__.py")))
def test_a_folder_has_what_its_face_names(face: Path) -> None:
    module = importlib.import_module(".".join(face.parts))
    assert [name for name in getattr(module, "__all__", ()) if not hasattr(module, name)] == []


def requirements(name: str, seen: dict[str, str]) -> None:
    if name in seen:
        return
    data = importlib.metadata.metadata(name)
    classifiers = [c for c in data.get_all("Classifier") or [] if c.startswith("License ::")]
    seen[name] = " ".join([data.get("License-Expression") or "", (data.get("License") or "")[:200], *classifiers])
    for requirement in importlib.metadata.requires(name) or []:
        if "extra ==" in requirement:
            continue
        dependency = re.split(r"[\s;<>=!~\[(]", requirement, maxsplit=1)[0]
        try:
            requirements(re.sub(r"[-_.]+", "-", dependency).lower(), seen)
        except importlib.metadata.PackageNotFoundError:
            continue  # for another platform or Python


def test_no_dependency_brings_the_gpl_along() -> None:
    seen: dict[str, str] = {}
    requirements("refund-harness", seen)
    requirements("psycopg-binary", seen)
    assert len(seen) > 15
    for name, text in seen.items():
        assert re.search(r"\S", text), f"{name} does not name its licence"
        assert not re.search(
            r"(?<!L)GPL|(?<!Lesser )General Public", text.replace("GNU Lesser General Public License", "LGPL")
        ), name
