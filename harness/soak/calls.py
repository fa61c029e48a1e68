"""The SQL of a soak: the shipped calls, filled; users are opened before, jobs are made by their charge."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from harness.db import one_line
from harness.errors import UsageError
from harness.model import Script
from harness.resources import shipped
from harness.scenario.macros import pieces
from harness.soaked import Job, Kind
from harness.sqltext import SqlSyntaxError, Template, split

ROLE = "service_role"
OPENING = 1_000_000_000
"""What every user has at the start: more than a soak of days would charge."""
_FILES = {
    Kind.CHARGE: "setup/charge",
    Kind.COMPLETE: "calls/complete",
    Kind.REFUND: "calls/refund",
    Kind.RETRY: "calls/refund",
}


def call(kind: Kind, job: Job) -> str:
    """The one statement of an operation."""
    values = {"job": job.job, "user": job.user, "amount": str(job.amount)}
    return _template(_FILES[kind]).render(values | {"story": f"story of {job.job}", "error": "generation failed"})


def user_id(number: int) -> str:
    """The id of user ``number``, from 0 on."""
    return str(uuid.UUID(int=(number + 1) << 96))


def opening(users: int) -> str:
    """A script that opens so many accounts."""
    parts = [Template(p.text) for p in pieces("setup/open")]
    return ";\n".join(t.render({"user": user_id(n), "balance": str(OPENING)}) for n in range(users) for t in parts)


def migrations(more: Sequence[Path]) -> tuple[Script, ...]:
    """The shipped migrations, and ``more`` on top, in order. Raises `UsageError` for a file that is no SQL text."""
    files = sorted((shipped("sql") / "migrations").glob("*.sql"))
    own = [Script(name=f"migrations/{f.name}", text=f.read_text(encoding="utf-8")) for f in files]
    return (*own, *(_read(path) for path in more))


def _read(path: Path) -> Script:
    try:
        text = path.read_text(encoding="utf-8-sig")
        split(text)
    except OSError as e:
        raise UsageError(f"--sql {path}: {e.strerror or e}") from None
    except UnicodeDecodeError:
        raise UsageError(f"--sql {path}: not UTF-8") from None
    except SqlSyntaxError as e:
        raise UsageError(f"--sql {path}: bad SQL: {one_line(e.message)}") from None
    return Script(name=str(path), text=text)


@cache
def _template(name: str) -> Template:
    [piece] = pieces(name)
    return Template(piece.text)
