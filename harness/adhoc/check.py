"""The way of `harness check` from options to a scenario that is known to install and to work alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import psycopg

from harness.adhoc.build import build
from harness.adhoc.options import Request
from harness.adhoc.preflight import Place, preflight
from harness.adhoc.save import save
from harness.adhoc.stubs import Facts, prepare, summary
from harness.db import connect
from harness.model import Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """``scenario``: to be run; its file is written, but not read back. ``head``: of the line that says what is checked,
    behind the server: ``refund.sql installed · 2 workers``. ``notices``: lines for people."""

    scenario: Scenario
    head: str
    notices: tuple[str, ...]


class Server(Protocol):
    """What must be known of a server; see `harness.targets`."""

    @property
    def owned(self) -> bool: ...
    @property
    def description(self) -> str: ...
    @property
    def maintenance_database(self) -> str: ...
    def conninfo(self, dbname: str) -> str: ...


def check_on(server: Server, request: Request, place: Place, *, file: Path | None, folder: Path) -> Ready:
    """Stub what is missing, try it out in databases of ``place``, and write the scenario to ``file``, or into
    ``folder`` under its name. Raises `UsageError`."""

    def connected(name: str) -> psycopg.Connection[Any]:
        return connect(server.conninfo(name), application_name="refund-harness check")

    with connected(server.maintenance_database) as conn:
        facts = Facts.of(conn, owned=server.owned, description=server.description)
    prepared = prepare(
        [f for source in request.sources for f in source.files],
        [call.role for call in request.calls if call.role is not None],
        facts,
    )
    scenario = build(request, prepared.scripts, strategy="auto")
    home = server.maintenance_database if server.owned else ""
    found = preflight(request, prepared, place, connected, home=home)
    file = file or folder / f"{scenario.name}.yaml"
    save(scenario, request, prepared, file)
    stubbed = summary(prepared.stubbed)
    return Ready(
        scenario=replace(scenario, file=str(file)),
        head=f"{_installed(request)} installed · {len(scenario.workers)} workers".replace("1 workers", "1 worker"),
        notices=(*([stubbed] if stubbed else []), *prepared.notices, *found),
    )


def _installed(request: Request) -> str:
    names = [source.entry for source in request.sources]
    files: Sequence[object] = [f for source in request.sources for f in source.files]
    if len(names) <= 2:
        return ", ".join(names)
    return f"{names[0]} and {len(files) - 1} more files"
