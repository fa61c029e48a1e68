"""Where the shipped scenarios and SQL are: inside the package when installed from a wheel, beside it in a clone."""

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def shipped(folder: str) -> Path:
    """The folder ``scenarios`` or ``sql`` as shipped with this copy of the harness."""
    installed = _PACKAGE / "_shipped" / folder
    return installed if installed.is_dir() else _PACKAGE.parent / folder


def from_here(path: Path) -> str:
    """``path`` as a person in the working directory names it: relative to that where it lies below, else as given."""
    whole, here = Path(os.path.normpath(path.absolute())), Path.cwd()
    return str(whole.relative_to(here) if whole.is_relative_to(here) else path)
