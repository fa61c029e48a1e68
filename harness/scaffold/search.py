"""Looks for a set-up and two calls that have something to do with each other, by trying them one after the other."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, replace

from harness.scaffold.arguments import Candidate, Guesser
from harness.scaffold.bench import ALONE_S, Bench, Outcome
from harness.scaffold.calls import render, slots
from harness.scaffold.judge import Judge, Pair
from harness.scaffold.rows import Filler
from harness.scaffold.schema import Schema
from harness.scaffold.subject import Subject
from harness.scaffold.values import Taste
from harness.scaffold.ways import Way, to_fill, ways

_TRIES = 100
"""Calls that are tried alone, per set-up."""
_WAYS = (60, 9, 5, 3)
"""Set-ups that are tried, by the grade of what was found."""
_COMBINATIONS = 2000
_BESIDE = 24
"""Calls of another function that are tried in the set-up of a first one."""
_TOUCHES = 2
"""The grade from which calls about different rows have something to do with each other."""
_FEW = 4
"""Of set-ups and of calls, where a call sleeps."""
_TIMEOUT = "57014"
_USEFUL = 12
"""Calls that change rows, after which no more are looked for."""


class Endless(Exception):
    """A call that does not end: nothing more is tried with its function."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """For one subject. ``setup``: INSERTs. ``pairs``: by variant, none with grade 0. ``refused``: tables that got no
    rows, and why; ``last``: what the first call that was tried said."""

    subject: Subject
    setup: tuple[str, ...] = ()
    pairs: tuple[Pair, ...] = ()
    refused: tuple[tuple[str, str], ...] = ()
    last: str = ""

    @property
    def grade(self) -> int:
        return max((p.grade for p in self.pairs), default=0)

    @property
    def sum(self) -> int:
        """Of the grades."""
        return sum(p.grade for p in self.pairs)

    @property
    def whole(self) -> bool:
        """Whether there is nothing more to be found."""
        return bool(self.pairs) and all(p.grade == 3 for p in self.pairs)


def look(bench: Bench, schema: Schema, subject: Subject) -> Found:
    """The best that was found; of two as good the one with the simpler set-up."""
    best = Found(subject=subject)
    seen: set[tuple[str, ...]] = set()
    for number, way in enumerate(ways(subject)):
        if best.whole or number >= (_FEW if subject.sleeps else _WAYS[best.grade]):
            break
        try:
            found = _with(bench, schema, subject, way, seen)
        except Endless:
            return replace(best, last=f"a call does not end within {ALONE_S} s")
        if found is None:
            continue
        if found.sum > best.sum or not (best.grade or best.setup):
            best = found
    return best


def look_first(bench: Bench, schema: Schema, found: Found) -> Found | None:
    """Who comes first: calls that find nothing where they look, and insert it, of which the second one finds it. None
    where ``found`` is of that kind itself, or there is nothing like it."""
    subject = found.subject
    both = {f"{t.schema}.{t.name}" for t in subject.looked if t.name in subject.inserted}
    if not both or any(p.grade == 3 and _inserts(p.outcomes[0], both) for p in found.pairs):
        return None
    taste = next(ways(subject)).taste
    with bench.set_up(), suppress(Endless):
        filler = Filler(bench.connection, schema, taste)
        for table in subject.tables:
            if table.name not in subject.inserted:
                filler.fill(table.key)
        judge = Judge(bench, subject.tables)
        for chosen in _singles(bench, subject, taste)[0]:
            given = tuple(c.sql for c in chosen)
            call = render(subject, list(given))
            pair = judge.pair("first", call, call)
            if pair.grade == 3 and _inserts(pair.outcomes[0], both):
                pair = replace(pair, given=(given, given), said=tuple(c.said for c in chosen))
                return Found(subject=subject, setup=filler.filled().statements, pairs=(pair,))
    return None


def _inserts(outcome: Outcome, tables: Set[str]) -> bool:
    return any(name in tables and inserted for name, inserted, _, _ in outcome.changes)


def _with(bench: Bench, schema: Schema, subject: Subject, way: Way, seen: set[tuple[str, ...]]) -> Found | None:
    """What this way leads to; None for a set-up that was there before."""
    with bench.set_up():
        filler = Filler(bench.connection, schema, way.taste)
        for table in to_fill(subject, way.fill):
            filler.fill(table.key, way.rows)
        filled = filler.filled()
        if filled.statements in seen:
            return None
        seen.add(filled.statements)
        found = Found(subject=subject, setup=filled.statements, refused=tuple(filled.refused.items()))
        return explore(bench, found, way.taste)


def explore(bench: Bench, found: Found, taste: Taste) -> Found:
    """``found`` with the best pairs of calls in the state that the database is in."""
    subject = found.subject
    singles, last = _singles(bench, subject, taste)
    if not singles:
        return replace(found, last=last)
    judge = Judge(bench, subject.tables)
    best: dict[str, Pair] = {}
    for chosen in singles:
        for variant, first, second in _variants(subject, chosen):
            if variant in best and best[variant].grade == 3:
                continue
            pair = judge.pair(variant, render(subject, first), render(subject, second))
            if _mark(pair) > (_mark(best[variant]) if variant in best else (0, 0)) and pair.grade:
                said = tuple(c.said for c in chosen)
                best[variant] = replace(pair, given=(tuple(first), tuple(second)), said=said)
    if "apart" in best and best["apart"].grade < _TOUCHES:
        del best["apart"]
    order = ("requests", "retry", "apart", "opposite")
    return replace(found, pairs=tuple(best[v] for v in order if v in best), last=last)


def _mark(pair: Pair) -> tuple[int, int]:
    return pair.grade, 0 if pair.grade == 3 else pair.meets


def _singles(
    bench: Bench, subject: Subject, taste: Taste, tries: int = _TRIES
) -> tuple[list[tuple[Candidate, ...]], str]:
    """Calls that change rows, and what became of the first one that does not."""
    options = Guesser(bench, subject, taste).candidates()
    if not all(options):
        missing = [p.type.name for (_, p), mine in zip(slots(subject), options, strict=True) if not mine]
        return [], f"no value of type {', '.join(missing)} could be guessed"
    found: list[tuple[Candidate, ...]] = []
    last = ""
    for chosen in itertools.islice(_combinations(options), _FEW if subject.sleeps else tries):
        outcome = bench.alone(render(subject, [c.sql for c in chosen]))
        if outcome.sqlstate == _TIMEOUT:
            raise Endless
        if outcome.changes_rows:
            found.append(chosen)
            if len(found) == _USEFUL:
                break
        elif not last:
            last = f"{outcome.sqlstate} {outcome.said}" if outcome.sqlstate else "the call changes nothing"
    return found, last


def beside(bench: Bench, found: Found, other: Subject) -> tuple[Found, Pair] | None:
    """A call of ``other`` in the set-up of ``found``, such that one of the two has another effect after the other."""
    first = max(found.pairs, key=lambda p: p.grade).calls[0]
    with bench.set_up(found.setup), suppress(Endless):
        judge = Judge(bench, found.subject.tables)
        for chosen in _singles(bench, other, Taste(), _BESIDE)[0]:
            pair = judge.pair("both", first, render(other, [c.sql for c in chosen]))
            if pair.grade == 3:
                return found, pair
    return None


def _combinations(options: Sequence[Sequence[Candidate]]) -> Iterator[tuple[Candidate, ...]]:
    """One of each, those with low places first; those that name one row twice come last."""
    some = list(itertools.islice(_by_place(options), _COMBINATIONS))
    yield from (chosen for chosen in some if not _twice(chosen))
    yield from (chosen for chosen in some if _twice(chosen))


def _twice(chosen: Sequence[Candidate]) -> bool:
    named = [(c.names, c.sql) for c in chosen if c.names]
    return len(set(named)) < len(named)


def _by_place(options: Sequence[Sequence[Candidate]]) -> Iterator[tuple[Candidate, ...]]:
    sizes = [len(mine) for mine in options]
    for total in range(sum(sizes) - len(sizes) + 1):
        for places in _places(sizes, total):
            yield tuple(mine[i] for mine, i in zip(options, places, strict=True))


def _places(sizes: Sequence[int], total: int) -> Iterator[tuple[int, ...]]:
    if not sizes:
        if total == 0:
            yield ()
        return
    for first in range(min(total, sizes[0] - 1), -1, -1):
        for rest in _places(sizes[1:], total - first):
            yield (first, *rest)


def _variants(
    subject: Subject, chosen: Sequence[Candidate]
) -> Iterator[tuple[str, list[str | None], list[str | None]]]:
    """Who calls with what at the same time."""
    first = [c.sql for c in chosen]
    requests = [c.other or c.sql for c in chosen]
    if requests != first:
        yield "requests", first, requests
    more = list(requests)
    for place, ((_, parameter), candidate) in enumerate(zip(slots(subject), chosen, strict=True)):
        sql = candidate.sql
        if (
            parameter.type.numeric
            and sql is not None
            and sql.isdecimal()
            and not candidate.names
            and not candidate.other
        ):
            more[place] = str(int(sql) + 1)
    if more != requests:
        yield "requests", first, more
    yield "retry", first, first
    for place, candidate in reversed([*enumerate(chosen)]):  # arguments first: who asks matters less
        same = [c.sql for c in chosen if c.names == candidate.names]
        if candidate.beside is not None and candidate.beside not in same:
            yield "apart", first, [*requests[:place], candidate.beside, *requests[place + 1 :]]
    turned = [c.reversed or (o if c.other else c.sql) for c, o in zip(chosen, requests, strict=True)]
    if any(c.reversed for c in chosen):
        yield "opposite", first, turned
    named = [i for i, c in enumerate(chosen) if c.names]
    for i, j in itertools.combinations(named, 2):
        if chosen[i].names == chosen[j].names and first[i] != first[j]:
            turned = list(requests)
            turned[i], turned[j] = first[j], first[i]
            yield "opposite", first, turned
