"""Looks for a set-up and two calls that have something to do with each other, by trying them one after the other."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, replace

from harness.scaffold.arguments import Candidate, Guesser, render, slots
from harness.scaffold.bench import ALONE_S, Bench, Call, Outcome
from harness.scaffold.rows import ROWS, Filler
from harness.scaffold.schema import Schema, Table
from harness.scaffold.subject import Subject
from harness.scaffold.values import Taste, allowed

_TRIES = 100
"""Calls that are tried alone, per set-up."""
_CHOICES = 4
"""Columns with a choice of texts that are turned."""
_WAYS = (60, 9, 5, 3)
"""Set-ups that are tried, by the grade of what was found."""
_SMALL = 200
"""Rows of a table that is compared before and after."""
_COMBINATIONS = 2000
_BESIDE = 24
"""The same, of another function in the set-up of a first one."""
_FEW = 4
"""Of set-ups and of calls, where a call sleeps."""
_TIMEOUT = "57014"
_USEFUL = 12
"""Calls that change rows, after which no more are looked for."""


class Endless(Exception):
    """A call that does not end: nothing more is tried with its function."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two calls. ``variant``: ``retry`` (the same one twice), ``requests``, ``opposite``, ``first``
    (the same one twice, where neither finds anything). ``grade``: 3: one after the
    other, a call has another effect than alone; 2: it answers something else, or the order shows in the rows; 1: both
    change rows; 0: not both."""

    variant: str
    calls: tuple[Call, Call]
    grade: int
    outcomes: tuple[Outcome, ...]
    meets: int = 0
    said: tuple[str, ...] = ()
    given: tuple[tuple[str | None, ...], ...] = ()


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A way of setting up. ``fill``: which tables get rows: ``none``; of those that are empty, ``others`` (into which
    no row is inserted), ``looked`` or ``all``; ``more`` (those that are looked at, whether they have rows or not)."""

    fill: str
    taste: Taste
    rows: int = ROWS


def ways(subject: Subject) -> Iterator[Way]:
    """The simplest first."""
    names = {c.name for t in subject.tables for c in t.columns}
    hints = {name: found for name in sorted(names) if (found := subject.literals(name))}
    plain = Taste(hints=hints, members=subject.members)
    yield Way(fill="none", taste=plain)
    few = replace(plain, numbers=1)
    for fill in ("others", "looked", "all"):
        yield Way(fill=fill, taste=plain)
        yield Way(fill=fill, taste=few)
    for fill in ("others", "looked", "all"):
        yield Way(fill=fill, taste=replace(plain, full=True))
    turned = [{name: i} for name, count in _choices(subject, hints) for i in range(1, min(count, 5))]
    for turns in turned:
        yield Way(fill="all", taste=replace(plain, turns=turns))
    yield Way(fill="all", taste=replace(plain, numbers=-100))
    for turns in turned:
        yield Way(fill="all", taste=replace(plain, numbers=-100, turns=turns))
    for time in (1, 2, 3):
        yield Way(fill="all", taste=replace(plain, time=time))
    yield Way(fill="all", taste=replace(plain, yes=True))
    for number in [n for n in subject.numbers if 2 <= n <= 12][:2]:
        yield Way(fill="all", taste=plain, rows=number - 1)
    for taste in (plain, few, replace(plain, full=True)):
        yield Way(fill="more", taste=taste)


def _choices(subject: Subject, hints: Mapping[str, Sequence[str]]) -> list[tuple[str, int]]:
    """Columns that hold one of several texts, and of how many."""
    found: dict[str, set[str]] = {}
    for table in subject.looked:
        for column in table.columns:
            texts = {*column.type.labels, *hints.get(column.name, ()), *allowed(table, column)}
            if len(texts) > 1 and column.type.base != "bool":
                found.setdefault(column.name, set()).update(texts)
    return [(name, len(texts)) for name, texts in found.items()][:_CHOICES]


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
        for table in _to_fill(subject, way.fill):
            filler.fill(table.key, way.rows)
        filled = filler.filled()
        if filled.statements in seen:
            return None
        seen.add(filled.statements)
        found = Found(subject=subject, setup=filled.statements, refused=tuple(filled.refused.items()))
        return explore(bench, found, way.taste)


def _to_fill(subject: Subject, fill: str) -> list[Table]:
    if fill == "none":
        return []
    if fill == "more":
        return list(subject.looked)
    tables = subject.looked if fill == "looked" else subject.tables
    if fill == "others":
        tables = tuple(t for t in tables if t.name not in subject.inserted)
    return [t for t in tables if t.rows == 0 and t.key != (subject.inserts.key if subject.inserts else "")]


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
    order = ("requests", "retry", "opposite")
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
    turned = [c.reversed or (o if c.other else c.sql) for c, o in zip(chosen, requests, strict=True)]
    if any(c.reversed for c in chosen):
        yield "opposite", first, turned
    named = [i for i, c in enumerate(chosen) if c.names]
    for i, j in itertools.combinations(named, 2):
        if chosen[i].names == chosen[j].names and first[i] != first[j]:
            turned = list(requests)
            turned[i], turned[j] = first[j], first[i]
            yield "opposite", first, turned


class Judge:
    """How much calls have to do with each other (see `Pair`), in the state that the database is in. ``tables``: those
    that are compared row by row."""

    def __init__(self, bench: Bench, tables: Sequence[Table]) -> None:
        self._bench = bench
        self._tables = [t for t in tables if t.rows <= _SMALL]
        self._before = bench.cells(self._tables)
        self._alone: dict[Call, tuple[Outcome, set[tuple[str, str, str]]]] = {}

    def pair(self, variant: str, first: Call, second: Call) -> Pair:
        bench = self._bench
        one, changed = self._changed(first)
        two, also = self._changed(second)
        if not (one.changes_rows and two.changes_rows):
            return Pair(variant=variant, calls=(first, second), grade=0, outcomes=(one, two))
        with bench.aside():
            two_after = bench.run([first, second])[1]
            rows = bench.rows(self._tables)
        one_after, other_rows = two_after, rows
        if second != first:
            with bench.aside():
                one_after = bench.run([second, first])[1]
                other_rows = bench.rows(self._tables)
        if variant == "opposite" and (two_after.sqlstate or one_after.sqlstate):
            mark = 1  # who fails takes no more locks
        elif two_after.effect != two.effect or one_after.effect != one.effect:
            mark = 3
        elif two_after.answer != two.answer or one_after.answer != one.answer or rows != other_rows:
            mark = 2
        else:
            mark = 1
        outcomes = (one, two, two_after, one_after)
        meets = len({column for _, _, column in changed & also})
        return Pair(variant=variant, calls=(first, second), grade=mark, outcomes=outcomes, meets=meets)

    def _changed(self, call: Call) -> tuple[Outcome, set[tuple[str, str, str]]]:
        """What becomes of a call that is alone, and which columns of which rows it changes."""
        if call not in self._alone:
            with self._bench.aside():
                [outcome] = self._bench.run([call])
                after = self._bench.cells(self._tables)
            changed = {cell for cell, value in self._before.items() if cell in after and after[cell] != value}
            self._alone[call] = outcome, changed
        return self._alone[call]
