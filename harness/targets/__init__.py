"""The only room that starts or finds a server. Loads psycopg only when a target is opened."""

from __future__ import annotations

from pathlib import Path

from harness.errors import UsageError
from harness.targets.protocol import Target

__all__ = ["Target", "open_target"]


def open_target(spec: str = "embedded", *, pg_bin: Path | None = None) -> Target:
    """The server that ``--target`` names: ``embedded``, ``postgresql://…`` or ``env:NAME`` (a variable with a DSN).

    ``pg_bin``: the folder of the embedded server's programs. The caller closes the target. Raises `UsageError` for
    another spec, `TargetError` when the server does not start or answer; one line each, without passwords.
    """
    if spec == "embedded":
        from harness.targets.embedded import EmbeddedTarget

        return EmbeddedTarget(pg_bin=pg_bin)
    if spec.startswith(("postgresql://", "postgres://", "env:")):
        from harness.targets.server import ServerTarget

        if pg_bin is not None:
            raise UsageError("--pg-bin goes with --target embedded only: another server has its own programs")
        return ServerTarget(spec)
    # Only the part before a colon: what follows may be a mistyped DSN with a password in it.
    kind = spec.partition(":")[0]
    raise UsageError(f"--target {kind!r} is not supported: give embedded, postgresql://USER@HOST/DATABASE or env:NAME")
