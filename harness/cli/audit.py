"""What `harness audit` does, behind its options: wiring only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.reporting import remove_empty, tried
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.audited import AuditResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The options of `harness audit`; ``timeout`` in seconds, ``stuck_after`` in minutes."""

    target: str
    mapping: Path | None
    since: str
    timeout: float
    stuck_after: int
    limit: int
    show_ids: bool
    out: Path
    json: Path | None
    quiet: bool
    verbose: bool


def run_audit(asked: Asked) -> int:
    """Audit, report, and say how it went; the exit code. Raises `UsageError` for options and mappings that are wrong,
    before there is a folder or a connection."""
    from harness.audit.mapping import read_mapping
    from harness.audit.monitoring import window
    from harness.audit.run import AuditOptions, audit
    from harness.report.audit import AuditConsole
    from harness.report.folder import new_run_folder
    from harness.targets import is_dsn, open_target

    if not is_dsn(asked.target):
        what = "an audit reads a ledger that is there: give postgresql://USER@HOST/DATABASE or env:NAME"
        raise UsageError(f"--target: {what}")
    options = AuditOptions(
        timeout_s=asked.timeout, limit=asked.limit, since=window(asked.since), stuck_s=asked.stuck_after * 60,
        show_ids=asked.show_ids,
    )  # fmt: skip
    mapping = read_mapping(asked.mapping)
    console = AuditConsole(quiet=asked.quiet, verbose=asked.verbose)
    with open_target(asked.target) as target:
        folder = new_run_folder(asked.out)
        try:
            console.started(target.description, target.server_version)
            result = audit(target, mapping, options, console)
        except BaseException:
            remove_empty(folder)
            raise
        finally:
            console.close()
    return _reported(result, folder, asked.json, console.done)


def _reported(result: AuditResult, folder: Path, json: Path | None, done: Callable[[AuditResult, Path], None]) -> int:
    from harness.model import EXIT_CODES
    from harness.report.audit_html import INDEX, write_page
    from harness.report.audit_json import FILE, write_audit
    from harness.report.folder import latest, publish

    files = [folder / FILE, *([json] if json is not None else [])]

    def save(result: AuditResult) -> str:
        return tried(*(partial(write_audit, result, file) for file in files), lambda: write_page(result, folder))

    if failed := save(result):
        result = replace(result, trouble="; ".join(filter(None, (result.trouble, failed))))
        save(result)
    tried(lambda: publish(folder))
    done(result, latest(folder / INDEX))
    return EXIT_CODES[result.verdict]
