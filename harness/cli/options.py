"""Options that several commands share, and what is made of their values."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli.configured import configured, given, typed
from harness.config import environment
from harness.errors import UsageError

Target = Annotated[
    str,
    typer.Option(
        metavar="TARGET",
        envvar=environment.TARGET,
        help="embedded, container[:IMAGE], postgresql://…, service=NAME or env:NAME (holds a DSN)",
    ),
]


def _for_embedded(context: typer.Context, value: Path | None) -> Path | None:
    """That of a file or a variable steps back where the server is another: only one that was typed is refused there.
    Raises `UsageError` for a folder that a file names and that is not there."""
    if context.params.get("target", "embedded") != "embedded" and not typed(context, "pg_bin"):
        return None
    if value is not None and not given(context, "pg_bin") and not value.is_dir():
        raise configured(context).wrong(context.info_name or "", "pg-bin", f"there is no folder {value}")
    return value


PgBin = Annotated[
    Path | None,
    typer.Option(
        "--pg-bin",
        metavar="DIR",
        help="programs of the PostgreSQL to use, for embedded",
        envvar=environment.PG_BIN,
        callback=_for_embedded,
    ),
]
Setup = Annotated[list[str] | None, typer.Option(metavar="SQL|@FILE", help="before every execution")]
Role = Annotated[str | None, typer.Option(metavar="ROLE", help="of every --call")]
Workers = Annotated[int | None, typer.Option(metavar="N", min=1, help="so many copies of the calls; 2 of a single one")]
Call = Annotated[list[str] | None, typer.Option(metavar="SQL|@FILE", help="what a worker sends; repeatable")]
CallAs = Annotated[  # becomes a --call before this is called, see `join_call_as`
    list[str] | None, typer.Option(metavar="ROLE SQL", help="a call under a role of its own")
]
Invariant = Annotated[
    list[str] | None, typer.Option(metavar="NAME=SQL|@FILE", help="a query that gives rows only when broken")
]
Budget = Annotated[
    float | None, typer.Option(metavar="SECONDS", min=0, help="for the whole run; what is not reached is said")
]
Cluster = Annotated[
    str | None, typer.Option(metavar="ADDRESS|local", help="Dask scheduler, whose workers execute long searches")
]
Seed = Annotated[int, typer.Option(metavar="N", envvar=environment.SEED, help="of random choices")]
Out = Annotated[Path, typer.Option(metavar="DIR", envvar=environment.OUT, help="folder of reports")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="only what is not a pass")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="also what each verdict means")]


def request_of(
    sql: list[str],
    call: list[str] | None,
    call_as: list[str] | None,
    setup: list[str] | None,
    role: str | None,
    workers: int | None,
    invariant: list[str] | None,
) -> Any:
    """What is to be checked, read from options."""
    from harness.adhoc.options import read_request
    from harness.scenario.names import HISTORY_CHECKS

    if call_as:
        raise UsageError("--call-as takes two values: ROLE SQL")
    return read_request(
        sql=sql, call=call or [], setup=setup or [], role=role, workers=workers, invariant=invariant or [],
        reserved=HISTORY_CHECKS,
    )  # fmt: skip


def one_of(option: str, value: str | None, known: tuple[str, ...]) -> None:
    if value is not None and value not in known:
        from harness.scenario.schema import nearest

        raise UsageError(f"{option}: unknown {value!r}{nearest(value, list(known))}")
