"""A `Scenario` from what was asked for."""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.adhoc.options import Asked, Request
from harness.adhoc.position import located
from harness.model import Scenario, Script, Search, StatementKind, Worker
from harness.sqltext.wants import first_call
from harness.statements import make_statement, unique_names

_ROW_MEANS = re.compile(r"^--\s*A row means:\s*(.*?)\.?\s*$", re.MULTILINE)
_SERVERS = re.compile(r"set_config$|pg_")
"""What calls begin with to say who asks (as an API's server does), or to lock; it tells nothing of what is checked."""


def build(request: Request, install: Sequence[Script], *, strategy: str) -> Scenario:
    """The scenario; ``file`` and ``text_hash`` are "" until it is saved. Raises `UserSqlError`."""
    workers = tuple(_worker(f"w{n}", call) for n, call in enumerate(request.calls, 1))
    ddl = any(s.kind is StatementKind.DDL for w in workers for s in w.statements)
    return Scenario(
        name=_name(request),
        about="",
        file="",
        text_hash="",
        install=tuple(install),
        setup=tuple(
            Script(name=f"setup[{i}]", text=";\n".join(p.text for p in asked.pieces))
            for i, asked in enumerate(request.setups)
        ),
        workers=workers,
        interleavings=(Search(strategy=strategy),),
        expect={},
        expect_violation=(),
        invariants=tuple(_invariant(asked) for asked in request.invariants),
        state=(),
        users=(),
        jobs=(),
        fresh_database=ddl,
        restore=not ddl,
    )


def _invariant(asked: Asked) -> Script:
    header = _ROW_MEANS.search(asked.text.text)
    return Script(name=asked.name, text=asked.pieces[0].text, about=header[1] if header else "")


def _worker(name: str, call: Asked) -> Worker:
    with located(call.text):
        statements = [make_statement(piece.text) for piece in call.pieces]
    return Worker(name=name, statements=tuple(unique_names(statements)), role=call.role)


def _name(request: Request) -> str:
    """After the first function that is called; one of the server's own only where there is no other."""
    found = [first_call(piece.text) for call in request.calls for piece in call.pieces]
    names = [re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_")[:60] for name in found if name]
    names = [name for name in names if name and name[0].isascii() and name[0].isalpha()]
    return next((name for name in names if not _SERVERS.match(name)), names[0] if names else "check")
