"""The command line: wiring only. Heavy rooms are loaded by the command that needs them."""

from __future__ import annotations

import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.exceptions import TyperException

from harness.cli_report import Keep, can_be_written, remove_empty, reported
from harness.errors import HarnessError, UsageError

if TYPE_CHECKING:
    from harness.model import Counterexample, RunResult

INTERRUPTED = 130

app = typer.Typer(
    name="harness",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Concurrency stress-test harness for money-moving PostgreSQL functions.",
    epilog="Exit codes: 0 nothing violated, 1 a violation, 2 bad usage, scenario or SQL, 3 inconclusive, "
    "4 the harness or its environment failed.",
)

Target = Annotated[
    str,
    typer.Option(
        metavar="TARGET", help="embedded, container[:IMAGE], postgresql://…, service=NAME or env:NAME (holds a DSN)"
    ),
]
PgBin = Annotated[
    Path | None, typer.Option("--pg-bin", metavar="DIR", help="programs of the PostgreSQL to use, for embedded")
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
Seed = Annotated[int, typer.Option(metavar="N", help="of random choices")]
Out = Annotated[Path, typer.Option(metavar="DIR", help="folder of reports")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="only what is not a pass")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="also what each verdict means")]


@app.command(short_help="Run scenarios and report what they show")
def run(
    scenario: Annotated[
        list[str] | None, typer.Argument(metavar="SCENARIO", help="files, folders or names; default: scenarios/")
    ] = None,
    target: Target = "embedded",
    pg_bin: PgBin = None,
    strategy: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="for searches: auto, exhaustive, preemption_bounded, pct, random_walk, draw, free_running",
        ),
    ] = None,
    schedules: Annotated[int | None, typer.Option(metavar="N", min=1, help="executions per search, at most")] = None,
    budget: Budget = None,
    seed: Seed = 0,
    jobs: Annotated[str, typer.Option(metavar="N|auto", help="campaigns at a time; auto: one per processor")] = "auto",
    out: Out = Path("reports"),
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="also write results.json here")] = None,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="also write JUnit XML here")] = None,
    require: Annotated[
        str | None, typer.Option(metavar="exhausted", help="exit 3 unless every search was exhausted")
    ] = None,
    faults: Annotated[
        str | None,
        typer.Option(
            metavar="KIND,…|all",
            help="at every point of every worker, each followed by a retry: crash, run_on, terminate, cancel, reset, "
            "lost_answer, sigterm, idle_timeout, statement_timeout, lock_timeout, lost_request, torn_request, "
            "lost_ack, black_hole; not among all, on the embedded server alone: "
            "backend_crash, server_crash",
        ),
    ] = None,
    isolation: Annotated[
        str | None,
        typer.Option(metavar="LEVEL,…|all", help="also at other levels: read_committed, repeatable_read, serializable"),
    ] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Run scenarios: every interleaving they name, checked, with a report."""
    from harness.campaign import STRATEGIES, Options
    from harness.report.folder import new_run_folder
    from harness.report.terminal import ConsoleReporter
    from harness.run import default_jobs, run_scenarios, with_budget
    from harness.scenario.faults import parse_faults
    from harness.scenario.find import find_scenarios, load_all
    from harness.scenario.levels import parse_levels
    from harness.targets import open_target

    _one_of("--strategy", strategy, STRATEGIES)
    _one_of("--require", require, ("exhausted",))
    can_be_written("--json", json)
    can_be_written("--junit", junit)
    count = default_jobs(jobs)
    struck = parse_faults(faults) if faults is not None else ()
    levels = parse_levels(isolation) if isolation is not None else ()
    scenarios = load_all(find_scenarios(scenario or []))
    folder = new_run_folder(out)
    options = Options(
        seed=seed, strategy=strategy, schedules=schedules, require_exhausted=require is not None, folder=folder,
        faults=struck, levels=levels,
    )  # fmt: skip
    reporter = ConsoleReporter(quiet=quiet, verbose=verbose, budget=budget)

    def go(keep: Keep) -> RunResult:
        with open_target(target, pg_bin=pg_bin) as server:
            return run_scenarios(scenarios, server, with_budget(options, budget), reporter, jobs=count, keep=keep)

    return reported(go, folder, json, junit, reporter)


@app.command(short_help="Check any function, without a scenario file")
def check(
    sql: Annotated[list[str], typer.Option(metavar="FILE|DIR", help="SQL to install, in order")],
    call: Call = None,
    call_as: CallAs = None,
    setup: Setup = None,
    role: Role = None,
    workers: Workers = None,
    invariant: Invariant = None,
    save: Annotated[Path | None, typer.Option(metavar="FILE", help="write it as a scenario file")] = None,
    target: Target = "embedded",
    pg_bin: PgBin = None,
    strategy: Annotated[str | None, typer.Option(metavar="NAME", help="of the search, auto by default")] = None,
    schedules: Annotated[int | None, typer.Option(metavar="N", min=1, help="executions, at most")] = None,
    budget: Budget = None,
    seed: Seed = 0,
    jobs: Annotated[str, typer.Option(metavar="N|auto", help="there is one campaign only")] = "auto",
    out: Out = Path("reports"),
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="also write results.json here")] = None,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="also write JUnit XML here")] = None,
    require: Annotated[
        str | None, typer.Option(metavar="exhausted", help="exit 3 unless the search was exhausted")
    ] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Check any function: SQL to install, calls to make at the same time, no scenario file."""
    from harness.adhoc.announce import Announced
    from harness.adhoc.check import check_on
    from harness.campaign import STRATEGIES, Options
    from harness.report.console import plain_console
    from harness.report.folder import new_run_folder
    from harness.report.terminal import ConsoleReporter
    from harness.run import default_jobs, run_scenarios, with_budget
    from harness.scenario import load_scenario
    from harness.targets import open_target
    from harness.targets.databases import Databases

    _one_of("--strategy", strategy, STRATEGIES)
    _one_of("--require", require, ("exhausted",))
    can_be_written("--json", json)
    can_be_written("--junit", junit)
    count = default_jobs(jobs)
    request = _request(sql, call, call_as, setup, role, workers, invariant)
    folder = new_run_folder(out)
    options = Options(
        seed=seed, strategy=strategy, schedules=schedules, require_exhausted=require is not None, folder=folder
    )
    reporter = ConsoleReporter(quiet=quiet, verbose=verbose, budget=budget)

    def go(keep: Keep) -> RunResult:
        with open_target(target, pg_bin=pg_bin) as server:
            within = with_budget(options, budget)
            with Databases(server) as databases:
                ready = check_on(server, request, databases, file=save, folder=folder)
            scenario = replace(ready.scenario, text_hash=load_scenario(Path(ready.scenario.file)).text_hash)
            announced = Announced(reporter, ready, plain_console().print, quiet=quiet)
            return run_scenarios([scenario], server, within, announced, jobs=count, keep=keep)

    return reported(go, folder, json, junit, reporter)


@app.command(short_help="Break functions in every known way: is it found?")
def mutants(
    mutant: Annotated[
        list[str] | None, typer.Argument(metavar="MUTANT", help="files, folders or names; default: all shipped")
    ] = None,
    sql: Annotated[
        list[str] | None, typer.Option(metavar="FILE|DIR", help="break the functions in your own SQL instead")
    ] = None,
    call: Call = None,
    call_as: CallAs = None,
    setup: Setup = None,
    role: Role = None,
    workers: Workers = None,
    invariant: Invariant = None,
    target: Target = "embedded",
    pg_bin: PgBin = None,
    strategy: Annotated[list[str] | None, typer.Option(metavar="NAME|all", help="repeatable")] = None,
    seeds: Annotated[int, typer.Option(metavar="N", min=1, help="so many seeds, from --seed on")] = 1,
    schedules: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="executions per mutant and strategy, at most")
    ] = None,
    budget: Budget = None,
    seed: Seed = 0,
    jobs: Annotated[str, typer.Option(metavar="N|auto", help="mutants at a time; auto: one per processor")] = "auto",
    out: Out = Path("reports"),
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="also write mutants.json here")] = None,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="only survivors")] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="also what each mutant is")] = False,
) -> int:
    """Break the shipped functions, or with --sql your own, in every known way: does the suite find it?"""
    from harness.cli_mutants import Asked, score_own, score_shipped
    from harness.mutants.run import STRATEGIES
    from harness.report.folder import new_run_folder
    from harness.run import default_jobs

    can_be_written("--json", json)
    chosen = STRATEGIES if strategy == ["all"] else tuple(strategy or ())
    for name in chosen:
        _one_of("--strategy", name, STRATEGIES)
    asked = Asked(
        target=target, pg_bin=pg_bin, strategies=chosen, seed=seed, seeds=seeds, schedules=schedules, budget=budget,
        jobs=default_jobs(jobs), json=json, quiet=quiet, verbose=verbose,
    )  # fmt: skip
    if not sql and any((call, call_as, setup, role, workers, invariant)):
        raise UsageError("--call, --setup, --role, --workers and --invariant go with --sql")
    if sql and mutant:
        raise UsageError(f"{mutant[0]}: mutant files and --sql are two different runs")
    request = _request(sql, call, call_as, setup, role, workers, invariant) if sql else None
    folder = new_run_folder(out)
    try:
        if request is not None:
            return score_own(request, asked, folder)
        return score_shipped(mutant or [], asked, folder)
    except BaseException:
        remove_empty(folder)
        raise


@app.command(short_help="Load without control: does the ledger hold?")
def soak(
    seconds: Annotated[
        float | None, typer.Option(metavar="SECONDS", min=0, help="how long; 60 when --operations is not given")
    ] = None,
    operations: Annotated[int | None, typer.Option(metavar="N", min=1, help="end after so many instead")] = None,
    workers: Annotated[int | None, typer.Option(metavar="N", min=1, help="processes; default: 4 per processor")] = None,
    users: Annotated[
        int, typer.Option(metavar="N", min=1, help="accounts; fewer of them wait more for each other")
    ] = 100,
    faults: Annotated[
        str, typer.Option(metavar="KIND,…|none", help="kill, terminate, cancel")
    ] = "kill,terminate,cancel",
    sql: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="to install above the shipped migrations; repeatable")
    ] = None,
    target: Target = "embedded",
    pg_bin: PgBin = None,
    seed: Seed = 0,
    out: Out = Path("reports"),
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="also write soak.json here")] = None,
    quiet: Quiet = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="also errors, and every finding in full")] = False,
) -> int:
    """Load without control, with faults at random: does the ledger hold? Not repeatable, whatever the seed."""
    from harness.cli_soak import Asked, run_soak, soak_options
    from harness.report.folder import new_run_folder

    asked = Asked(
        target=target, pg_bin=pg_bin, workers=workers, users=users, seconds=seconds, operations=operations,
        faults=faults, sql=sql or (), seed=seed, json=json, quiet=quiet, verbose=verbose,
    )  # fmt: skip
    can_be_written("--json", json)
    soak_options(asked)  # a mistake is told before there is a folder
    folder = new_run_folder(out)
    try:
        return run_soak(asked, folder)
    except BaseException:
        remove_empty(folder)
        raise


@app.command(short_help="Read-only checks of a live ledger")
def audit(
    target: Annotated[
        str, typer.Option(metavar="SERVER", help="postgresql://… or env:NAME (a variable that holds a DSN)")
    ],
    map_: Annotated[
        Path | None, typer.Option("--map", metavar="FILE", help="YAML with the names of your tables and columns")
    ] = None,
    since: Annotated[str, typer.Option(metavar="12h|1d|2w", help="how far back the monitoring queries look")] = "1d",
    timeout: Annotated[float, typer.Option(metavar="SECONDS", min=0.001, help="that a query may take")] = 60.0,
    stuck_after: Annotated[
        int, typer.Option(metavar="MINUTES", min=1, help="in processing after which a job is stuck")
    ] = 60,
    limit: Annotated[
        int, typer.Option(metavar="N", min=1, max=10_000, help="rows kept per check; all are counted")
    ] = 50,
    show_ids: Annotated[bool, typer.Option("--show-ids", help="user ids as they are, in place of hashes")] = False,
    out: Out = Path("reports"),
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="also write audit.json here")] = None,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="only what is not as it should be")] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="also all rows that are kept")] = False,
) -> int:
    """Read-only checks of a live ledger: is the money right, and are the functions deployed as they should be?"""
    from harness.cli_audit import Asked, run_audit

    can_be_written("--json", json)
    return run_audit(
        Asked(
            target=target, mapping=map_, since=since, timeout=timeout, stuck_after=stuck_after, limit=limit,
            show_ids=show_ids, out=out, json=json, quiet=quiet, verbose=verbose,
        )
    )  # fmt: skip


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
    from harness.cli_spec import spec_of
    from harness.regression import write_regression
    from harness.replay import replay, scenario_of
    from harness.report.console import plain_console
    from harness.report.counted import Counted
    from harness.report.replayed import print_replay
    from harness.schedule import read_saved
    from harness.targets import open_target

    saved = read_saved(file)
    if saved.retry and (as_scenario is not None or as_pytest is not None):
        raise UsageError(f"{file}: a fault and its retry are kept by the scenario's key `faults`, not by a new file")
    if saved.isolation and (as_scenario is not None or as_pytest is not None):
        raise UsageError(
            f"{file}: another isolation level is kept by the scenario's key `isolation`, not by a new file"
        )
    if saved.case and (as_scenario is not None or as_pytest is not None):
        raise UsageError(f"{file}: the case {saved.case} of {saved.file} is the regression: keep that file")
    if not saved.checks and (as_scenario is not None or as_pytest is not None):
        raise UsageError(f"{file}: violates nothing, so there is nothing to keep from coming back")
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
    print_replay(_replayed(result, saved), _summary(result, saved, version))
    return 1 if result.reproduced else 0


@app.command(short_help="Make a saved run's report again, or compare two")
def report(
    folder: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="of a run, or of reports: the last run there; default: reports")
    ] = None,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option(metavar="OLD NEW", help="folders or results.json files: what turned red from one to the other?"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="a new folder for it, in place of the run's own")
    ] = None,
    json: Annotated[
        Path | None, typer.Option(metavar="FILE", help="also write results.json (with --compare: the comparison) here")
    ] = None,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="also write JUnit XML here")] = None,
) -> int:
    """Make the report of a saved run again, without a server; or compare two runs."""
    from harness.cli_report_command import compared, rebuild

    if compare is None:
        return rebuild(folder or Path("reports"), out, json, junit)
    for option, given in (("DIR", folder), ("--out", out), ("--junit", junit)):
        if given is not None:
            raise UsageError(f"{option} does not go with --compare: {given}")
    return compared(*compare, json)


@app.command(short_help="Why it came to a saved counterexample")
def explain(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="a saved schedule, or the history beside it")],
) -> int:
    """Explain a saved counterexample: what was violated, the timeline, why. Needs no server."""
    from harness.cli_explain import explain_file

    return explain_file(file)


@app.command(short_help="Run specs of PostgreSQL's isolationtester")
def spec(
    file: Annotated[list[Path], typer.Argument(metavar="FILE", help="of isolationtester, or folders of them")],
    expected: Annotated[
        Path | None, typer.Option(metavar="FILE|DIR", help="expected outputs (NAME.out): compare, print what differs")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="write each output there instead, as NAME.out")
    ] = None,
    target: Target = "embedded",
    pg_bin: PgBin = None,
) -> int:
    """Run specs of PostgreSQL's isolationtester, and print what that prints."""
    from harness.cli_spec import Asked, run_specs

    return run_specs(Asked(files=file, expected=expected, out=out, target=target, pg_bin=pg_bin))


@app.command("list", short_help="List scenarios")
def list_(
    scenario: Annotated[
        list[str] | None, typer.Argument(metavar="SCENARIO", help="files, folders or names; default: scenarios/")
    ] = None,
) -> int:
    """List scenarios: name, workers, interleavings, what they are about."""
    from harness.report.listing import print_scenarios
    from harness.scenario.find import find_scenarios, load_all

    print_scenarios(load_all(find_scenarios(scenario or [])))
    return 0


@app.command(short_help="Is this machine ready?")
def doctor(
    pg_bin: PgBin = None,
    clean: Annotated[bool, typer.Option("--clean", help="instead remove what killed runs have left")] = False,
    target: Annotated[
        str | None,
        typer.Option(metavar="SERVER", help="with --clean: also databases on this server, postgresql://… or env:NAME"),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="with --clean: only say what would go")] = False,
) -> int:
    """Is this machine ready? Starts a server and says what was found."""
    from harness.cli_doctor import run_doctor

    return run_doctor(pg_bin, target, clean=clean, dry_run=dry_run)


@app.command(short_help="Print the JSON Schema of scenarios or results")
def schema(
    results: Annotated[
        bool, typer.Option("--results", help="of results.json instead, for programs that read it")
    ] = False,
    audit: Annotated[bool, typer.Option("--audit", help="of audit.json instead")] = False,
    map_: Annotated[bool, typer.Option("--map", help="of mapping files of `harness audit` instead")] = False,
) -> int:
    """Print the JSON Schema of scenario files, for editors, or of results."""
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


def main() -> NoReturn:
    """Entry point. One line on standard error for anything that a person can act on; exit codes as promised."""
    from harness.cli_ending import ended_once, flushed, open_standard_streams, speak_what_is_understood

    open_standard_streams()
    speak_what_is_understood()
    ended_once()
    sys.exit(flushed(_run(sys.argv[1:]), _say))


def _run(arguments: list[str]) -> int:
    from harness.adhoc.arguments import join_call_as

    try:
        result: Any = app(join_call_as(arguments), prog_name="harness", standalone_mode=False)
        if result == INTERRUPTED:  # typer has already turned Ctrl-C into this
            return _say("interrupted", INTERRUPTED)
        return result if isinstance(result, int) else 0
    except TyperException as e:
        return _say(e.format_message(), 2)
    except HarnessError as e:
        return _say(str(e), e.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        return _say("interrupted", INTERRUPTED)
    except BrokenPipeError:  # whoever read has seen enough
        return 0
    except Exception:
        from harness.db import answering

        try:
            with answering():
                raise
        except HarnessError as refused:
            return _say(str(refused), refused.exit_code)


def _request(
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
    from harness.scenario.scripts import HISTORY_CHECKS

    if call_as:
        raise UsageError("--call-as takes two values: ROLE SQL")
    return read_request(
        sql=sql, call=call or [], setup=setup or [], role=role, workers=workers, invariant=invariant or [],
        reserved=HISTORY_CHECKS,
    )  # fmt: skip


def _say(message: str, code: int) -> int:
    """One line, whatever the message holds."""
    line = " ".join(message.split())
    sys.stderr.write(f"harness: {line}\n")
    return code


def _one_of(option: str, value: str | None, known: tuple[str, ...]) -> None:
    if value is not None and value not in known:
        from harness.scenario.schema import nearest

        raise UsageError(f"{option}: unknown {value!r}{nearest(value, list(known))}")


def _replayed(result: Any, saved: Any) -> Counterexample:
    """What the replay showed, with what can be read off it of why."""
    from harness.causes import reasons_of
    from harness.model import Counterexample, Story

    reasons = reasons_of(result.execution, result.violations, saved.isolation) if result.violations else ()
    return Counterexample(
        scenario=saved.scenario, execution=result.execution, violations=tuple(result.violations), replay="",
        story=Story(reasons=reasons),
    )  # fmt: skip


def _summary(result: Any, saved: Any, version: str) -> str:
    if saved.checks:
        text = f"reproduced {result.reproduced} of {result.times}" if result.reproduced else "not reproduced"
    else:
        text = "violates nothing, as saved" if not result.reproduced else "violated nothing when it was saved"
    if result.adapted:
        text += " (adapted: scenario or SQL have changed since it was saved)"
    return text if saved.server == version else f"{text} (saved on PostgreSQL {saved.server}, now {version})"


if __name__ == "__main__":
    main()
