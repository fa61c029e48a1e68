"""`audit.json`: an audit for other programs. Version 1 only gains keys; `audit.schema.json` is its JSON Schema."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.audited import AuditResult, Checked
from harness.files import write_json
from harness.model import EXIT_CODES

VERSION = 1
FILE = "audit.json"
SCHEMA_FILE = Path(__file__).with_name("audit.schema.json")


def audit_json(result: AuditResult) -> dict[str, Any]:
    """The audit as plain JSON values; keys that end in `_s` are seconds."""
    return {
        "version": VERSION,
        "verdict": result.verdict.value,
        "exit_code": EXIT_CODES[result.verdict],
        "server_version": result.server_version,
        "database": result.database,
        "taken_at": result.taken_at,
        "standby": result.standby,
        "ids_hidden": result.hidden,
        "elapsed_s": round(result.elapsed_s, 3),
        "tables": [{"name": t.name, "rows": t.rows} for t in result.tables],
        "findings": sum(c.total for c in result.findings),
        "warnings": len(result.warnings),
        "checks": [_checked(c) for c in result.checks],
        "monitoring": [
            {"name": m.name, "title": m.title, "skipped": m.skipped or None, "total": m.total, "rows": list(m.rows)}
            for m in result.monitored
        ],
        **({"trouble": result.trouble} if result.trouble else {}),
    }


def write_audit(result: AuditResult, path: Path) -> None:
    """Write `audit.json` to ``path``, whole or not at all."""
    write_json(path, audit_json(result))


def _checked(checked: Checked) -> dict[str, Any]:
    return {
        "check": checked.check,
        "part": checked.part.value,
        "level": checked.level.value,
        "title": checked.title,
        "passed": None if checked.skipped else checked.total == 0,
        "skipped": checked.skipped or None,
        "examined": checked.examined,
        "unit": checked.unit,
        "total": checked.total,
        "credits": checked.credits,
        "credits_mean": checked.credits_mean or None,
        "detail": checked.detail or None,
        "rows": list(checked.rows),
    }
