"""A finding's calls as a scenario, for the directed search: what chance met once, it can be made to meet again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from harness.campaign import Options
from harness.model import Counterexample, ScenarioResult, Script, Verdict
from harness.run import SilentReporter, run_scenarios
from harness.scenario import FIRST_LINE, load_scenario
from harness.soak.calls import ROLE
from harness.soak.slices import at_the_centre, overlap
from harness.soaked import Finding, HandOver, Job, Kind, Operation
from harness.targets.protocol import Target

MOST_WORKERS = 3
SCHEDULES = 1_000
"""So many executions at most: a finding that takes more is told as not reproduced."""
_OPENING = 5_000


def hand_over(
    finding: Finding, number: int, more: Sequence[Script], target: Target, folder: Path, *, seed: int
) -> Finding:
    """``finding`` with what the search made of it; as it was, when its history has no call to hand over.

    Writes ``soak_NUMBER.yaml`` and, once, ``soak_sql/`` (the scripts ``more`` that stand above the migrations) into
    ``folder``; counterexamples go there too.
    """
    calls = chosen(finding.history)
    if not calls:
        return finding
    name = f"soak_{number}"
    path = folder / f"{name}.yaml"
    path.write_text(scenario_text(name, calls, _beside(more, folder)), encoding="utf-8")
    options = Options(seed=seed, schedules=SCHEDULES, folder=folder)
    [result] = run_scenarios([load_scenario(path)], target, options, SilentReporter(), jobs=1).scenarios
    return replace(finding, handed_over=_told(result, finding, path))


def chosen(history: Sequence[Operation]) -> tuple[Operation, ...]:
    """The calls to try, at most `MOST_WORKERS`, by the time they began.

    On one job: those that were told of a refund, those that overlap them, then others; its charge is set-up. On several
    jobs: the call that overlaps most others, and those.
    """
    one_job = len({o.job.job for o in history}) == 1
    calls = [o for o in history if not (one_job and o.kind is Kind.CHARGE)]
    if not calls:
        return ()
    first = ([o for o in calls if o.refunded] or calls[:1]) if one_job else [at_the_centre(calls)]
    met = [o for o in calls if o not in first and any(overlap(o, f) for f in first)]
    others = [o for o in calls if o not in first and o not in met] if one_job else []
    return tuple(sorted([*first, *met, *others][:MOST_WORKERS], key=lambda o: o.begin_s))


def scenario_text(name: str, calls: Sequence[Operation], install: Sequence[str]) -> str:
    """The scenario file. ``install``: paths of what stands above the shipped migrations."""
    return "".join(line + "\n" for line in _lines(name, calls, install))


def _lines(name: str, calls: Sequence[Operation], install: Sequence[str]) -> Iterator[str]:
    jobs = list(dict.fromkeys(o.job for o in calls))
    users = {u: f"user{n}" for n, u in enumerate(dict.fromkeys(j.user for j in jobs), 1)}
    names = {job: f"job{n}" for n, job in enumerate(jobs, 1)}
    yield FIRST_LINE
    yield "version: 1"
    yield f"name: {name}"
    yield "about: Calls of a soak that violated an invariant. Nobody knows in which order they met there."
    yield "install:"
    yield "  - migrations"
    yield from (f"  - {path}" for path in install)
    yield "setup:"
    yield from (f"  - user: {{name: {user}, balance: {_OPENING}}}" for user in users.values())
    for job in jobs:
        if any(o.kind is Kind.CHARGE and o.job == job for o in calls):
            yield f"  - job: {{job: {names[job]}, user: {users[job.user]}, status: processing}}"
        else:
            yield f"  - charge: {{job: {names[job]}, user: {users[job.user]}, amount: {job.amount}}}"
    yield "workers:"
    for number, o in enumerate(calls, 1):
        yield f"  w{number}:"
        yield f"    role: {ROLE}"
        yield "    statements:"
        yield f"      - {_call(o.kind, o.job, names[o.job], users[o.job.user])}"
    yield "orders:"
    yield "  - auto"


def _call(kind: Kind, job: Job, name: str, user: str) -> str:
    if kind is Kind.COMPLETE:
        return f"complete: {{job: {name}, user: {user}}}"
    if kind is Kind.CHARGE:
        return f"charge: {{job: {name}, user: {user}, amount: {job.amount}}}"
    return f"refund: {{job: {name}, user: {user}, amount: {job.amount}}}"


def _beside(more: Sequence[Script], folder: Path) -> tuple[str, ...]:
    """Copies of the scripts, so that the scenario stays what it is when the originals are put right."""
    paths = []
    for number, script in enumerate(more, 1):
        path = folder / "soak_sql" / f"{number:02}_{_plain(Path(script.name).stem)}.sql"
        path.parent.mkdir(exist_ok=True)
        path.write_text(script.text, encoding="utf-8")
        paths.append(f"./{path.relative_to(folder)}")
    return tuple(paths)


def _plain(name: str) -> str:
    return "".join(c if c.isascii() and c.isalnum() else "_" for c in name)


def _told(result: ScenarioResult, finding: Finding, path: Path) -> HandOver:
    told = HandOver(scenario=str(path), verdict=result.observed, schedules=result.schedules, meaning=result.meaning)
    if result.observed is not Verdict.VIOLATION or not result.counterexamples:
        return told
    example, same = _telling(result.counterexamples, finding)
    checks = [v.check for v in example.violations]
    check = next((c for c in checks if c in finding.checks), checks[0])
    return replace(told, replay=example.replay, check=check, same=same)


def _telling(examples: Sequence[Counterexample], finding: Finding) -> tuple[Counterexample, bool]:
    """The first that violates one of the finding's checks, else the first."""
    for example in examples:
        if {v.check for v in example.violations} & {*finding.checks}:
            return example, True
    return examples[0], False
