"""`harness list`, `doctor` and `schema`: what there is."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from harness.cli.app import app
from harness.cli.configured import configured, given
from harness.cli.options import PgBin


@app.command("list", short_help="List scenarios")
def list_(
    context: typer.Context,
    scenario: Annotated[
        list[str] | None, typer.Argument(metavar="SCENARIO", help="files, folders or names; default: scenarios/")
    ] = None,
) -> int:
    """List scenarios: name, workers, interleavings, what they are about."""
    from harness.report.listing import print_scenarios
    from harness.scenario.find import find_scenarios, load_all

    print_scenarios(load_all(find_scenarios(scenario or [], configured(context).scenarios)))
    return 0


@app.command(short_help="Is this machine ready?")
def doctor(
    context: typer.Context,
    pg_bin: PgBin = None,
    clean: Annotated[bool, typer.Option("--clean", help="instead remove what killed runs have left")] = False,
    target: Annotated[
        str | None,
        typer.Option(metavar="SERVER", help="with --clean: also databases on this server, postgresql://… or env:NAME"),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="with --clean: only say what would go")] = False,
) -> int:
    """Is this machine ready? Starts a server and says what was found."""
    from harness.cli.doctor import run_doctor

    asked = pg_bin if given(context, "pg_bin") or not clean else None
    return run_doctor(asked, target, clean=clean, dry_run=dry_run, configured=configured(context).file)


@app.command(short_help="Print the JSON Schema of scenarios or results")
def schema(
    results: Annotated[
        bool, typer.Option("--results", help="of results.json instead, for programs that read it")
    ] = False,
    audit: Annotated[bool, typer.Option("--audit", help="of audit.json instead")] = False,
    map_: Annotated[bool, typer.Option("--map", help="of mapping files of `harness audit` instead")] = False,
    configuration: Annotated[bool, typer.Option("--configuration", help="of harness.toml instead")] = False,
) -> int:
    """Print the JSON Schema of scenario files, for editors, or of results."""
    if configuration:
        from harness.config.form import schema_text as configuration_schema

        sys.stdout.write(configuration_schema())
        return 0
    if map_:
        from harness.audit.mapping import schema_text as mapping_schema

        sys.stdout.write(mapping_schema())
        return 0
    if results or audit:
        from harness.report import audit_json
        from harness.report import results as results_json

        file = audit_json.SCHEMA_FILE if audit else results_json.SCHEMA_FILE
        sys.stdout.write(file.read_text(encoding="utf-8"))
        return 0
    from harness.scenario.schema import schema_text

    sys.stdout.write(schema_text())
    return 0
