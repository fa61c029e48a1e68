"""The words of a spec file. Written by hand: what ends a block depends on where one is, and a person who wrote a spec
wants to be told where it is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from harness.errors import ScenarioError
from harness.spec.form import Place


class Kind(Enum):
    """``WORD``: a keyword in its place, else a name. ``NAME``: in quotes, so never a keyword."""

    WORD = auto()
    NAME = auto()
    SQL = auto()
    NUMBER = auto()
    SIGN = auto()
    END = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """``text``: of a name what it names, of SQL what stands between the braces without the blanks around it."""

    kind: Kind
    text: str
    place: Place


KEYWORDS = frozenset({"notices", "permutation", "session", "setup", "step", "teardown"})

# A blank is no line end here: the lines around the SQL of a block belong to it, and are printed.
_BLANKS = " \t\r\f"
_SKIPPED = re.compile(rf"(?:[{_BLANKS}\n]|#[^\r\n]*)+")
_WORD = re.compile(r"[A-Za-z_\u0080-\U0010ffff][A-Za-z0-9_$\u0080-\U0010ffff]*")
_QUOTED = re.compile(r'"((?:[^"\n]|"")*)"')
_BLOCK = re.compile(rf"\{{[{_BLANKS}]*([^}}]*?)[{_BLANKS}]*\}}")
_PATTERNS = {
    Kind.WORD: _WORD,
    Kind.NAME: _QUOTED,
    Kind.SQL: _BLOCK,
    Kind.NUMBER: re.compile(r"[0-9]+"),
    Kind.SIGN: re.compile(r"[,()*]"),
}
_MOST = 2**31 - 1


def tokens(text: str, file: str) -> Iterator[Token]:
    """The tokens of ``text``, ``END`` last. Raises `ScenarioError` with ``file``, line and column."""
    at, place = 0, Place(line=1, column=1)
    while True:
        if skipped := _SKIPPED.match(text, at):
            place = place.after(skipped[0])
            at = skipped.end()
        if at == len(text):
            yield Token(kind=Kind.END, text="", place=place)
            return
        kind, match = _next(text, at, file, place)
        yield _token(kind, match, place, file)
        place = place.after(match[0])
        at = match.end()


def _next(text: str, at: int, file: str, place: Place) -> tuple[Kind, re.Match[str]]:
    for kind, pattern in _PATTERNS.items():
        if match := pattern.match(text, at):
            return kind, match
    trouble = {"{": "this block of SQL has no end: } is missing", '"': "this name does not end in its line"}
    raise ScenarioError(file, place.line, place.column, trouble.get(text[at], f"unexpected {text[at]!r}"))


def _token(kind: Kind, match: re.Match[str], place: Place, file: str) -> Token:
    text = match[0]
    if kind is Kind.NAME:
        text = match[1].replace('""', '"')
    if kind is Kind.SQL:
        text, place = match[1], place.after(match[0][: match.start(1) - match.start()])
    if kind is Kind.NUMBER and int(text) > _MOST:
        raise ScenarioError(file, place.line, place.column, f"{text} is too much")
    return Token(kind=kind, text=text, place=place)
