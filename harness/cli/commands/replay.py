"""`harness replay`."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.app import app
from harness.cli.options import PgBin, Target

if TYPE_CHECKING:
    from harness.model import Counterexample


@app.command(short_help="Carry out a saved counterexample again, exactly")
def replay(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="a saved schedule")],
    target: Target = "embedded",
    pg_bin: PgBin = None,
    times: Annotated[int, typer.Option(metavar="N", min=1, help="so many times")] = 1,
    as_scenario: Annotated[
        Path | None, typer.Option(metavar="FILE", help="also write it as a scenario that follows it")
    ] = None,
    as_pytest: Annotated[Path | None, typer.Option(metavar="FILE", help="also write it as a pytest module")] = None,
    as_spec: Annotated[
        Path | None, typer.Option(metavar="FILE", help="also write it as a spec of isolationtester")
    ] = None,
) -> int:
    """Carry out a saved counterexample again, exactly."""
    from harness.cli.spec import spec_of
    from harness.regression import require_keepable, write_regression
    from harness.replay import replay, scenario_of
    from harness.report.console import plain_console
    from harness.report.counted import Counted
    from harness.report.replayed import print_replay
    from harness.schedule import read_saved
    from harness.targets import open_target

    saved = read_saved(file)
    if as_scenario is not None or as_pytest is not None:
        require_keepable(saved, file)
    scenario = scenario_of(saved, file)
    for line in write_regression(saved, scenario, file, as_scenario=as_scenario, as_pytest=as_pytest):
        typer.echo(line)
    keep = spec_of(saved, scenario, file, as_spec)
    counted = Counted(plain_console(), "execution", "finding")
    with closing(counted), open_target(target, pg_bin=pg_bin) as server:
        if times > 1:
            counted.begin(times)
        result = replay(saved, scenario, server, times=times, done=counted.count)
        version = server.server_version
    for line in keep(result):
        typer.echo(line)
    print_replay(_replayed(result, saved), summary(result, saved, version))
    return 1 if result.reproduced else 0


def _replayed(result: Any, saved: Any) -> Counterexample:
    """What the replay showed, with what can be read off it of why."""
    from harness.causes import reasons_of
    from harness.model import Counterexample, Story

    reasons = reasons_of(result.execution, result.violations, saved.isolation) if result.violations else ()
    return Counterexample(
        scenario=saved.scenario, execution=result.execution, violations=tuple(result.violations), replay="",
        story=Story(reasons=reasons),
    )  # fmt: skip


def summary(result: Any, saved: Any, version: str) -> str:
    if saved.checks:
        text = f"reproduced {result.reproduced} of {result.times}" if result.reproduced else "not reproduced"
    else:
        text = "violates nothing, as saved" if not result.reproduced else "violated nothing when it was saved"
    if result.adapted:
        text += " (adapted: scenario or SQL have changed since it was saved)"
    return text if saved.server == version else f"{text} (saved on PostgreSQL {saved.server}, now {version})"
