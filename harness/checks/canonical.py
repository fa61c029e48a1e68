"""Comparable outcomes: ids and times that the run made are renamed by first appearance, never dropped."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Collection, Mapping
from typing import Any

from harness.model import Json, Ledger, Row

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_TIME = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d(?::?\d\d)?)?"
_SHORTEST = len("2000-01-01 00:00:00")
_NUMBERS = uuid.UUID(int=0)
VOLATILE = re.compile(f"(?P<uuid>{_UUID})|(?P<time>{_TIME})")

GENERATED = re.compile(r"\b(?:uuid|time)-\d+\b")
"""A name that `Canonical` gave: in a sentence it would say nothing."""

Sequences = Mapping[str, Mapping[str, str]]
"""As `Probe.sequence_columns` gives them."""


class Canonical:
    """One naming: the same value always gets the same name, so who equals whom is kept.

    ``constants``: values that the scenario itself contains; they stay.
    """

    def __init__(self, constants: Collection[str] = ()) -> None:
        self._constants = constants
        self._names: dict[str, str] = {}
        self._count = {"uuid": 0, "time": 0}

    def row(self, row: Row) -> Row:
        return {k: self.value(v) for k, v in row.items()}

    def value(self, value: Json) -> Json:
        """``value`` with volatile parts renamed, to any depth."""
        if isinstance(value, str):
            return VOLATILE.sub(self._name, value) if len(value) >= _SHORTEST else value
        if isinstance(value, dict):
            return {k: self.value(v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(v) for v in value]
        return value

    def ledger(self, ledger: Ledger, sequences: Sequences) -> dict[str, list[dict[str, Any]]]:
        """The ledger with sequence values replaced by their rank, as in `ranked`."""
        return {table: [dict(self.row(row)) for row in rows] for table, rows in ranked(ledger, sequences).items()}

    def _name(self, match: re.Match[str]) -> str:
        text = match[0]
        if text in self._constants:
            return text
        if text not in self._names:
            kind = match.lastgroup or "uuid"
            self._count[kind] += 1
            self._names[text] = f"{kind}-{self._count[kind]}"
        return self._names[text]


def ranked(ledger: Ledger, sequences: Sequences) -> Ledger:
    """The ledger with sequence values replaced by their rank among all that the sequence fed: a reference follows its
    row, though a call that was refused has left a gap in the numbers."""
    drawn: dict[str, set[Any]] = {}
    for table, rows in ledger.items():
        for column, origin in sequences.get(table, {}).items():
            drawn.setdefault(origin, set()).update(r[column] for r in rows if r.get(column) is not None)
    ranks = {origin: {v: i + 1 for i, v in enumerate(sorted(values))} for origin, values in drawn.items()}
    result = {}
    for table, rows in ledger.items():
        fed = sequences.get(table, {})
        result[table] = tuple({k: ranks[fed[k]].get(v, v) if k in fed else v for k, v in row.items()} for row in rows)
    return result


def unranked(ledger: Ledger, sequences: Sequences) -> Ledger:
    """The ledger with sequence values turned into generated ids: who has which counts, not who drew first."""
    result = {}
    for table, rows in ledger.items():
        fed = sequences.get(table, {})
        result[table] = tuple(
            {k: str(uuid.uuid5(_NUMBERS, f"{fed[k]} {v}")) if k in fed and v is not None else v for k, v in row.items()}
            for row in rows
        )
    return result


def fingerprint(ledger: Ledger, answers: Mapping[str, Json], constants: Collection[str] = ()) -> Json:
    """Equal for two outcomes that differ only in generated ids, in times and in the order of a table's rows.

    Rows are often ordered by a generated id, so naming by first appearance would depend on chance. Here an id is
    known by where it stands: it gets a colour made of the rows that hold it, these rows get new texts made of the
    colours, and so on until no two ids can be told apart any better. All times are alike: two readings of a clock may
    or may not fall into one microsecond.
    """
    texts = [(table, json.dumps(row, sort_keys=True)) for table, rows in ledger.items() for row in rows]
    texts += [(f"answers of {worker}", json.dumps(given)) for worker, given in sorted(answers.items())]
    ids = {m["uuid"] for _, text in texts for m in VOLATILE.finditer(text) if m["uuid"]} - set(constants)
    colours: dict[str, str] = dict.fromkeys(ids, "id")

    def coloured(text: str, marked: str | None = None) -> str:
        def colour(match: re.Match[str]) -> str:
            found = match[0]
            return "<this>" if found == marked else colours.get(found, found if found in constants else "<time>")

        return VOLATILE.sub(colour, text)

    while True:
        places: dict[str, list[tuple[str, str]]] = {i: [] for i in ids}
        for label, text in texts:
            for found in {m["uuid"] for m in VOLATILE.finditer(text)} & ids:
                places[found].append((label, coloured(text, found)))
        finer = {i: f"<id {hash(tuple(sorted(found)))}>" for i, found in places.items()}
        if len(set(finer.values())) == len(set(colours.values())):
            return sorted((label, coloured(text)) for label, text in texts)
        colours = finer
