"""The answers and the final ledger against a plain Python ledger: some order of the calls, which respects who ended
before whom began, must explain both. (Serial equivalence asks the system itself instead, knows no real time, and takes
a client's whole list of statements as one.)"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.checks.linearizability import Search, linearize
from harness.checks.operations import Operation
from harness.checks.protocol import Context
from harness.checks.refund_model import Answer, Ledger, perform
from harness.checks.units import Unit, unfit, units
from harness.model import CheckResult, EventKind, Json, Row, Violation

NAME = "ledger_model"
MAX_STEPS = 200_000
"""Steps of the search for an order. Answers leave little to try: twelve charges at once, each told the balance that it
found, need 78."""
MAX_BLIND_STEPS = 10_000
"""Steps of the search for what the ledger could have ended with, whatever was answered. It serves the message only."""

_STAND_IN = "?"
"""For words that nobody knows: they are not compared, and an empty story would be refused."""

_LITERAL = re.compile(r"(E?)'((?:[^']|'')*)'")


def ledger_model(context: Context) -> tuple[CheckResult, ...]:
    """One result when the scenario names a model, else none.

    Nothing is examined, and a note says why, when the model does not apply: a statement that is no call of its
    functions may have changed the tables, a worker has a role of its own, the tables are others.
    """
    if not context.scenario.model:
        return ()
    history = context.execution.history
    why = unfit(context)
    try:
        opening, closing = Ledger.read(history.opening), Ledger.read(history.closing)
    except KeyError as e:
        why = f"the tables are not those of the refund system: no {e.args[0]}"
    if why is not None:
        return (CheckResult(check=NAME, examined=0, notes=(_note(why),)),)
    examined = sum(op.statement.call is not None for op in context.operations)
    return (_Judge(units(context), opening, closing).result(examined),)


@dataclass(frozen=True, slots=True)
class _Told:
    """A call's answer, what the model answers in its place, and whether the one explains the other."""

    operation: Operation
    model: Answer
    explained: bool


class _Judge:
    def __init__(self, found: Sequence[Unit], opening: Ledger, closing: Ledger) -> None:
        self.units, self.opening, self.closing = found, opening, closing
        self.words = {id(op): _words(op) for unit in found for op in unit.calls}
        # A statement that no macro wrote may carry any words: then nobody's are compared.
        self.knows_words = None not in self.words.values()
        if not self.knows_words:
            self.closing = closing.without_words()

    def result(self, examined: int) -> CheckResult:
        search = self._search(self._step, self._is_closing, MAX_STEPS)
        if search.order is not None:
            impolite = [t for t in self._told(search.order) if _is_impolite(t)]
            return CheckResult(check=NAME, examined=examined, notes=tuple(map(_impolite, impolite)))
        if not search.complete:
            why = f"{len(self.units)} calls and transactions have more orders than were tried ({MAX_STEPS} steps)"
            return CheckResult(check=NAME, examined=0, notes=(_note(why),))
        return CheckResult(check=NAME, examined=examined, violations=(self._violation(search),))

    def _search(
        self, step: Callable[[Ledger, int], Ledger | None], accept: Callable[[Ledger], bool], limit: int
    ) -> Search[Ledger]:
        return linearize([u.interval for u in self.units], self.opening, step, accept, limit=limit)

    def _step(self, ledger: Ledger, index: int) -> Ledger | None:
        after, told = self._perform(ledger, self.units[index])
        return after if all(t.explained for t in told) else None

    def _blind(self, ledger: Ledger, index: int) -> Ledger:
        """Whatever was answered."""
        return self._perform(ledger, self.units[index])[0]

    def _is_closing(self, ledger: Ledger) -> bool:
        return self.closing == (ledger if self.knows_words else ledger.without_words())

    def _perform(self, ledger: Ledger, unit: Unit) -> tuple[Ledger, list[_Told]]:
        after, told = ledger.copy(), []
        for op in unit.calls:
            assert op.statement.call is not None
            words = self.words[id(op)]
            answer = perform(after, op.statement.call, role=unit.role, words=_STAND_IN if words is None else words)
            said_by = unit.failed if unit.failed is not None and op is unit.calls[-1] else op
            told.append(_Told(said_by, answer, self._explains(answer, op, unit)))
        return (after if unit.failed is None else ledger), told

    def _explains(self, answer: Answer, op: Operation, unit: Unit) -> bool:
        if unit.failed is not None:
            # The answers before it went with it. Where the model refuses, the error is merely impolite.
            return op is not unit.calls[-1] or answer.get("success") is not True
        if op.outcome is not EventKind.OK:
            return True  # nobody read an answer
        given = _given(op)
        return given is not None and _text(given, self.knows_words) == _text(answer, self.knows_words)

    def _told(self, order: Iterable[int]) -> list[_Told]:
        ledger, told = self.opening, []
        for index in order:
            ledger, more = self._perform(ledger, self.units[index])
            told += more
        return told

    def _violation(self, search: Search[Ledger]) -> Violation:
        rest = sorted(set(range(len(self.units))) - set(search.longest), key=lambda i: self.units[i].interval.began)
        told = self._told((*search.longest, *(i for i in rest if not self.units[i].interval.optional)))
        strange = next((t for t in told if not t.explained), None)
        blind = self._search(self._blind, lambda _: False, MAX_BLIND_STEPS)
        if blind.complete and not any(map(self._is_closing, blind.ends)):
            message = f"no order of the calls explains it: {self._difference(blind.ends)}"
        elif strange is not None:
            before = [t for t in told[: told.index(strange)] if t.operation.worker != strange.operation.worker]
            place = f"after {_step_name(before[-1].operation)} " if before else ""
            message = (
                f"no order of the calls explains their answers: {place}{_step_name(strange.operation)} "
                f"{_said(strange.operation)}; the model answers {json.dumps(strange.model)}"
            )
        else:
            message = f"no order that explains the answers explains the ledger: {self._difference(search.ends)}"
        turn = strange.operation.turn if strange is not None else None
        return Violation(check=NAME, message=message, witness=tuple(map(_witness, told)), turn=turn)

    def _difference(self, ends: Iterable[Ledger]) -> str:
        """The plainest thing in which the ledger differs from the end of every order: balances, jobs, rows."""
        mine = _facts(self.closing)
        theirs = [_facts(end if self.knows_words else end.without_words()) for end in ends]
        for what in sorted({*mine, *(w for facts in theirs for w in facts)}):
            values = [facts.get(what, "nothing") for facts in theirs]
            ours = mine.get(what, "nothing")
            if ours not in values:
                expected = " or ".join(dict.fromkeys(values))
                return f"the ledger ends with {what[2]} {ours}; the model ends with {expected} in every order"
        return "each part of the ledger is what some order ends with; no order ends with all of it"


def _facts(ledger: Ledger) -> Mapping[tuple[int, int, str], str]:
    """What a ledger holds, in words; the plainest facts have the least keys."""
    facts = {(0, 0, user): str(balance) for user, balance in ledger.balances.items()}
    for name, job in ledger.jobs.items():
        facts[1, 0, name] = job.status
        facts[2, 0, f"{name} of"] = job.user
        facts[4, 0, f"the words of {name}"] = repr(job.words)
    for user, entries in ledger.entries.items():
        for n, e in enumerate(entries, start=1):
            job_of = f" for {e.job}" if e.job else ""
            facts[3, n, f"{user}'s row {n}:"] = f"{e.type} {e.amount:+d} ({e.before} → {e.after}){job_of}"
    return facts


def _words(op: Operation) -> str | None:
    """The story or error message in the SQL of a call (third of its literals, behind the job and the user); None: it
    cannot be told."""
    found = _LITERAL.findall(op.statement.sql)
    assert op.statement.call is not None
    if op.statement.call.kind == "charge":
        return ""
    if len(found) < 3 or any(escaped for escaped, _ in found):
        return None
    words: str = found[2][1]
    return words.replace("''", "'")


def _given(op: Operation) -> Answer | None:
    """The JSON object that a call answered: one row with one column."""
    values = [value for row in op.answer or () for value in row.values()]
    return values[0] if len(values) == 1 and isinstance(values[0], dict) else None


def _text(answer: Answer, knows_words: bool) -> str:
    """Equal for equal answers: JSON's true is not 1."""
    return json.dumps({k: v for k, v in answer.items() if knows_words or k != "story_id"}, sort_keys=True)


def _said(op: Operation) -> str:
    if op.outcome is EventKind.FAIL:
        return f"failed with {op.sqlstate} ({op.message})"
    given = _given(op)
    return f"answered {json.dumps(given if given is not None else [dict(row) for row in op.answer or ()])}"


def _witness(told: _Told) -> Row:
    op = told.operation
    answered: Json = {"sqlstate": op.sqlstate} if op.outcome is EventKind.FAIL else _given(op)
    return {"call": _step_name(op), "answered": answered, "model": dict(told.model), "explained": told.explained}


def _is_impolite(told: _Told) -> bool:
    op = told.operation
    return op.outcome is EventKind.FAIL and told.model.get("sqlstate") != op.sqlstate


def _impolite(told: _Told) -> Violation:
    op = told.operation
    message = f"{_step_name(op)} {_said(op)} where the model answers {json.dumps(told.model)} (the ledger is right)"
    return Violation(check=NAME, message=message, witness=(_witness(told),), turn=op.turn)


def _note(why: str) -> Violation:
    return Violation(check=NAME, message=f"not judged by the model: {why}")


def _step_name(op: Operation) -> str:
    return f"{op.worker}.{op.statement.name}"
