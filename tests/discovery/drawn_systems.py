"""Small systems drawn by number: tables, functions and two or three workers that get in each other's way."""

from __future__ import annotations

import re
from dataclasses import dataclass
from random import Random

from statement_templates import CLIENT, PARTS, PL, REFERENCES, SIMPLE, TRIGGERS

from harness.model import Scenario, Script, Worker
from harness.statements import make_statement, unique_names

LEVELS = ("READ COMMITTED", "READ COMMITTED", "REPEATABLE READ", "REPEATABLE READ", "SERIALIZABLE")
DERIVED = 1000
"""Attempt n at a system is drawn with the seed of the first one plus n times this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """``sql``: to install. ``workers``: the statements of each. ``templates``: names of those that it was made of."""

    sql: str
    workers: tuple[tuple[str, ...], ...]
    templates: frozenset[str]

    def text(self) -> str:
        """All of it, for a person to try."""
        calls = [f"-- w{n}: {'; '.join(statements)}" for n, statements in enumerate(self.workers, 1)]
        return "\n".join([self.sql, *calls])

    def scenario(self) -> Scenario:
        workers = tuple(
            Worker(name=f"w{n}", statements=tuple(unique_names(make_statement(sql) for sql in statements)))
            for n, statements in enumerate(self.workers, 1)
        )
        return Scenario(
            name="drawn",
            about="",
            file="",
            text_hash="",
            install=(Script(name="drawn", text=self.sql),),
            setup=(),
            workers=workers,
            interleavings=(),
            expect={},
            expect_violation=(),
            invariants=(),
            state=(),
            users=(),
            jobs=(),
            fresh_database=False,
            restore=True,
        )


def drawn(seed: int, attempt: int) -> System:
    """Every third system has three workers. Of those with two each takes one of the two templates that it is the
    seed's turn for."""
    drawing = _Drawing(Random(seed + DERIVED * attempt))
    if seed % 3 == 2:
        return drawing.three()
    names = list(PL)
    at = 2 * (seed - seed // 3) % len(names)
    return drawing.two(names[at], names[(at + 1) % len(names)])


class _Drawing:
    def __init__(self, random: Random) -> None:
        self._random = random
        self._used: set[str] = set()
        self._functions: list[str] = []
        self._sent: list[str] = []

    def two(self, first: str, second: str) -> System:
        if self._chance(0.25):
            return self._system(self._call([first, second]), self._worker())
        return self._system(self._call([first, *self._further(0.3)]), self._call([second, *self._further(0.2)]))

    def three(self) -> System:
        """Each with few steps: there are many orders of three."""
        return self._system(*(self._small_worker() for _ in range(3)))

    def _system(self, *workers: tuple[str, ...]) -> System:
        trigger = self._random.choice(list(TRIGGERS)) if self._chance(0.25) else ""
        if trigger:
            self._used.add(f"trigger {trigger}")
        sql = "\n".join(self._installed(TRIGGERS.get(trigger, "")))
        return System(sql=sql, workers=workers, templates=frozenset(self._used))

    def _chance(self, share: float) -> bool:
        return self._random.random() < share

    def _small_worker(self) -> tuple[str, ...]:
        shape = self._random.choice(("plain", "plain", "plain", "function", "block"))
        if shape == "plain":
            return (self._client(),)
        return self._call(self._further(1)) if shape == "function" else (self._begin(), self._client(), "COMMIT")

    def _worker(self) -> tuple[str, ...]:
        shape = self._random.choice(("function", "function", "function", "plain", "two", "block", "savepoint"))
        if shape == "function":
            return self._call([*self._further(1), *self._further(0.3)])
        if shape == "plain":
            return (self._client(),)
        if shape == "two":
            return (self._client(), self._client())
        if shape == "block":
            end = self._random.choice(("COMMIT", "COMMIT", "ROLLBACK"))
            return (self._begin(), self._client(), self._client(), end)
        return (self._begin(), "SAVEPOINT p", self._client(), "ROLLBACK TO p", self._client(), "COMMIT")

    def _further(self, share: float) -> list[str]:
        return [self._random.choice(list(PL))] if self._chance(share) else []

    def _call(self, names: list[str]) -> tuple[str, ...]:
        """A call of a new function made of these templates, in any order; or a transaction with it."""
        self._random.shuffle(names)
        body = "\n  ".join(self._pl(name) for name in names)
        number = len(self._functions) + 1
        self._functions.append(
            f"CREATE FUNCTION f{number}() RETURNS text LANGUAGE plpgsql AS $$\n"
            f"DECLARE v integer; said text := '';\nBEGIN\n  {body}\n  RETURN concat(said, v);\nEND $$;"
        )
        call = f"SELECT f{number}()"
        return (self._begin(), call, "COMMIT") if self._chance(0.2) else (call,)

    def _begin(self) -> str:
        return f"BEGIN ISOLATION LEVEL {self._random.choice(LEVELS)}"

    def _pl(self, name: str) -> str:
        self._used.add(name)
        return self._filled(PL[name])

    def _client(self) -> str:
        self._sent.append(self._filled(self._random.choice(CLIENT)))
        return self._sent[-1]

    def _filled(self, text: str) -> str:
        while "{i}" in text:
            text = text.replace("{i}", self._pl(self._random.choice(list(SIMPLE))), 1)
        k = self._random.choice((1, 1, 1, 2))
        t = self._random.choice(("a", "a", "a", "b"))
        return text.replace("{t}", t).replace("{k}", str(k)).replace("{j}", str(3 - k))

    def _installed(self, trigger: str) -> list[str]:
        """The parts that are needed, in order; then what needs them."""
        inner = self._random.choice(list(SIMPLE))
        given = {"{reference}": self._random.choice(REFERENCES), "{i}": self._filled(SIMPLE[inner])}
        parts = dict(PARTS)
        for place, text in given.items():
            parts = {name: part.replace(place, text) for name, part in parts.items()}
        wanted, texts = {"a"}, [*self._functions, *self._sent, trigger]
        while texts:
            found = (set(re.findall(r"\w+", texts.pop())) & parts.keys()) - wanted
            wanted |= found
            texts += [parts[name] for name in found]
        if "nested" in wanted:
            self._used.add(inner)
        made = [text for name, text in parts.items() if name in wanted]
        return [*made, *self._functions, *([trigger] if trigger else [])]
