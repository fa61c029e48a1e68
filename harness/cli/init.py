"""What `harness init` does: a server of its own, the proposals, and what is said of them."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from harness.errors import UsageError
from harness.report.console import plain_console
from harness.scaffold.init import init_on, read_sources, refuse_existing, told
from harness.scaffold.live import dumped
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget


def run_init(
    paths: list[str],
    target: str | None,
    schemas: list[str],
    into: Path,
    pg_bin: Path | None,
    *,
    force: bool,
    in_force: str,
) -> int:
    """The exit code: 0 when something was proposed, 3 when nothing was. Raises `HarnessError`."""
    _require_one(paths, target, schemas)
    refuse_existing(into, force=force)
    console = plain_console()
    with ExitStack() as stack:
        if target is not None:
            paths = [str(stack.enter_context(dumped(target, schemas, into, pg_bin=pg_bin)))]
        sources = read_sources(paths)
        server = stack.enter_context(EmbeddedTarget(pg_bin=pg_bin))
        console.print(f"PostgreSQL {server.server_version} ({server.description}) · {', '.join(paths)}", soft_wrap=True)
        databases = stack.enter_context(Databases(server))
        with console.status("reading") as status:  # seen on a terminal only
            done = init_on(
                server, databases, sources, into, Path.cwd(), force=force, in_force=in_force, watch=status.update
            )
    for line in told(done, into):
        console.print(line, soft_wrap=True)
    return 0 if any(a.proposals for a in done.answers) else 3


def _require_one(paths: list[str], target: str | None, schemas: list[str]) -> None:
    if target is None and not paths:
        raise UsageError("nothing to read: give SQL files or folders (supabase/migrations, a dump), or --target DSN")
    if target is not None and paths:
        raise UsageError("--target and SQL files: one of the two")
    if schemas and target is None:
        raise UsageError("--schema goes with --target")
    if target is not None and not schemas:
        raise UsageError("--target needs --schema NAME: which schema shall be looked at?")
