"""The corpus: small money-moving systems, each with the verdict that PostgreSQL's own behaviour earns it.

A case is one file of `tests/corpus/`: a header of comment lines, an empty line, then the SQL to install. It installs
no rows. The header's keys, ``-- KEY: VALUE``, one a line; a line that starts with ``--`` and three blanks or more goes
on with the line before:

``about``: one line in words. ``T0``, ``T1``, …: the race, one step a line. ``safe``: why there is none.
``verdict``: ``pass``, or a comma list of checks of which each must be found, or ``serially: CHECK`` for what is broken
even when the calls run one after the other. ``may``: checks that may be reported beside them. ``needs``: words of
`NEEDS`. ``setup`` (repeatable): SQL before every execution. ``call`` (repeatable): one worker each; client statements
are separated by ``;``. ``role``: who calls. ``invariant NAME`` (repeatable): a query that gives rows only when broken.
``serial_error`` (repeatable): an SQLSTATE with which a call may be refused in a serial run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).parent / "corpus"

CHECKS = frozenset({"serial_equivalence", "deadlock", "liveness"})
"""Checks that every case has; an invariant of the case is one more, by its name."""

NEEDS = {
    "commit_point": "a worker can be held after its last statement and before its commit",
    "overlap": "a worker can be held inside a statement, after its snapshot and before its scan",
    "three_workers": "no two of the calls break it",
    "repeatable_read": "the calls run at REPEATABLE READ",
    "serializable": "the calls run at SERIALIZABLE",
    "condition": "a worker can be held around a query that is a condition (IF, ELSIF, WHILE, CASE, FOR … IN)",
    "trigger": "a worker can be held inside a trigger function",
    "deferred": "a worker can be held inside a trigger function that runs at commit",
    "nested": "a worker can be held inside a function that a function calls",
    "sql_function": "a worker can be held between the statements of an SQL-language function",
    "procedure": "a procedure that commits can be called, and held before its own commit",
    "dynamic": "a worker can be held around EXECUTE of a string",
    "cursor": "a worker can be held around OPEN, FETCH and WHERE CURRENT OF",
    "role": "the calls run as another role than the owner",
    "pg15": "PostgreSQL 15 or later (MERGE)",
}
"""What a tool must be able to do to judge the case: word → meaning."""

_LINE = re.compile(r"-- (?:(?P<step>T\d+) +|(?P<key>[a-z_]+|invariant [a-z_]+): )(?P<value>\S.*)")
_MORE = re.compile(r"-- {3,}(?P<value>\S.*)")
_ONCE = frozenset({"about", "verdict", "may", "needs", "role"})
_REPEATABLE = frozenset({"setup", "call", "safe", "serial_error"})
_NAME = re.compile(r"[a-z][a-z0-9_]*")


class CorpusError(Exception):
    """A file of the corpus is not as described above; the message starts with ``file:line``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One system with its expected verdict.

    ``verdicts``: checks that must be found, empty for a correct system. ``serially``: found even in serial runs.
    ``race``: the steps of the race, or why there is none. ``calls``: one worker each. ``line_offset``: lines of the
    file before ``sql`` begins, so that line n of ``sql`` is line ``line_offset + n`` of the file.
    """

    name: str
    path: Path
    about: str
    race: tuple[str, ...]
    verdicts: tuple[str, ...]
    serially: bool
    may: tuple[str, ...]
    needs: frozenset[str]
    setup: tuple[str, ...]
    calls: tuple[str, ...]
    role: str | None
    invariants: dict[str, str] = field(hash=False)
    serial_errors: frozenset[str]
    sql: str
    line_offset: int

    @property
    def passes(self) -> bool:
        """Whether the system is correct."""
        return not self.verdicts


def cases() -> tuple[Case, ...]:
    """The whole corpus, by name. Raises `CorpusError`."""
    return tuple(parse(path, path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.sql")))


def statements(call: str) -> tuple[str, ...]:
    """The client statements of a call (no call of the corpus holds a semicolon inside one)."""
    return tuple(part.strip() for part in call.split(";") if part.strip())


def parse(path: Path, text: str) -> Case:
    """The case that ``text``, the content of ``path``, describes. Raises `CorpusError`."""
    lines = text.splitlines(keepends=True)
    end = next((i for i, line in enumerate(lines) if not line.startswith("--")), len(lines))
    once: dict[str, str] = {}
    many: dict[str, list[str]] = {key: [] for key in _REPEATABLE}
    race: list[str] = []
    invariants: dict[str, str] = {}
    for number, key, value in _header(path, lines[:end]):
        if key in once or key.removeprefix("invariant ") in invariants:
            raise CorpusError(f"{path.name}:{number}: {key} is given twice")
        if key in _ONCE:
            once[key] = value
        elif key in _REPEATABLE:
            many[key].append(value)
        elif key.startswith("invariant "):
            invariants[key.removeprefix("invariant ")] = value
        elif re.fullmatch(r"T\d+", key):
            if key != f"T{len(race)}":
                raise CorpusError(f"{path.name}:{number}: {key} stands where T{len(race)} should")
            race.append(value)
        else:
            raise CorpusError(f"{path.name}:{number}: unknown key {key!r}")
    serially, verdicts = _verdict(once.get("verdict", ""))
    case = Case(
        name=path.stem,
        path=path,
        about=once.get("about", ""),
        race=(*race, *many["safe"]),
        verdicts=verdicts,
        serially=serially,
        may=_list(once.get("may", "")),
        needs=frozenset(_list(once.get("needs", ""))),
        setup=tuple(many["setup"]),
        calls=tuple(many["call"]),
        role=once.get("role"),
        invariants=invariants,
        serial_errors=frozenset(many["serial_error"]),
        sql="".join(lines[end:]),
        line_offset=end,
    )
    problem = "no verdict" if "verdict" not in once else _problem(case, bool(race), bool(many["safe"]))
    if problem:
        raise CorpusError(f"{path.name}:1: {problem}")
    return case


def _header(path: Path, lines: list[str]) -> Iterator[tuple[int, str, str]]:
    """Line number, key and value of each entry, continuation lines joined by a blank."""
    entries: list[tuple[int, str, str]] = []
    for number, line in enumerate(lines, start=1):
        if entries and (more := _MORE.fullmatch(line.rstrip())):
            start, key, value = entries[-1]
            entries[-1] = (start, key, f"{value} {more['value']}")
        elif found := _LINE.fullmatch(line.rstrip()):
            entries.append((number, found["step"] or found["key"], found["value"]))
        else:
            raise CorpusError(f"{path.name}:{number}: not a header line: {line.rstrip()!r}")
    yield from entries


def _verdict(text: str) -> tuple[bool, tuple[str, ...]]:
    if text == "pass":
        return False, ()
    serially = text.startswith("serially:")
    return serially, _list(text.removeprefix("serially:"))


def _list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _problem(case: Case, has_race: bool, has_safe: bool) -> str | None:
    """What is wrong with the header as a whole."""
    known = CHECKS | set(case.invariants)
    if unknown := [check for check in (*case.verdicts, *case.may) if check not in known]:
        return f"no such check: {', '.join(unknown)}"
    if unknown := sorted(case.needs - set(NEEDS)):
        return f"no such need: {', '.join(unknown)}"
    if not case.about or len(case.calls) < 2:
        return "needs an about and at least two calls"
    if not case.passes and (not has_race or has_safe):
        return "a broken case has a table of its race (T0, T1, …) and no safe line"
    if case.passes and not has_safe:
        return "a correct case says why it is safe"
    if any("'" in part and part.count("'") % 2 for call in case.calls for part in call.split(";")):
        return "a call holds a semicolon inside a string"
    if not _NAME.fullmatch(case.name) or not case.sql.strip():
        return "a file name of a-z, 0-9 and _, and SQL after the header"
    return None
