"""Cases: tables taken apart, envelopes spelt out, every call with its role and its declared answer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from harness.model import (
    PUBLIC_ROLE,
    Case,
    Choice,
    Json,
    LedgerRule,
    OrderStep,
    Statement,
    StatementKind,
    Worker,
)
from harness.scenario.schema import CaseCallSpec, CaseSpec, ScenarioSpec, StatementSpec, nearest
from harness.scenario.workers import statements
from harness.scenario.yamltext import Document, Path_
from harness.sqltext import literal
from harness.statements import ROLE, unique_names

OWNER = "owner"
"""Who has installed everything: the session's own user."""
DENIED: Mapping[str, Json] = {"sqlstate": "42501"}
"""What a role is told that may not do what it asks for."""
MAX_CASES = 2_000

_FUNCTION = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\s*\(")


def case_statements(cases: Sequence[CaseSpec]) -> Iterator[tuple[Path_, StatementSpec]]:
    """All that cases send, as the file has it, with the places."""
    for i, spec in enumerate(cases):
        for where, call in _calls(i, spec):
            yield where, _statement(call)
        for key, texts in (("previous", spec.previous), ("then", spec.then)):
            for j, text in enumerate(texts):
                yield ("cases", i, key, j), StatementSpec(sql=text)


def check_alone(document: Document, spec: ScenarioSpec) -> None:
    """Raises `ScenarioError` for what a scenario without workers cannot have."""
    for key in ("orders", "queue", "model", "faults"):
        if key in spec.model_fields_set:
            raise document.error((key,), f"`{key}` needs `workers`: cases are single calls")


def build_cases(document: Document, cases: Sequence[CaseSpec], users: Sequence[str], base: Path) -> Iterator[Case]:
    """Every case of the file, in its order; of a table call by call, role by role. Raises `ScenarioError`."""
    taken: set[str] = set()
    for i, spec in enumerate(cases):
        if spec.sub is not None and spec.sub not in users:
            raise document.error(("cases", i, "sub"), f"unknown user {spec.sub!r}{nearest(spec.sub, list(users))}")
        for where, call in _calls(i, spec):
            for role, answer, ledger in _asked(document, where, spec, call):
                if len(taken) == MAX_CASES:
                    raise document.error(where, f"more than {MAX_CASES} cases")
                name = _name(spec, call, role)
                if name in taken and (call.name or (spec.name and spec.call)):
                    raise document.error(where, f"a second case {name!r}")
                name = next(n for k in count(1) if (n := name if k == 1 else f"{name}_{k}") not in taken)
                taken.add(name)
                yield _Builder(document, spec, ("cases", i), base).case(name, role, where, call, answer, ledger)


def _calls(i: int, spec: CaseSpec) -> Iterator[tuple[Path_, CaseCallSpec]]:
    if spec.call is not None:
        yield ("cases", i, "call"), spec.call
    for j, call in enumerate(spec.calls or ()):
        yield ("cases", i, "calls", j), call


def _asked(
    document: Document, where: Path_, spec: CaseSpec, call: CaseCallSpec
) -> Iterator[tuple[str, Mapping[str, Json], LedgerRule]]:
    """Who makes the call, what is answered, and what becomes of the ledger."""
    own = call.expect if call.expect is not None else spec.expect
    rule = call.ledger or spec.ledger
    if spec.roles is None:
        if own is None:
            raise document.error(where, "a case declares what is answered: `expect`")
        yield spec.role or OWNER, _answer(own), _rule(_answer(own), rule)
        return
    for role, told in spec.roles.items():
        if told == "allowed":
            answer = _answer(own if own is not None else told)
            yield role, answer, _rule(answer, rule)
        else:  # `expect` and `ledger` are of those who may
            answer = _answer(told)
            yield role, answer, _rule(answer, None)


def _answer(told: Any) -> Mapping[str, Json]:
    return {} if told == "allowed" else DENIED if told == "denied" else told


def _rule(answer: Mapping[str, Json], declared: str | None) -> LedgerRule:
    """What is refused, politely or not, changes nothing unless the file says otherwise."""
    if declared is not None:
        return LedgerRule(declared)
    refused = "sqlstate" in answer or answer.get("success") is False
    return LedgerRule.UNCHANGED if refused else LedgerRule.FREE


def _name(spec: CaseSpec, call: CaseCallSpec, role: str) -> str:
    if spec.call is not None and (spec.name or call.name) and spec.roles is None:
        return spec.name or call.name or ""
    parts = [spec.name, role if spec.roles is not None or not call.name else None, call.name or _kind(call)]
    return "_".join(part for part in parts if part)


def _kind(call: CaseCallSpec) -> str:
    """What a call without a name is called: its macro, or the first function in its text."""
    for key in ("refund", "charge", "complete"):
        if getattr(call, key) is not None:
            return key
    function = _FUNCTION.search(call.sql or "")
    return function[1] if function else "call"


def _statement(call: CaseCallSpec) -> StatementSpec:
    return StatementSpec(sql=call.sql, refund=call.refund, charge=call.charge, complete=call.complete)


class _Builder:
    def __init__(self, document: Document, spec: CaseSpec, entry: Path_, base: Path) -> None:
        self.document, self.spec, self.entry, self.base = document, spec, entry, base

    def case(
        self,
        name: str,
        role: str,
        where: Path_,
        call: CaseCallSpec,
        answer: Mapping[str, Json],
        ledger: LedgerRule,
    ) -> Case:
        if not ROLE.fullmatch(role):
            place = ("role",) if self.spec.roles is None else ("roles", role)
            raise self.document.error((*self.entry, *place), f"{role!r} is not a role name")
        [sent] = statements(self.document, where, _statement(call), self.base)
        sent = replace(sent, name=call.name or _kind(call), tolerated=bool(self.spec.then))
        # What it leaves in the session must not reach the next case.
        left = self._texts("previous")
        previous = [replace(s, name="previous", tolerated=True, session_state=True) for s in left]
        before, after = self._envelope(role) if self.spec.envelope else ([], list(self._texts("then")))
        named = tuple(unique_names([*previous, *before, sent, *after]))
        own = None if role == OWNER or self.spec.envelope else role
        return Case(
            name=name,
            steps=tuple(OrderStep(choice=Choice(worker=role, step=s.name)) for s in named),
            worker=Worker(name=role, statements=named, role=own),
            role=role,
            call=named[len(previous) + len(before)].name,
            answer=answer,
            ledger=ledger,
            previous=len(previous),
        )

    def _texts(self, key: str) -> Iterator[Statement]:
        for j, text in enumerate(getattr(self.spec, key)):
            yield from statements(self.document, (*self.entry, key, j), StatementSpec(sql=text), self.base)

    def _envelope(self, role: str) -> tuple[list[Statement], list[Statement]]:
        """What PostgREST sends before a call and after it. (After an error every worker rolls back.)"""
        as_ = {"public": f'"{PUBLIC_ROLE}"', OWNER: "NONE"}.get(role, f'"{role}"')
        claims = f"'role', {literal(role)}" + (f", 'sub', :'{self.spec.sub}'" if self.spec.sub else "")
        before = [
            Statement(name="begin", sql="BEGIN", kind=StatementKind.BEGIN),
            Statement(name="role", sql=f"SET LOCAL ROLE {as_}"),
            Statement(
                name="claims", sql=f"SELECT set_config('request.jwt.claims', json_build_object({claims})::text, true)"
            ),
        ]
        return before, [Statement(name="commit", sql="COMMIT", kind=StatementKind.COMMIT)]
