"""The page of an audit: one self-contained `index.html` that needs no network and no JavaScript."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness import __version__
from harness.audited import AuditResult, Checked, Monitored, Part
from harness.files import write_atomically
from harness.model import Row, Verdict
from harness.report.audit import counted, headline, money, monitored_line, seen, symbol
from harness.report.templating import environment
from harness.report.text import one_line, value_text
from harness.report.words import SYMBOLS, plural, seconds, server_words

INDEX = "index.html"
_LABELS = {Verdict.PASS: "pass", Verdict.VIOLATION: "findings", Verdict.ERROR: "not whole"}
_KINDS = {"✓": "pass", "✗": "violation", "!": "inconclusive", "?": "error"}
_WORDS = {"✓": "as it should be", "✗": "finding", "!": "warning", "?": "not looked at"}


def write_page(result: AuditResult, folder: Path) -> Path:
    """Write the page into ``folder``, which exists; its path."""
    write_atomically(folder / INDEX, audit_html(result).encode("utf-8", "backslashreplace"))
    return folder / INDEX


def audit_html(result: AuditResult) -> str:
    """The whole page. Every text is escaped and freed of control characters."""
    return str(environment().get_template("audit.html.j2").render(_page(result)))


def _page(result: AuditResult) -> dict[str, Any]:
    views = [_view(c) for c in result.checks]
    return {
        "version": __version__,
        "verdict": {"kind": result.verdict.value, "symbol": SYMBOLS[result.verdict], "label": _LABELS[result.verdict]},
        "headline": headline(result),
        "facts": [
            ("Server", server_words(result.server_version)),
            ("Database", one_line(result.database, 200)),
            ("Snapshot", f"{result.taken_at}{', a replica' if result.standby else ''}"),
            ("Elapsed", seconds(result.elapsed_s)),
            *(
                (one_line(t.name, 130), "not counted" if t.rows is None else plural(t.rows, "row"))
                for t in result.tables
            ),
        ],
        "broken": [view for view in views if view["table"]["rows"]],
        "parts": [
            ("Ledger", "what a row means", [v for v in views if v["part"] is Part.LEDGER]),
            ("Deployment", "what should be so", [v for v in views if v["part"] is Part.DEPLOY]),
        ],
        "monitored": [_monitored(m) for m in result.monitored],
        "hidden": result.hidden,
    }  # fmt: skip


def _view(checked: Checked) -> dict[str, Any]:
    mark = symbol(checked)
    return {
        "part": checked.part,
        "check": checked.check,
        "title": checked.title,
        "seen": seen(checked),
        "short": f"{counted(checked)}{money(checked)}" if checked.total else seen(checked),
        "badge": {"kind": _KINDS[mark], "symbol": mark, "label": _WORDS[mark]},
        "table": _table(checked.rows, checked.total),
    }


def _monitored(monitored: Monitored) -> dict[str, Any]:
    return {"line": monitored_line(monitored), "table": _table(monitored.rows, monitored.total)}


def _table(rows: Sequence[Row], total: int) -> dict[str, Any]:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return {
        "columns": columns,
        "rows": [[value_text(row.get(name), 200) for name in columns] for row in rows],
        "more": plural(total - len(rows), "more row") if total > len(rows) else "",
    }
