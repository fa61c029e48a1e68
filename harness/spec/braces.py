"""SQL for a block of a spec. A block ends at the first closing brace, wherever that stands, and nothing escapes it: the
SQL must say its braces in another way."""

from __future__ import annotations

import re

from harness.sqltext.tokens import Edit, edited, scan

_DOLLARS = re.compile(r"(\$[^$]*\$)(.*)\1", re.DOTALL)
_PLAIN = re.compile(r"'(.*)'", re.DOTALL)
_ESCAPED = re.compile(r"[eE]'(.*)'", re.DOTALL)
_BRACE = "}"
_HEX = "\\x7D"


class BraceError(Exception):
    """A brace stands where SQL has no other way to say it; the text names the place."""


def without_braces(sql: str) -> str:
    """``sql`` with the same meaning and no closing brace: constants that hold one become ``E'…'``, in comments a
    bracket takes its place. Every line stays where it is. Raises `BraceError`, and `SqlSyntaxError`."""
    if _BRACE not in sql:
        return sql
    edits = [
        Edit(at=token.start, text=_said(token.text), remove=len(token.text))
        for token in scan(sql)
        if _BRACE in token.text
    ]
    return edited(sql, edits).replace(_BRACE, ")")  # what is left stands in comments


def _said(constant: str) -> str:
    if match := _DOLLARS.fullmatch(constant):
        return _escaped(match[2].replace("'", "''"))
    if match := _PLAIN.fullmatch(constant):
        return _escaped(match[1])
    if match := _ESCAPED.fullmatch(constant):
        return f"E'{match[1].replace(_BRACE, _HEX)}'"
    raise BraceError(f"}} in {constant if len(constant) < 40 else constant[:40] + '…'}")


def _escaped(text: str) -> str:
    """The constant of ``text``, in which quotes are doubled already."""
    doubled = text.replace("\\", "\\\\").replace(_BRACE, _HEX)
    return f"E'{doubled}'"
