"""The same kind of server once more, for another process of a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harness.targets.embedded import EmbeddedTarget
from harness.targets.protocol import Target


def again(target: Target) -> tuple[str, Path | None, Mapping[str, str]]:
    """What `open_target` must be given: another embedded server like ``target``; one that is not embedded itself, by a
    connection string that may hold a password."""
    if isinstance(target, EmbeddedTarget):
        return "embedded", target.binaries.folder, target.settings
    return target.conninfo(target.maintenance_database), None, {}
