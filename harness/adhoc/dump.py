"""What only psql understands, as pg_dump writes it, turned into plain SQL: every line stays on its line."""

from __future__ import annotations

import re

from harness.adhoc.position import UserText
from harness.errors import UserSqlError

_NEEDED = re.compile(r"^[ \t]*\\|\bFROM\s+STDIN\b", re.MULTILINE | re.IGNORECASE)
_HARMLESS = re.compile(
    r"\\(restrict|unrestrict|connect|c|set|unset|echo|qecho|warn|timing|encoding|pset|x|a|t|o|q|conninfo)(?![a-z])"
)
_COPY = re.compile(r"COPY\s+(?P<target>.+?)\s+FROM\s+STDIN\b\s*(?P<options>.*?)\s*;", re.DOTALL | re.IGNORECASE)
_TEXT_FORMAT = re.compile(r"(WITH\s*)?(\(\s*FORMAT\s+['\"]?text['\"]?\s*\))?", re.IGNORECASE)
_TOKEN = re.compile(
    r"""
    (?P<meta>^[ \t]*\\[^\n]*)
  | --[^\n]*
  | (?P<comment>/\*)
  | (?<![A-Za-z0-9_$])[eE]'(?:[^'\\]|\\.|'')*'
  | '(?:[^']|'')*'
  | "(?:[^"]|"")*"
  | (?<![A-Za-z0-9_$])(?P<tag>\$(?:[A-Za-z_\x80-\uffff][A-Za-z0-9_\x80-\uffff]*)?\$).*?(?P=tag)
  | (?P<end>;)
    """,
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
_LEAD = re.compile(r"(\s+|--[^\n]*\n|\\[^\n]*\n)*")
_COMMENT_MARK = re.compile(r"/\*|\*/")
_ESCAPE = re.compile(r"\\(?:([0-7]{1,3})|x([0-9A-Fa-f]{1,2})|(.))", re.DOTALL)
_LETTERS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_ROWS_PER_INSERT = 1000
"""The parser builds a tree of each statement."""


def plain(given: UserText) -> str:
    """``given`` without psql's commands, and with COPY … FROM stdin and its rows as INSERT.

    Raises `UserSqlError` for a command that does something to the database (``\\i``, ``\\copy``, ``\\gexec``, …) and
    for COPY in another format than text.
    """
    text = given.text
    if not _NEEDED.search(text):
        return text
    parts: list[str] = []
    done = begin = at = 0  # copied so far; where the current statement begins; where to look on
    while token := _TOKEN.search(text, at):
        at = token.end()
        if token["meta"]:
            if not _HARMLESS.match(token["meta"].lstrip()):
                word = token["meta"].split()[0]
                raise UserSqlError(given.where(at - len(token["meta"].lstrip())), f"psql's {word} is not understood")
            parts += [text[done : token.start()], " " * len(token[0])]
            done = at
        elif token["comment"]:
            at = _end_of_comment(text, at)
        elif token["end"]:
            lead = _LEAD.match(text, begin)
            start = lead.end() if lead else begin
            if copy := _COPY.fullmatch(text, start, at):
                inserted, at = _insert(given, copy)
                parts += [text[done:start], inserted]
                done = at
            begin = at
    return "".join([*parts, text[done:]])


def _end_of_comment(text: str, at: int) -> int:
    """Comments nest."""
    depth = 1
    for mark in _COMMENT_MARK.finditer(text, at):
        depth += 1 if mark[0] == "/*" else -1
        if depth == 0:
            return mark.end()
    return len(text)


def _insert(given: UserText, copy: re.Match[str]) -> tuple[str, int]:
    """The rows behind a COPY as INSERT, on as many lines, and where they end."""
    if not _TEXT_FORMAT.fullmatch(copy["options"]):
        raise UserSqlError(given.where(copy.start()), "COPY FROM stdin is understood in text format only: use INSERT")
    text, newline = given.text, given.text.find("\n", copy.end())
    end = re.compile(r"^\\\.[ \t]*$", re.MULTILINE).search(text, copy.end())
    if newline < 0 or end is None or text[copy.end() : newline].strip():
        raise UserSqlError(given.where(copy.start()), r"the rows of this COPY do not end with a line \.")
    rows = text[newline + 1 : end.start()].split("\n")[:-1]
    head = f"INSERT INTO {copy['target']} OVERRIDING SYSTEM VALUE VALUES" if rows else ""
    more = " ".join(head.split())
    lines = []
    for i, row in enumerate(rows, 1):
        values = ", ".join("NULL" if v == r"\N" else _quoted(_unescaped(v)) for v in row.split("\t"))
        last, full = i == len(rows), i % _ROWS_PER_INSERT == 0
        lines.append(f"({values}){';' if last else f'; {more}' if full else ','}")
    padding = "\n" * (copy[0].count("\n") - head.count("\n") + 1)
    return "\n".join([head + padding + "\n".join(lines), ""]) if rows else padding, end.end()


def _quoted(value: str) -> str:
    """A literal on one line."""
    quoted = "'" + value.replace("'", "''") + "'"
    if not re.search(r"[\\\n\r]", quoted):
        return quoted
    return "E" + quoted.replace("\\", r"\\").replace("\n", r"\n").replace("\r", r"\r")


def _unescaped(value: str) -> str:
    def meant(escape: re.Match[str]) -> str:
        octal, hexadecimal, other = escape.groups()
        if octal or hexadecimal:
            return chr(int(octal, 8) & 0xFF if octal else int(hexadecimal, 16))
        return _LETTERS.get(other, str(other))

    return _ESCAPE.sub(meant, value)
