"""What might be given for each parameter, in the state that the database is in, best first."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from harness.scaffold.bench import Bench
from harness.scaffold.calls import slots
from harness.scaffold.schema import JSON, TEXT, Column, Parameter, Table, Type
from harness.scaffold.subject import Subject
from harness.scaffold.values import Taste, fresh, of_type
from harness.sqltext import literal, quoted

_FOUND = 3
"""Keys of so many rows."""
_MOST = 10
"""Candidates for one parameter."""
_PREFIX = re.compile(r"^(?:(?:p|in|v|a|i|arg|param)_+|_+|p(?=[A-Z]))")
_WHOLE = frozenset({"int2", "int4", "int8"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """``sql``: None leaves the parameter out. ``other``: for another request, where that would have its own.
    ``reversed``: the same things in the opposite order. ``beside``: another row's key. ``names``: the column whose row
    it names. ``said``: where it was found, for people."""

    sql: str | None
    said: str
    other: str | None = None
    reversed: str | None = None
    beside: str | None = None
    names: str = ""


class Guesser:
    """Guesses over ``bench``, inside a set-up."""

    def __init__(self, bench: Bench, subject: Subject, taste: Taste) -> None:
        self._bench, self._subject, self._taste = bench, subject, taste

    def candidates(self) -> list[list[Candidate]]:
        """Per slot; an empty list where nothing could be guessed."""
        found = []
        skip = len(slots(self._subject)) - len(self._subject.parameters)
        for place, (setting, parameter) in enumerate(slots(self._subject)):
            mine = list(self._for(parameter, place - skip, setting))
            unique: dict[str | None, Candidate] = {}
            for candidate in mine:
                unique.setdefault(candidate.sql, candidate)
            found.append(list(unique.values())[:_MOST])
        return found

    def _for(self, parameter: Parameter, position: int, setting: str) -> Iterator[Candidate]:
        if parameter.optional:
            yield Candidate(sql=None, said="its default")
        columns = list(self._columns(parameter, position, setting))
        kind = parameter.type
        if kind.array:
            yield from self._array(kind, columns)
            return
        if kind.base in JSON:
            yield from self._json(kind)
            return
        compared = any(how != "inserted" for _, _, how in columns)
        keys = list(self._keys(kind, columns))
        own = self._own(parameter, columns)
        if compared or setting or not own:
            yield from keys
            yield from own
        else:
            yield from own
            yield from keys
        if kind.numeric and not (keys and kind.base != "numeric"):
            yield from self._amounts()
        hints = {parameter.name: [t for _, c, _ in columns for t in self._subject.literals(c.name)]}
        hints[parameter.name] += self._subject.literals(_bare(parameter.name))
        taste = Taste(numbers=1, hints={k: list(dict.fromkeys(v)) for k, v in hints.items()})
        if not own and not (kind.numeric and columns):
            for value in of_type(kind, parameter.name, taste):
                yield Candidate(sql=value, said=f"a {kind.name}")
        if kind.base in ("timestamptz", "timestamp", "date"):
            ahead = "CURRENT_DATE + 1" if kind.base == "date" else "now() + interval '1 hour'"
            yield Candidate(sql=ahead, said="a time ahead")

    # ---------------------------------------------------------------------------------------------------- columns

    def _columns(self, parameter: Parameter, position: int, setting: str) -> Iterator[tuple[Table, Column, str]]:
        """Columns that the parameter means: by what the text does with it, else by its name."""
        seen = set()
        used = () if setting else self._subject.uses.get(position, ())
        for table, column, how in (*used, *self._by_name(parameter)):
            # A setting is text, whatever it is cast to.
            if (table.key, column.name) not in seen and (setting or _alike(parameter.type, column.type)):
                seen.add((table.key, column.name))
                yield table, column, how

    def _by_name(self, parameter: Parameter) -> Iterator[tuple[Table, Column, str]]:
        name = _plain(parameter.name)
        if len(name) < 2:
            return
        for table in self._subject.tables:
            for column in table.columns:
                own = table.is_key(column.name) and _plain(column.name) == "id"
                of_table = own and name in {f"{stem}id" for stem in _stems(table.name)} | set(_stems(table.name))
                if _plain(column.name) == name or of_table:
                    yield table, column, "named"

    def _keys(self, kind: Type, columns: list[tuple[Table, Column, str]]) -> Iterator[Candidate]:
        """Values that name rows which are there: of the columns, or of those that they refer to."""
        if kind.base == "uuid" and not columns:
            columns = [(t, c, "named") for t in self._subject.tables for c in t.columns if c.type.base == "uuid"]
        for table, column, _ in columns:
            for where, name in [(table.key, column.written), *self._parents(table, column)]:
                if table.is_key(column.name) or not kind.numeric:
                    values = [literal_of(v, kind) for v in self._values(where, name)]
                    for value, after in zip(values, values[1:] + values[:1], strict=True):
                        yield Candidate(
                            sql=value,
                            beside=after if after != value else None,
                            said=f"{where}.{name}",
                            names=f"{where}.{name}",
                        )

    def _parents(self, table: Table, column: Column) -> Iterator[tuple[str, str]]:
        for reference in table.references:
            if column.name in reference.columns:
                place = reference.columns.index(column.name)
                yield reference.parent, quoted(reference.parent_columns[place])

    def _values(self, table: str, column: str) -> list[str]:
        query = f"SELECT DISTINCT {column}::text FROM {table} WHERE {column} IS NOT NULL ORDER BY 1 LIMIT {_FOUND}"
        return [value for (value,) in self._bench.rows_of(query) or []]

    def _own(self, parameter: Parameter, columns: list[tuple[Table, Column, str]]) -> list[Candidate]:
        """A value that no row has, another one for another request."""
        kind = parameter.type
        inserted = [any(True for _ in self._parents(t, c)) for t, c, how in columns if how == "inserted"]
        refers = bool(inserted) and all(inserted)
        checked = any(c.type.labels or self._subject.literals(c.name) for _, c, _ in columns)
        if refers or checked or kind.labels or not (kind.base in TEXT or kind.base == "uuid" or kind.base in _WHOLE):
            return []
        if kind.base in _WHOLE and not any(t.is_key(c.name) for t, c, _ in columns):
            return []
        name = parameter.name or (columns[0][1].name if columns else "key")
        first, second = (fresh(kind, name, n, other=True) for n in range(2))
        return [Candidate(sql=first, other=second, said="made up")]

    # ----------------------------------------------------------------------------------------------------- values

    def _amounts(self) -> Iterator[Candidate]:
        """Small ones, and such that one call can be served and two cannot."""
        yield Candidate(sql="1", said="a small amount")
        limits: dict[int, str] = {}
        looked = [t for t in self._subject.tables if t in self._subject.looked] or list(self._subject.tables)
        for table in looked:
            for column in table.columns:
                if column.type.numeric and not table.is_key(column.name) and column.type.base != "money":
                    query = f"SELECT DISTINCT trunc({column.written}) FROM {table.key} ORDER BY 1 LIMIT 6"
                    for (value,) in self._bench.rows_of(query) or []:
                        if value is not None and 1 < abs(value) < 10**9:
                            limits.setdefault(abs(int(value)), f"{table.key}.{column.written}")
        for number in self._subject.numbers[:4]:
            limits.setdefault(number, "a number in the text")
        for value, where in list(limits.items())[:4]:
            yield Candidate(sql=str(value // 2 + 1), said=f"more than half of {value} ({where})")
            yield Candidate(sql=str(value), said=f"all of {value} ({where})")
        for value, where in list(limits.items())[:1]:
            yield Candidate(sql=str(value + 1), said=f"just above {value} ({where})")

    def _array(self, kind: Type, columns: list[tuple[Table, Column, str]]) -> Iterator[Candidate]:
        element = Type(name=kind.name.removesuffix("[]"), base=kind.base, labels=kind.labels)
        keys = list(self._keys(element, [(t, c, h) for t, c, h in columns]))
        for count in (2, 1):
            if len(keys) >= count:
                values = [str(k.sql) for k in keys[:count]]
                yield Candidate(
                    sql=f"ARRAY[{', '.join(values)}]::{kind.name}",
                    reversed=f"ARRAY[{', '.join(values[::-1])}]::{kind.name}" if count > 1 else None,
                    said=keys[0].said,
                )
        if not keys:
            for value in of_type(element, "item", self._taste):
                yield Candidate(sql=f"ARRAY[{value}]::{kind.name}", said=f"a {kind.name}")

    def _json(self, kind: Type) -> Iterator[Candidate]:
        """Objects with the keys that the text asks for; lists of two where it takes lists."""
        keys = {k: v for u in self._subject.texts[:1] for k, v in u.keys.items()}
        if not keys:
            yield Candidate(sql=f"'{{}}'::{kind.name}", said="an empty object")
            return
        objects = [{key: self._member(key, cast, n) for key, cast in keys.items()} for n in range(2)]
        listed = any(u.listed for u in self._subject.texts[:1])
        both = json.dumps(objects), json.dumps(objects[::-1])
        if listed:
            yield Candidate(sql=literal(both[0]), reversed=literal(both[1]), said="its text's keys")
            yield Candidate(sql=literal(json.dumps(objects[:1])), said="its text's keys")
        yield Candidate(sql=literal(json.dumps(objects[0])), said="its text's keys")

    def _member(self, key: str, cast: str, n: int) -> object:
        kind = Type(name=cast, base=cast)
        parameter = Parameter(name=key, type=Type(name="text", base="text"), optional=False)
        columns = [(t, c, h) for t, c, h in self._by_name(parameter)]
        found = [v for t, c, _ in columns for w, name in [(t.key, c.written)] for v in self._values(w, name)]
        if kind.numeric and not any(t.is_key(c.name) for t, c, _ in columns):
            return 1
        if found:
            value = found[n % len(found)]
            return int(value) if kind.numeric and value.isdecimal() else value
        return 1 if kind.numeric else f"{key}-{n + 1}"


def literal_of(value: str, kind: Type) -> str:
    return value if kind.base in _WHOLE and value.lstrip("-").isdecimal() else literal(value).strip()


def _bare(name: str) -> str:
    return _PREFIX.sub("", name)


def _plain(name: str) -> str:
    return _bare(name).replace("_", "").lower()


def _stems(name: str) -> list[str]:
    """What a row of a table may be called: ``user`` of ``users``, ``category`` of ``categories``."""
    plain = _plain(name)
    found = [plain, plain.removesuffix("s"), plain.removesuffix("es")]
    if plain.endswith("ies"):
        found.append(plain[:-3] + "y")
    return found


def _alike(parameter: Type, column: Type) -> bool:
    """Whether a value of the one may be a value of the other."""
    if parameter.base == column.base or (parameter.numeric and column.numeric):
        return True
    if column.array and parameter.array:
        return True
    texts = TEXT | {"uuid"}
    return (parameter.base in TEXT and (column.base in texts or bool(column.labels))) or (
        parameter.base == "uuid" and column.base in TEXT
    )
