"""Where the shipped scenarios and SQL are: inside the package when installed from a wheel, beside it in a clone."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def shipped(folder: str) -> Path:
    """The folder ``scenarios`` or ``sql`` as shipped with this copy of the harness."""
    installed = _PACKAGE / "_shipped" / folder
    return installed if installed.is_dir() else _PACKAGE.parent / folder
