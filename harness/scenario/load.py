"""A scenario file, resolved: every script read, every macro expanded, every name, order and answer checked."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.errors import ScenarioError
from harness.model import (
    Expectation,
    Follow,
    Json,
    Order,
    Scenario,
    Script,
    Search,
    StatementKind,
    Worker,
)
from harness.scenario import yamltext
from harness.scenario.cases import build_cases, case_statements, check_alone
from harness.scenario.faults import every_fault
from harness.scenario.followed import check_followed
from harness.scenario.levels import read_levels
from harness.scenario.macros import setup_scripts
from harness.scenario.names import ALL_CHECKS, LEDGER_INVARIANTS, MIGRATIONS
from harness.scenario.orders import check_order
from harness.scenario.queue import delivered
from harness.scenario.schema import InterleavingSpec, ScenarioSpec, StatementSpec, nearest
from harness.scenario.scripts import install_scripts, invariant_script, state_scripts
from harness.scenario.workers import build_worker
from harness.scenario.yamltext import Document, Path_
from harness.sqltext import variables

RESERVED_VARIABLES = ("run", "users", "jobs")
"""Variables that every execution has: its number, and all its ids as arrays."""


def load(path: Path) -> Scenario:
    """Read, validate and resolve ``path``. Raises `ScenarioError`, never anything else."""
    document = yamltext.read(path)
    if not isinstance(document.data, dict):
        raise document.error((), "a scenario is a mapping with `version`, `name` and `workers`")
    try:
        spec = ScenarioSpec.model_validate(document.data)
    except ValidationError as e:
        raise first_error(document, e) from None
    return _Resolver(document, spec, path).scenario()


class _Resolver:
    def __init__(self, document: Document, spec: ScenarioSpec, path: Path) -> None:
        self.document, self.spec, self.path = document, spec, path
        self.users, self.jobs = self._names()

    def scenario(self) -> Scenario:
        spec = self.spec
        install = tuple(
            script
            for i, entry in enumerate(spec.install)
            for script in install_scripts(self.document, ("install", i), entry, self.path.parent)
        )
        self._check_installed(install)
        workers = tuple(build_worker(self.document, name, w, self.path.parent) for name, w in spec.workers.items())
        if spec.queue is not None:
            if spec.queue.job not in self.jobs:
                message = f"no worker and no set-up mentions the job {spec.queue.job!r}"
                raise self.document.error(("queue", "job"), message + nearest(spec.queue.job, list(self.jobs)))
            workers = delivered(self.document, spec.queue, workers)
        setup = tuple(setup_scripts(self.document, spec.setup))
        ours = MIGRATIONS in spec.install
        invariants = tuple(self._invariants(ours))
        cases = tuple(build_cases(self.document, spec.cases, self.users, self.path.parent))
        if not workers:
            check_alone(self.document, spec)
        self._check_variables((*workers, *(c.worker for c in cases)), invariants)
        checks = {*ALL_CHECKS, *(i.name for i in invariants)}
        expect, violation = self._expectations(workers, checks)
        orders = spec.orders if workers else []
        interleavings = tuple(self._interleaving(i, item, workers) for i, item in enumerate(orders))
        state = state_scripts() if ours else ()
        everybody = (*workers, *(c.worker for c in cases))
        ddl = any(s.kind is StatementKind.DDL for w in everybody for s in w.statements)
        return Scenario(
            name=spec.name,
            about=re.sub(r"(?<!\n)\n(?!\n)", " ", spec.about.strip()),
            file=str(self.path),
            text_hash=_hash(self.document.text, install, setup, workers, invariants, state),
            cases=cases,
            install=install,
            setup=setup,
            workers=workers,
            interleavings=interleavings,
            expect=expect,
            expect_violation=violation,
            invariants=invariants,
            state=state,
            users=self.users,
            jobs=self.jobs,
            fresh_database=ddl,
            restore=not ddl,
            model=spec.model or "",
            faults=every_fault(spec.faults),
            levels=read_levels(self.document, spec.isolation, checks),
        )

    def _names(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Users and jobs by name: declared, or mentioned by a macro."""
        users: dict[str, Path_] = {name: ("users", i) for i, name in enumerate(self.spec.users)}
        jobs: dict[str, Path_] = {name: ("jobs", i) for i, name in enumerate(self.spec.jobs)}
        for i, entry in enumerate(self.spec.setup):
            for key, part in (("charge", entry.charge), ("job", entry.job)):
                if part is not None:
                    users.setdefault(part.user, ("setup", i, key, "user"))
                    jobs.setdefault(part.job, ("setup", i, key, "job"))
            if entry.user is not None:
                users.setdefault(entry.user.name, ("setup", i, "user", "name"))
        for where, statement in self._statements():
            for key in ("refund", "charge", "complete", "legacy_refund"):
                call = getattr(statement, key, None)
                if call is not None:
                    users.setdefault(call.user, (*where, key, "user"))
                    jobs.setdefault(call.job, (*where, key, "job"))
        errors = [
            self.document.error(names[name], f"{name!r} names both a user and a job")
            for name in users.keys() & jobs.keys()
            for names in (users, jobs)
        ]
        if errors:
            raise max(errors, key=lambda e: (e.line, e.column))
        for name in RESERVED_VARIABLES:
            if name in users or name in jobs:
                message = f"{name!r} cannot name a user or a job: :'{name}' has a meaning of its own"
                raise self.document.error(users.get(name) or jobs[name], message)
        return tuple(users), tuple(jobs)

    def _statements(self) -> Iterator[tuple[Path_, StatementSpec]]:
        """Statements of all workers and cases, with their places."""
        yield from case_statements(self.spec.cases)
        for name, worker in self.spec.workers.items():
            key = "transaction" if worker.statements is None else "statements"
            for i, statement in enumerate(worker.statements or worker.transaction or []):
                yield ("workers", name, key, i), statement

    def _invariants(self, ours: bool) -> Iterator[Script]:
        if self.spec.invariants is None:
            if ours:
                for name in LEDGER_INVARIANTS:
                    yield invariant_script(self.document, ("invariants",), name, self.path.parent)
            return
        for i, entry in enumerate(self.spec.invariants):
            for name in LEDGER_INVARIANTS if entry == "ledger" else (entry,):
                yield invariant_script(self.document, ("invariants", i), name, self.path.parent)

    def _check_installed(self, install: tuple[Script, ...]) -> None:
        for script in install:
            for name in variables(script.text):
                message = f"{script.name}: :'{name}' is an id of one execution; an installed file serves them all"
                raise self.document.error(("install",), message)

    def _check_variables(self, workers: tuple[Worker, ...], invariants: tuple[Script, ...]) -> None:
        known = [*self.users, *self.jobs, *RESERVED_VARIABLES]
        own = [(("setup", i), entry.sql) for i, entry in enumerate(self.spec.setup)]
        for where, sql in [*own, *((where, s.sql) for where, s in self._statements())]:
            for name, offset in variables(sql or "").items():
                if name not in known:
                    message = f"unknown variable :'{name}'{nearest(name, known)}"
                    raise self.document.error_in_text(self.document.text_at(where, "sql"), offset, message)
        texts = [(("workers", w.name), w.name, s.sql) for w in workers for s in w.statements]
        for where, title, sql in [*texts, *((("invariants",), i.name, i.text) for i in invariants)]:
            for name in variables(sql):
                if name not in known:
                    raise self.document.error(where, f"{title}: unknown variable :'{name}'{nearest(name, known)}")

    def _expectations(
        self, workers: tuple[Worker, ...], checks: set[str]
    ) -> tuple[Mapping[str, Expectation], tuple[str, ...]]:
        expect = dict(self.spec.expect)
        raw = expect.pop("violation", [])
        violation = (raw,) if isinstance(raw, str) else tuple(raw) if isinstance(raw, list) else None
        where: Path_ = ("expect", "violation")
        if violation is None or not all(isinstance(v, str) for v in violation):
            raise self.document.error(where, "`violation` names a check, or a list of checks")
        known = sorted(checks)
        for i, name in enumerate(violation):
            if name not in known:
                raise self.document.error((*where, i), f"unknown check {name!r}{nearest(name, known)}")
        return self._answers(("expect",), expect, workers), violation

    def _answers(
        self, where: Path_, expect: Mapping[str, Json], workers: tuple[Worker, ...]
    ) -> Mapping[str, Expectation]:
        names = [w.name for w in workers]
        answers: dict[str, Expectation] = {}
        for name, value in expect.items():
            if name not in names:
                raise self.document.error((*where, name), f"unknown worker {name!r}{nearest(name, names)}")
            if isinstance(value, list) and all(isinstance(v, dict) for v in value):
                answers[name] = tuple(value)
            elif isinstance(value, dict):
                answers[name] = value
            else:
                raise self.document.error(
                    (*where, name), "an expected answer is a mapping, or a list of mappings (one per answer)"
                )
        return answers

    def _interleaving(self, i: int, spec: InterleavingSpec, workers: tuple[Worker, ...]) -> Order | Search:
        inside = spec.points == "inside"
        if spec.follow is not None:
            choices = check_followed(self.document, ("orders", i, "follow"), spec.follow, workers)
            return Follow(choices=choices, name=spec.name, inside=inside)
        if spec.order is None:
            assert spec.strategy is not None
            return Search(strategy=spec.strategy, schedules=spec.schedules, inside=inside)
        where: Path_ = ("orders", i)
        if isinstance(self.document.data["orders"][i], dict):
            where = (*where, "order")
        steps = check_order(self.document, where, spec.order, workers)
        expect = self._answers(("orders", i, "expect"), spec.expect, workers)
        return Order(name=spec.name, steps=steps, expect=expect)


def first_error(document: Document, error: ValidationError) -> ScenarioError:
    """pydantic reports every branch of every union: the error that stands first in the file reads best."""
    found = []
    for e in error.errors(include_url=False):
        path = _in_file(document.data, e["loc"])
        key = e.get("ctx", {}).get("key")
        where = (*path, str(key)) if e["type"] == "unknown_key" else path
        found.append(document.error(where, _sentence(e, e["loc"])))
    return min(found, key=lambda e: (e.line, e.column))


def _in_file(data: Json, loc: tuple[str | int, ...]) -> Path_:
    """pydantic's location as a path of the file: shorthands lack the keys that they stand for."""
    path: list[str | int] = []
    for part in loc:
        if isinstance(data, list) and isinstance(part, int) and part < len(data):
            data = data[part]
        elif isinstance(data, dict) and part != "[key]":
            data = data.get(part)
        else:
            continue
        path.append(part)
    return tuple(path)


def _sentence(error: Any, loc: tuple[str | int, ...]) -> str:
    what, given, bounds = _label(loc), error["input"], error.get("ctx", {})
    match error["type"]:
        case "missing":
            return f"missing key {what}"
        case "string_pattern_mismatch":
            return f"{_shown(given)} is not a name: a letter, then letters, digits or _"
        case "model_type" | "dict_type" | "model_attributes_type":
            return f"{what} must be a mapping, found {_shown(given)}"
        case "too_short":
            return f"{what} must not be empty"
        case "too_long":
            return f"{what} must have at most {bounds['max_length']} entries, found {len(given)}"
        case "string_too_long":
            return f"{what} must have at most {bounds['max_length']} characters, found {len(given)}"
        case "unknown_key" | "one_of" | "isolation" | "on_error" | "schedules" | "expect" | "step":
            return str(error["msg"])
    text = _TYPES.get(error["type"]) or str(error["msg"]).removeprefix("Input should be ")
    return f"{what} must be {text}, found {_shown(given)}"


_TYPES = {
    "string_type": "text",
    "list_type": "a list",
    "int_type": "a whole number",
    "bool_type": "true or false",
}


def _label(loc: tuple[str | int, ...]) -> str:
    """What an error is about, in words: a key, or an entry of a list."""
    parts = [part for part in loc if part != "[key]"]
    last = parts[-1] if parts else "scenario"
    if isinstance(last, str):
        return repr(last)
    return f"entry {last + 1} of {parts[-2]!r}"


def _shown(value: Json) -> str:
    if value is None or isinstance(value, bool):
        return "nothing" if value is None else str(value).lower()
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "…"


def _hash(text: str, *parts: Any) -> str:
    digest = hashlib.sha256(text.encode())
    digest.update(repr(parts).encode())
    return digest.hexdigest()
