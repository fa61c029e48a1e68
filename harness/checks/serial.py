"""Serial equivalence: the final ledger and all answers equal those of some serial order of the calls that took effect.

The unit is a worker's whole list of statements: what a client does for one job. Anything smaller would count the
legacy worker's double refund as serial.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness.checks.canonical import GENERATED, VOLATILE, Canonical, fingerprint, ranked, unranked
from harness.checks.operations import Effect, Operation
from harness.checks.protocol import Context
from harness.model import CheckResult, EventKind, Execution, Ledger, Row, Statement, Violation, Worker

MAX_WORKERS = 4
"""n workers have n! serial orders; beyond this they are not judged."""

_TOGETHER = 4
"""More rows than this in one sentence nobody reads."""

_RETRYABLE = ("40001", "40P01", "55P03", "57014", "25P02")
"""Refusals that a serial run cannot show and that lose nothing: serialization, deadlock, NOWAIT, cancel, aborted."""

_CONSTANTS = "constants"
"""Where they are remembered: the same for all executions of a scenario."""

Take = Mapping[str, tuple[Statement, ...]]
Answers = Mapping[str, tuple[tuple[str, tuple[Row, ...]], ...]]


def serial_equivalence(context: Context) -> tuple[CheckResult, CheckResult]:
    """Two results: ``serial_equivalence`` (the ledger differs) and the weaker ``serial_answers`` (only answers do)."""
    scenario = context.scenario
    if len(scenario.workers) > MAX_WORKERS:
        return CheckResult(check="serial_equivalence", examined=0), CheckResult(check="serial_answers", examined=0)
    key = _key(context)
    if key in context.memory:
        return _results(None, None)
    found = _compared(context)
    if not any(result.violations or result.notes for result in found):
        context.memory[key] = True
    return found


def _key(context: Context) -> str:
    """Equal for executions with the same outcome: what the workers did and were told, and the final ledger, but for
    the names of generated ids and times."""
    history = context.execution.history
    told = [(op.worker, op.statement.name, op.effect, op.outcome, op.answer, op.sqlstate) for op in context.operations]
    ends = (EventKind.CRASH, EventKind.END)
    stopped = [(e.worker, e.kind, e.answer, e.sqlstate) for e in history.events if e.kind in ends]
    left = (history.liveness.waiting, history.liveness.idle_in_transaction)
    closing = ranked(history.closing, context.probe.sequence_columns())
    naming = Canonical(_constants(context))
    return json.dumps(naming.value(["serial", told, stopped, left, closing]), default=str)


def _compared(context: Context) -> tuple[CheckResult, CheckResult]:
    judge = _Judge(context)
    weak = None
    for take in _worlds(context):
        matched = False
        for order in _orders(context, take):
            judge.compare(context.probe.serial(take, order))
            matched = matched or judge.ledger_equal
            if judge.ledger_equal and judge.answers_equal:
                return _results(None, _stray_error(context))
        if matched:
            weak = _answers_violation(judge)
    if weak is None and judge.differs_in_numbering_only():
        message = "rows are numbered by a sequence in an order that no serial run gives (all else is right)"
        weak = Violation(check="serial_answers", message=message)
    if weak is not None:
        return _results(None, weak)
    message, witness = judge.difference()
    return _results(Violation(check="serial_equivalence", message=message, witness=witness), None)


def _results(strong: Violation | None, weak: Violation | None) -> tuple[CheckResult, CheckResult]:
    return (
        CheckResult(check="serial_equivalence", examined=1, violations=(strong,) if strong else ()),
        CheckResult(check="serial_answers", examined=1, notes=(weak,) if weak else ()),
    )


def _worlds(context: Context) -> Iterator[Take]:
    """The statements that took effect, per worker; one world for each way an unknown outcome may have gone."""
    choices: list[list[tuple[Statement, ...]]] = []
    for worker in context.scenario.workers:
        mine = [op for op in context.operations if op.worker == worker.name]
        unknown = any(op.effect is Effect.UNKNOWN for op in mine)
        went_on = not _was_stopped(context, worker.name, mine)
        rest = _rest(worker, mine) if went_on else ()
        variants = []
        for counts in ((Effect.COMMITTED, Effect.UNKNOWN), (Effect.COMMITTED,)) if unknown else ((Effect.COMMITTED,),):
            taken = (*(op.statement for op in mine if op.effect in counts), *rest)
            variants.append(tuple(replace(s, attempt=1) for s in taken))  # one after the other, whatever failed between
        choices.append(variants)
    for world in itertools.product(*choices):
        yield {w.name: taken for w, taken in zip(context.scenario.workers, world, strict=True) if taken}


def _orders(context: Context, take: Take) -> Iterator[tuple[str, ...]]:
    """The orders of these workers in which none comes before one that had to end first. What has an unknown outcome
    never ends: a server may carry out what its client no longer waits for."""
    late = {op.worker for op in context.operations if op.effect is Effect.UNKNOWN}
    after = {w.name: set(w.after) - late for w in context.scenario.workers}
    for order in itertools.permutations(take):
        if not any(later in after[worker] for i, worker in enumerate(order) for later in order[i + 1 :]):
            yield order


def _rest(worker: Worker, mine: Sequence[Operation]) -> tuple[Statement, ...]:
    """What the worker had still to do, as far as it got, had no `if` of its own stopped it."""
    if not worker.statements:
        return ()
    position = max((op.position for op in mine), default=-1)
    attempt = worker.statements[max(position, 0)].attempt
    return tuple(s for s in worker.statements[position + 1 :] if s.attempt == attempt)


def _was_stopped(context: Context, worker: str, mine: Sequence[Operation]) -> bool:
    """Ended by an error, a crash, a lost connection, a wait without end or inside its transaction, rather than by its
    own ``if`` or its last statement; or never begun, as nothing was to be retried."""
    left = context.execution.history.liveness
    if worker in left.waiting or worker in left.idle_in_transaction or any(op.outcome is EventKind.INFO for op in mine):
        return True
    for event in context.execution.history.events:
        if event.worker == worker and event.kind is EventKind.CRASH:
            return True
    of = next(w for w in context.scenario.workers if w.name == worker)
    if not mine:
        return of.if_struck  # nobody was: it has no part in this
    return not of.keep_going and mine[-1].outcome is EventKind.FAIL


class _Judge:
    """Compares one execution with serial ones, and remembers what differed for the sentence."""

    def __init__(self, context: Context) -> None:
        self.sequences = context.probe.sequence_columns()
        self.constants = _constants(context)
        taken = [op for op in context.operations if op.effect is not Effect.NONE]
        self.unknown = {(op.worker, op.statement.name) for op in context.operations if op.effect is Effect.UNKNOWN}
        self.programs = frozenset(w.name for w in context.scenario.workers if w.program)
        given = ((op.worker, op.statement.name, op.answer) for op in taken if op.worker not in self.programs)
        self.answers = _answers((*given, *self._returned(context.execution)))
        self.closing = context.execution.history.closing
        self.actual = ranked(context.execution.history.closing, self.sequences)
        self.actual_ledger = self._ledger(self.actual)
        self.ledger_equal = self.answers_equal = False
        self.closings: list[Ledger] = []
        self.seen: list[dict[str, list[dict[str, Any]]]] = []
        self.seen_answers: list[Answers] = []

    def compare(self, serial: Execution) -> None:
        self.closings.append(serial.history.closing)
        closing = ranked(serial.history.closing, self.sequences)
        self.ledger_equal = self._same(closing, {}, {})
        self.seen.append(self._ledger(closing))
        done = (e for e in serial.history.events if e.kind is EventKind.OK and e.worker not in self.programs)
        answers = _answers((*((e.worker, e.step, e.answer) for e in done), *self._returned(serial)))
        self.answers_equal = False
        if self.ledger_equal:
            self.seen_answers.append(answers)
            mine, theirs = self._without_unknown(self.answers), self._without_unknown(answers)
            self.answers_equal = self._same(closing, mine, theirs)

    def _returned(self, execution: Execution) -> list[tuple[str, str, tuple[Row, ...] | None]]:
        """The answers of programs: what they returned, whatever they had read on the way."""
        ends = (e for e in execution.history.events if e.kind is EventKind.END and e.worker in self.programs)
        return [(e.worker, "end", e.answer) for e in ends]

    def differs_in_numbering_only(self) -> bool:
        """Whether some serial order ends with the same ledger but for the ranks of sequence values: a number says who
        drew first, and in itself that is no money."""
        if not any(self.sequences.get(table) for table in self.closing):
            return False
        mine = fingerprint(unranked(self.closing, self.sequences), {}, self.constants)
        return any(mine == fingerprint(unranked(other, self.sequences), {}, self.constants) for other in self.closings)

    def _together(self) -> str:
        """The shortest column whose values no serial order gives together, though some order gives each of them; ""
        where there is none."""
        found: list[tuple[tuple[bool, int, int], str]] = []
        for table, rows in self.actual_ledger.items():
            others = [s.get(table, []) for s in self.seen]
            if any(len(o) != len(rows) or not all(map(_same_place, rows, o)) for o in others):
                continue
            for column in {c: None for row in rows for c in row}:
                differing = [
                    i for i, row in enumerate(rows) if any(o[i].get(column) != row.get(column) for o in others)
                ]
                ended, *serial = ([(_key_of(o[i]), o[i].get(column)) for i in differing] for o in (rows, *others))
                texts = [", ".join(f"{key} {value}" for key, value in side) for side in (ended, *serial)]
                if 1 < len(differing) <= _TOGETHER and ended not in serial and not any(map(GENERATED.search, texts)):
                    number = all(isinstance(value, int) for _, value in ended)
                    sentence = f"{column} {texts[0]}; every serial order ends with {_or(texts[1:], ' or with ')}"
                    found.append(((not number, len(differing), len(found)), sentence))
        return min(found)[1] if found else ""

    def _ledger(self, ledger: Ledger) -> dict[str, list[dict[str, Any]]]:
        return Canonical(self.constants).ledger(ledger, {})

    def _same(self, closing: Ledger, mine: Answers, theirs: Answers) -> bool:
        found = fingerprint(self.actual, mine, self.constants)
        return bool(found == fingerprint(closing, theirs, self.constants))

    def _without_unknown(self, answers: Answers) -> Answers:
        """Answers of an operation with an unknown outcome count in one world and not in the other: leave them out."""
        kept = {w: tuple(a for a in given if (w, a[0]) not in self.unknown) for w, given in answers.items()}
        return {w: given for w, given in kept.items() if given}

    def difference(self) -> tuple[str, tuple[Row, ...]]:
        """What differs, in words and as data: the simplest difference that holds against every serial order."""
        differences: list[tuple[tuple[bool, int, int], str, tuple[str, int, str]]] = []
        for table, rows in self.actual_ledger.items():
            others = [s.get(table, []) for s in self.seen]
            if any(len(o) != len(rows) for o in others):
                continue
            for i, row in enumerate(rows):
                if not all(_same_place(row, o[i]) for o in others) and len(rows) > 1:
                    continue
                for column, value in row.items():
                    theirs = [o[i].get(column) for o in others]
                    if isinstance(value, int | str) and value not in theirs and not GENERATED.search(str(value)):
                        # Numbers before texts, and the shortest table first: balances before ledger rows and times.
                        rank = (not isinstance(value, int), len(rows), len(differences))
                        sentence = f"{column} {value}; every serial order ends with {_or(theirs)}"
                        differences.append((rank, sentence, (table, i, column)))
        if differences:
            _, message, place = min(differences)
            return message, (self._witness(*place),)
        for table, rows in self.actual_ledger.items():
            counts = [len(s.get(table, [])) for s in self.seen]
            if len(rows) not in counts:
                return f"{len(rows)} rows in {table}; every serial order ends with {_or(counts)}", ()
        return self._together() or "no serial order of the calls ends with this ledger", ()

    def _witness(self, table: str, i: int, column: str) -> Row:
        """The difference as data, with what tells the row: that is the same in every serial order."""
        row, others = self.actual_ledger[table][i], [s[table][i] for s in self.seen]
        same = {c: v for c, v in row.items() if all(o.get(c) == v for o in others)}
        return {
            "table": table, "row": {c: v for c, v in same.items() if not GENERATED.search(str(v))},
            "column": column, "ended": row[column], "serial": list(dict.fromkeys(o.get(column) for o in others)),
        }  # fmt: skip


def _stray_error(context: Context) -> Violation | None:
    """An operation that failed, though in no serial order of all calls it fails like that."""
    failed = [
        op
        for op in context.operations
        if op.outcome is EventKind.FAIL and op.sqlstate and op.sqlstate not in _RETRYABLE
    ]
    if not failed:
        return None
    everything = {w.name: w.statements for w in context.scenario.workers}
    for order in _orders(context, everything):
        events = context.probe.serial(everything, order).history.events
        also = {(e.worker, e.step, e.sqlstate) for e in events if e.kind is EventKind.FAIL}
        failed = [op for op in failed if (op.worker, op.statement.name, op.sqlstate) not in also]
        if not failed:
            return None
    op = failed[0]
    return Violation(
        check="serial_answers",
        message=f"{op.worker}.{op.statement.name} failed with {op.sqlstate} ({op.message}); "
        "in no serial order it does (the ledger is right)",
        witness=({"worker": op.worker, "step": op.statement.name, "sqlstate": op.sqlstate},),
        turn=op.turn,
    )


def _answers_violation(judge: _Judge) -> Violation:
    naming = Canonical(judge.constants)
    for worker, given in judge.answers.items():
        for i, (step, rows) in enumerate(given):
            expected = [o[worker][i] for o in judge.seen_answers if worker in o and i < len(o[worker])]
            shown = naming.value(list(rows))
            mine = fingerprint({}, {worker: (step, rows)}, judge.constants)
            if (worker, step) not in judge.unknown and all(
                mine != fingerprint({}, {worker: e}, judge.constants) for e in expected
            ):
                return Violation(
                    check="serial_answers",
                    message=f"{worker}.{step} gave an answer that it gives in no serial order (the ledger is right)",
                    witness=({"worker": worker, "step": step, "answer": shown},),
                )
    return Violation(
        check="serial_answers",
        message="no serial order gives these answers together (the ledger is right)",
        witness=({"answers": naming.value({w: dict(a) for w, a in judge.answers.items()})},),
    )


def _answers(found: Any) -> Answers:
    answers: dict[str, list[tuple[str, tuple[Row, ...]]]] = {}
    for worker, step, rows in found:
        answers.setdefault(worker, [])
        if rows:
            answers[worker].append((step, rows))
    return {w: tuple(a) for w, a in answers.items()}


def _same_place(row: Row, other: Row) -> bool:
    """Whether the two rows are about the same thing: their first column, the key, says so."""
    [key, other_key] = [next(iter(r.items()), None) for r in (row, other)]
    return key == other_key and not GENERATED.search(str(key))


def _key_of(row: Row) -> Any:
    return next(iter(row.values()))


def _constants(context: Context) -> frozenset[str]:
    known: frozenset[str] | None = context.memory.get(_CONSTANTS)
    if known is None:
        texts = [s.sql for w in context.scenario.workers for s in w.statements]
        texts += [s.text for s in context.scenario.setup]
        known = context.memory[_CONSTANTS] = frozenset(m[0] for text in texts for m in VOLATILE.finditer(text))
    return known


def _or(values: Sequence[Any], word: str = " or ") -> str:
    return word.join(str(v) for v in dict.fromkeys(values))
