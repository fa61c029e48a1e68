"""What `harness doctor` does, behind its options: wiring only."""

from __future__ import annotations

from pathlib import Path

from harness.errors import UsageError


def run_doctor(pg_bin: Path | None, target: str | None, *, clean: bool, dry_run: bool, configured: str) -> int:
    """Look, or with ``clean`` remove what killed runs have left; the exit code. ``configured``: the
    file of the configuration in force, "": there is none. Raises `UsageError`."""
    from harness.report.listing import print_findings

    if clean:
        if pg_bin is not None:
            raise UsageError("--pg-bin does not go with --clean: no server is started")
        return _clean(target, dry_run)
    for option, given in (("--target", target is not None), ("--dry-run", dry_run)):
        if given:
            raise UsageError(f"{option} goes with --clean")
    from harness.targets.doctor import diagnose

    findings = diagnose(pg_bin=pg_bin)
    which = configured or "no harness.toml, and no [tool.refund-harness] in a pyproject.toml, here or above"
    rows = [(f.name, f.ok, f.needed, f.detail, f.remedy) for f in findings]
    print_findings([("config", True, False, which, ""), *rows])
    return 0 if all(f.ok or not f.needed for f in findings) else 4


def _clean(spec: str | None, dry_run: bool) -> int:
    from harness.report.listing import print_rows
    from harness.targets import is_dsn, open_target
    from harness.targets.cleaning import clean_machine, clean_server

    if spec is not None and not is_dsn(spec):
        raise UsageError("--clean --target takes a server of yours: postgresql://… or env:NAME")
    done = clean_machine(dry_run=dry_run)
    if spec is not None:
        with open_target(spec) as target:
            done += clean_server(target, dry_run=dry_run)
    rows = [(c.kind, c.ok, True, c.said, "") for c in done]
    print_rows(rows or [("clean", True, True, "nothing is left of killed runs", "")])
    return 0 if all(c.ok for c in done) else 4
