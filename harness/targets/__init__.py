"""The only room that starts or finds a server. Loads psycopg only when a target is opened."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from harness.errors import UsageError
from harness.targets.account import nothing
from harness.targets.protocol import Target

__all__ = ["KINDS", "Target", "is_dsn", "open_target"]

KINDS = "embedded, container[:IMAGE], postgresql://USER@HOST/DATABASE, service=NAME or env:NAME"
_KEYWORDS = re.compile(r"\s*[a-z_]+\s*=")


def is_dsn(spec: str) -> bool:
    """Whether ``spec`` names a server that somebody else runs: by a URL, by libpq's keywords, by a variable."""
    return spec.startswith(("postgresql://", "postgres://", "env:")) or _KEYWORDS.match(spec) is not None


def open_target(
    spec: str = "embedded",
    *,
    pg_bin: Path | None = None,
    embedded: Mapping[str, str] | None = None,
    meanwhile: Callable[[], object] = nothing,
) -> Target:
    """The server that ``--target`` names: ``embedded``, ``container`` (of an image: ``container:postgres:17``),
    ``postgresql://…`` or ``service=NAME`` (a DSN), or ``env:NAME`` (a variable with one).

    ``pg_bin``: the folder of the embedded server's programs. ``embedded``: settings of it beside the usual ones.
    ``meanwhile``: see `EmbeddedTarget`. The caller closes the target. Raises `UsageError` for another spec,
    `TargetError` when the server does not start or answer; one line each, without passwords.
    """
    if spec == "embedded":
        from harness.targets.embedded import EmbeddedTarget

        return EmbeddedTarget(pg_bin=pg_bin, settings=embedded, meanwhile=meanwhile)
    kind, _, image = spec.partition(":")
    if pg_bin is not None and (kind == "container" or is_dsn(spec)):
        raise UsageError("--pg-bin goes with --target embedded only: another server has its own programs")
    if kind == "container":
        from harness.targets.container import ContainerTarget

        return ContainerTarget(image)
    if is_dsn(spec):
        from harness.targets.server import ServerTarget

        return ServerTarget(spec)
    # Only the part before a colon: what follows may be a mistyped DSN with a password in it.
    raise UsageError(f"--target {kind!r} is not supported: give {KINDS}")
