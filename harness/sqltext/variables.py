"""psql's variables in the form ``:'name'``: found by the scanner, so never inside strings or comments."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import postgast

_CANDIDATE = re.compile(r":'([A-Za-z_][A-Za-z_0-9]*)'")


class SqlSyntaxError(Exception):
    """The parser refused a text; ``offset``: where, in characters from its start (None: unknown)."""

    def __init__(self, message: str, offset: int | None) -> None:
        super().__init__(message)
        self.message, self.offset = message, offset

    @classmethod
    def from_parser(cls, error: postgast.PgQueryError) -> SqlSyntaxError:
        """The position counts characters from 1 (seen with letters of several bytes); 0: the parser does not know."""
        return cls(error.message, error.cursorpos - 1 if error.cursorpos else None)


@dataclass(frozen=True, slots=True)
class _Found:
    name: str
    start: int
    end: int


def encoded(sql: str) -> bytes:
    """``sql`` as the parser wants it. Raises `SqlSyntaxError` for what no server takes: NUL, on which the parser
    would end, unnoticed, and halves of surrogate pairs."""
    at = sql.find("\0")
    if at >= 0:
        raise SqlSyntaxError("a NUL character", at)
    try:
        return sql.encode()
    except UnicodeEncodeError as e:
        raise SqlSyntaxError("half a surrogate pair, which is no character", e.start) from None


def _find(sql: str) -> list[_Found]:
    """Variables with their byte range in ``sql``."""
    raw = encoded(sql)
    if not _CANDIDATE.search(sql):
        return []
    try:
        tokens = postgast.scan(sql).tokens
    except postgast.PgQueryError as e:
        raise SqlSyntaxError.from_parser(e) from None
    found = []
    for colon, literal in pairwise(tokens):
        if colon.end == literal.start and raw[colon.start : colon.end] == b":":
            match = _CANDIDATE.fullmatch(raw[colon.start : literal.end].decode())
            if match:
                found.append(_Found(match[1], colon.start, literal.end))
    return found


def variables(sql: str) -> dict[str, int]:
    """Names of the variables in ``sql``, in order of appearance, with the offset (in characters) of their first one.
    Raises `SqlSyntaxError`."""
    found: dict[str, int] = {}
    for f in _find(sql):
        found.setdefault(f.name, len(sql.encode()[: f.start].decode()))
    return found


class Template:
    """SQL scanned once, to be filled many times."""

    def __init__(self, sql: str) -> None:
        raw, at = encoded(sql), 0
        self._parts: list[tuple[str, str]] = []
        for f in _find(sql):
            before = raw[at : f.start].decode()
            # A literal must not melt into what stands in front: E:'a' is no E'…', and :'a':'b' no quoted quote.
            glue = before[-1:].isalnum() or before[-1:] in {*"_$&'"} or (at and not before)
            self._parts.append((f"{before} " if glue else before, f.name))
            at = f.end
        self._rest = raw[at:].decode()

    def render(self, values: Mapping[str, str]) -> str:
        """The SQL with each variable as a quoted literal. Raises `KeyError` for an unknown one."""
        return "".join([text + literal(values[name]) for text, name in self._parts]) + self._rest

    def replaced(self, texts: Mapping[str, str]) -> str:
        """The SQL with each variable replaced by SQL. Raises `KeyError` for an unknown one."""
        return "".join([text + texts[name] for text, name in self._parts]) + self._rest

    def numbered(self, parameters: list[str]) -> str:
        """The SQL with each variable as ``$n``; appends its name to ``parameters`` (every occurrence is a parameter of
        its own, since each may be used as another type)."""
        text = ""
        for before, name in self._parts:
            parameters.append(name)
            text += f"{before} ${len(parameters)}"
        return text + self._rest


def blank_variables(sql: str) -> str:
    """``sql`` with each ``:'name'`` turned into `` 'name'``: parseable, and every position stays."""
    raw = bytearray(encoded(sql))
    for f in _find(sql):
        raw[f.start] = ord(" ")
    return raw.decode()


def literal(value: str) -> str:
    """``value`` as an SQL literal, whatever ``standard_conforming_strings`` says."""
    text = "'" + value.replace("'", "''") + "'"
    return " E" + text.replace("\\", "\\\\") if "\\" in text else text


def quoted(name: str) -> str:
    """``name`` as an SQL identifier, exactly as it is."""
    return '"' + name.replace('"', '""') + '"'
