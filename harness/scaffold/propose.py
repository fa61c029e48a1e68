"""From SQL to proposals: what is installed is looked at, called, and written about."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import psycopg

from harness.catalog import read_catalog
from harness.db import answering
from harness.errors import TargetError
from harness.scaffold.bench import Bench, Outcome
from harness.scaffold.calls import slots
from harness.scaffold.commits import without_commits
from harness.scaffold.invariants import suggest
from harness.scaffold.judge import Pair
from harness.scaffold.read import read_schema
from harness.scaffold.schema import Schema
from harness.scaffold.search import Found, beside, look, look_first
from harness.scaffold.subject import Subject, subjects
from harness.scaffold.write import Proposal

Connect = Callable[[str], psycopg.Connection[Any]]
_UNKNOWN = ("42P01", "42883", "42704")
"""SQLSTATEs of names that nothing has: tables, functions, types."""
_BOTH = 12
"""Scenarios of two functions, at most."""
_LOOKED_AT = 40
"""Pairs of functions that are tried for them, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """For one function: ``proposals``, perhaps none; ``lines``: what was found and what was not, for people."""

    title: str
    proposals: tuple[Proposal, ...]
    lines: tuple[str, ...]


def propose(connect: Connect, name: str, watch: Callable[[str], object]) -> tuple[list[Answer], list[tuple[str, str]]]:
    """Of all functions in the database ``name``, which is ours: answers, and (function, why not) of those that nobody
    need worry about. ``watch`` hears what is looked at. Leaves the tables as they were. Raises `TargetError`."""
    with answering():
        with connect(name) as connection:
            schema, catalog = read_schema(connection), read_catalog(connection)
            commits = without_commits(connection, catalog)
        worried, passed = subjects(schema, catalog)
        names = _names(worried)
        found: list[Found] = []
        firsts: list[Found] = []
        for subject in _named(worried, names, commits):
            watch(subject.title)
            with connect(name) as connection:  # its own: a call may end the session
                one = _looked(connection, schema, subject)
            found.append(one)
            if one.pairs:
                with connect(name) as connection:
                    first = look_first(Bench(connection), schema, one)
                firsts += [first] if first else []
        answers = []
        for one in found:
            with connect(name) as connection:
                more = [first for first in firsts if first.subject is one.subject]
                answers.append(_answer(Bench(connection), [one, *more]))
        with connect(name) as connection:
            answers += _together(Bench(connection), [f for f in found if f.pairs])
    return answers, passed


def _looked(connection: psycopg.Connection[Any], schema: Schema, subject: Subject) -> Found:
    bench = Bench(connection)
    try:
        found = look(bench, schema, subject)
        home = subject.function.home if subject.function else ""
        if not found.pairs and found.last.startswith(_UNKNOWN) and home != "public":
            found = look(bench, schema, replace(subject, path=f"{home}, public"))
        return found
    except (TargetError, psycopg.Error):
        if not connection.closed:
            raise
        return Found(subject=subject, last="a call ends its session")


def _named(worried: Sequence[Subject], names: Sequence[str], commits: Set[str]) -> Iterator[Subject]:
    """The subjects under names that differ; ``commits``: identities of procedures that commit."""
    for subject, name in zip(worried, names, strict=True):
        commit = subject.function is not None and subject.function.identity in commits
        yield replace(subject, name=name, commits=commit)


def _names(worried: Sequence[Subject]) -> list[str]:
    """Names for files and scenarios: the function's, with its schema where two have one, then a number."""
    found: list[str] = []
    for subject in worried:
        schema = _schema(subject)
        plain = _word(subject.name)
        twice = len({_schema(s) for s in worried if _word(s.name) == plain}) > 1
        name = f"{_word(schema)}_{plain}" if twice and schema != "public" else plain
        number = 2
        while name in found:
            name = f"{plain}_{number}"
            number += 1
        found.append(name)
    return found


def _schema(subject: Subject) -> str:
    whose = subject.function or subject.inserts
    return whose.schema if whose is not None else ""


def _word(name: str) -> str:
    word = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")[:40]
    return word if word[:1].isalpha() else f"f_{word}"


def _answer(bench: Bench, found: Sequence[Found]) -> Answer:
    """``found``: all of one subject, each with a set-up of its own; the first one counts most."""
    subject = found[0].subject
    if not found[0].pairs:
        lines = [f"no call was found that changes rows: {found[0].last or 'nothing was tried'}"]
        lines += _refused(found[0])
        lines.append("write its scenario by hand, or try: harness check --sql … --setup … --call …")
        return Answer(title=subject.title, proposals=(), lines=tuple(lines))
    proposals: list[Proposal] = []
    for one in found:
        group = subject.name if one is found[0] else f"{subject.name}_{one.pairs[0].variant}"
        invariants = tuple(suggest(bench, one))
        for pair in one.pairs:
            proposals.append(
                Proposal(
                    name=f"{subject.name}_{pair.variant}" if proposals else subject.name,
                    title=subject.title,
                    variant=pair.variant,
                    setup=one.setup,
                    calls=pair.calls,
                    given=_given(subject, pair),
                    notes=_refused(one),
                    invariants=invariants,
                    group=group,
                )
            )
    lines = [line for one in found for line in _lines(one)]
    return Answer(title=subject.title, proposals=tuple(proposals), lines=tuple(lines))


def _refused(found: Found) -> tuple[str, ...]:
    return tuple(f"no row could be made up for {table}: {said}" for table, said in found.refused)


def _given(subject: Subject, pair: Pair) -> tuple[str, ...]:
    lines = []
    for (_, parameter), value, said in zip(slots(subject), pair.given[0], pair.said, strict=True):
        name = parameter.name or "an argument"
        lines.append(f"{name}: {said}" if value is not None else f"{name}: left out, which means {said}")
    return tuple(lines)


def _lines(found: Found) -> Iterator[str]:
    made: dict[str, int] = {}
    for statement in found.setup:
        table = statement.split(" ", 3)[2]
        made[table] = made.get(table, 0) + 1
    if made:
        yield "rows made up: " + ", ".join(f"{count} in {table}" for table, count in made.items())
    yield from _refused(found)
    for pair in found.pairs:
        one, _, after, _ = pair.outcomes
        yield f"{pair.variant}: {pair.calls[0].sql}  |  {pair.calls[1].sql}"
        if pair.said:
            yield f"    {'; '.join(_given(found.subject, pair))}"
        yield f"    alone: {_effect(one)}; the second one after it: {_effect(after)}"


def _effect(outcome: Outcome) -> str:
    if outcome.sqlstate:
        return f"error {outcome.sqlstate} {outcome.said}"
    parts = []
    for table, *counts in outcome.changes:
        done = [f"{n} {verb}" for n, verb in zip(counts, ("inserted", "updated", "deleted"), strict=True) if n]
        parts.append(f"{table.removeprefix('public.')} {', '.join(done)}")
    return "; ".join(parts) or "changes nothing"


def _together(bench: Bench, found: Sequence[Found]) -> Iterator[Answer]:
    """Pairs of functions that write the same table, where the one changes what the other does."""
    pairs = [(a, b) for a, b in combinations(found, 2) if a.subject.written & b.subject.written]
    taken: set[str] = set()
    for one, two in pairs[:_LOOKED_AT]:
        if len(taken) < _BOTH:
            both = beside(bench, one, two.subject) or beside(bench, two, one.subject)
            if both is None:
                continue
            host, pair = both
            name = f"{one.subject.name[:27]}_and_{two.subject.name[:27]}"
            name = name if name not in taken else f"{name}_{len(taken) + 1}"
            taken.add(name)
            title = f"{host.subject.title} and {(two if host is one else one).subject.title}"
            merged = replace(host, pairs=(pair,))
            proposal = Proposal(
                name=name,
                title=title,
                variant="both",
                setup=host.setup,
                calls=pair.calls,
                given=(),
                notes=_refused(merged),
                invariants=tuple(suggest(bench, merged)),
                group=name,
            )
            yield Answer(title=title, proposals=(proposal,), lines=tuple(_lines(merged)))
