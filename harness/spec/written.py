"""A counterexample as a spec: where all that matters happens between the statements that clients send.

What is installed and set up becomes setup blocks, each worker a session, each of its statements a step, and the order
the only permutation. A last session reads the ledger, and what the broken checks find in it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.checks.canonical import GENERATED, VOLATILE
from harness.driver.names import Names
from harness.errors import UsageError
from harness.files import write_atomically
from harness.model import Action, Decision, History, Row, Scenario, Script, Statement, StatementKind, Violation, Worker
from harness.schedule import SavedSchedule
from harness.spec.braces import BraceError, without_braces
from harness.sqltext import SqlSyntaxError, Template, quoted

_NUMBER = 1
"""Of the execution whose ids the spec uses."""
_FIRST_LINE = "# Written by `harness replay"
_COMMIT = ":commit"
_STATE, _CHECK = "ledger.", "check."
_SETS = re.compile(r"^\s*set\b|\bset_config\s*\(", re.IGNORECASE | re.MULTILINE)
# What differs from run to run: times and ids that the server made, which bear names in a violation's witness.
_VOLATILE = re.compile(f"{VOLATILE.pattern}|{GENERATED.pattern}")

Rows = Mapping[str, Sequence[Row]]
"""By name of a step of the last session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """``opens``: its transaction stays open, as its commit is a step of its own."""

    worker: str
    statement: Statement
    blocked: bool = False
    opens: bool = False

    @property
    def name(self) -> str:
        return f"{self.worker}.{self.statement.name}"


def client_steps(saved: SavedSchedule, scenario: Scenario, file: Path) -> tuple[_Step, ...]:
    """The order of ``saved`` (the file ``file``) as statements that clients send. Raises `UsageError`: a spec cannot
    say it."""
    for what, there in {
        f"a fault and its retry ({saved.retry})": saved.retry,
        f"the isolation level {saved.isolation}": saved.isolation,
        f"the single call {saved.case}": saved.case,
    }.items():
        if there:
            raise _cannot(file, what)
    workers = {w.name: w for w in scenario.workers}
    if any(w.role == "public" for w in workers.values()):
        raise _cannot(file, "the role public, which only the harness makes")
    steps: list[_Step] = []
    previous = None
    for decision in saved.schedule.decisions:
        _add(steps, decision, previous, workers, file)
        previous = decision
    return tuple(steps)


def check_writable(saved: SavedSchedule, scenario: Scenario, file: Path, out: Path) -> None:
    """Raises `UsageError` where a spec cannot say ``saved`` (the file ``file``), or ``out`` is something else."""
    _may_write(out)
    _text(saved, scenario, file, {})


def rows_read(history: History, violations: Sequence[Violation]) -> Rows:
    """What the last session's steps would have read, before and after, in an execution with this history."""
    ledger = {f"{_STATE}{name}": (*history.opening.get(name, ()), *rows) for name, rows in history.closing.items()}
    return ledger | {f"{_CHECK}{v.check}": tuple(v.witness) for v in violations}


def write_spec(saved: SavedSchedule, scenario: Scenario, file: Path, rows: Rows, out: Path) -> None:
    """Write ``saved`` to ``out``. ``rows`` of an execution of it tell which columns are the same in every run: only
    those are read, so that outputs can be compared. Raises `UsageError`."""
    _may_write(out)
    text = _text(saved, scenario, file, rows)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(out, text.encode())
    except OSError as e:
        raise UsageError(f"cannot write {out}: {e.strerror or e}") from None


def _may_write(out: Path) -> None:
    """Raises `UsageError` where a spec cannot be written to ``out``."""
    if out.suffix != ".spec":
        raise UsageError(f"--as-spec {out}: a spec file ends in .spec")
    if out.exists() and not (out.is_file() and out.read_bytes().startswith(_FIRST_LINE.encode())):
        raise UsageError(f"--as-spec {out}: this file was not written here, and stays as it is")


def _text(saved: SavedSchedule, scenario: Scenario, file: Path, rows: Rows) -> str:
    steps = client_steps(saved, scenario, file)
    try:
        return "\n".join(_Text(saved, scenario, rows, steps, file).lines())
    except BraceError as e:
        raise _cannot(file, str(e)) from None
    except SqlSyntaxError as e:
        raise _cannot(file, f"SQL that is not understood: {e.message}") from None


def _add(
    steps: list[_Step], decision: Decision, previous: Decision | None, workers: Mapping[str, Worker], file: Path
) -> None:
    """Add what ``decision`` makes of the steps so far."""
    choice = decision.choice
    statements = {s.name: s for s in workers[choice.worker].statements} if choice.worker in workers else {}
    last = next((i for i in reversed(range(len(steps))) if steps[i].worker == choice.worker), None)
    goes_on = previous is not None and previous.choice.worker == choice.worker
    if choice.action is not Action.RUN:
        raise _cannot(file, f"the fault {choice}")
    if choice.step in statements:
        steps.append(_Step(worker=choice.worker, statement=statements[choice.step], blocked=decision.blocked))
    elif last is None:
        raise _cannot(file, f"the step {choice}, which is no statement of {choice.worker}")
    elif choice.step.endswith(_COMMIT):
        if not goes_on:  # else nobody comes between, and the server commits by itself
            commit = Statement(name=choice.step, sql="COMMIT", kind=StatementKind.COMMIT)
            steps[last] = replace(steps[last], opens=True)
            steps.append(_Step(worker=choice.worker, statement=commit))
    elif not (goes_on or steps[last].blocked):
        raise _cannot(file, f"{choice.worker} is held inside a function at {choice.step} while another one goes on")
    elif not goes_on:  # it was woken, and ran on
        steps[last] = replace(steps[last], blocked=False)


class _Text:
    def __init__(
        self, saved: SavedSchedule, scenario: Scenario, rows: Rows, steps: Sequence[_Step], file: Path
    ) -> None:
        self._saved, self._scenario, self._rows, self._steps, self._file = saved, scenario, rows, steps, file
        self._values = Names(scenario.users, scenario.jobs, _NUMBER).values

    def lines(self) -> Iterator[str]:
        saved, scenario = self._saved, self._scenario
        yield f"{_FIRST_LINE} {self._file.name} --as-spec`: {scenario.name}, PostgreSQL {saved.server}."
        yield f"# It violates {', '.join(saved.checks)}. Run it in an empty database."
        yield from (f"# {line}".rstrip() for line in ("", *scenario.about.strip().splitlines(), ""))
        for script in scenario.install:
            yield from ("", f"# {script.name}", *_block("setup", without_braces(script.text)))
            if _SETS.search(script.text):  # each was installed by a session of its own
                yield "setup { RESET ROLE; RESET ALL; }"
        for script in scenario.setup:
            yield from ("", f"# {script.name}", *_block("setup", self._filled(script.text)))
        for worker in scenario.workers:
            yield from self._session(worker)
        reads = list(self._reads())
        if reads:
            yield from ("", f"session {quoted(self._free_name())}")
            for name, sql in reads:
                yield from _block(f"step {quoted(name)}", sql)
        order = [*(step.name for step in self._steps), *(name for name, _ in reads)]
        yield from ("", "permutation", *(f"  {quoted(name)}" for name in order), "")

    def _session(self, worker: Worker) -> Iterator[str]:
        steps = {step.name: step for step in self._steps if step.worker == worker.name}
        if not steps:
            return
        yield from ("", f"session {quoted(worker.name)}")
        if worker.role:
            yield f"setup {{ SET ROLE {quoted(worker.role)}; }}"
        for name, step in steps.items():
            sql = self._filled(step.statement.sql)
            yield from _block(f"step {quoted(name)}", f"BEGIN;\n{sql}" if step.opens else sql)

    def _reads(self) -> Iterator[tuple[str, str]]:
        """The steps of the last session: what the ledger holds, and what the broken invariants find."""
        for script in self._scenario.state:
            yield self._read(_STATE, script)
        for script in self._scenario.invariants:
            if script.name in self._saved.checks:
                yield self._read(_CHECK, script)

    def _read(self, kind: str, script: Script) -> tuple[str, str]:
        name = f"{kind}{script.name}"
        columns = ", ".join(map(quoted, _steady(self._rows.get(name, ())))) or "count(*)"
        return name, f"SELECT {columns} FROM (\n{self._filled(script.text)}\n) AS found"

    def _filled(self, sql: str) -> str:
        return without_braces(Template(sql).render(self._values))

    def _free_name(self) -> str:
        taken = {w.name for w in self._scenario.workers}
        return next(name for name in ("ledger", "the ledger") if name not in taken)


def _steady(rows: Sequence[Row]) -> list[str]:
    """Columns whose values are the same in every run."""
    columns = dict.fromkeys(name for row in rows for name in row)
    return [c for c in columns if not any(_VOLATILE.search(json.dumps(row.get(c), default=str)) for row in rows)]


def _block(head: str, sql: str) -> Iterator[str]:
    sql = sql.strip()
    if "\n" in sql:
        yield from (head, "{", sql, "}")
    else:
        yield f"{head} {{ {sql.removesuffix(';')}; }}"


def _cannot(file: Path, what: str) -> UsageError:
    return UsageError(f"{file}: no spec can say {what}")
