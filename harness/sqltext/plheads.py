"""PL/pgSQL statements, as histories hold them on one line, as plain SQL that the parser takes.

Only the head of a statement counts: what it evaluates before anything inside it runs.
"""

from __future__ import annotations

import re

__all__ = ["as_sql"]

_NAME = r'(?:"(?:[^"]|"")+"|[A-Za-z_][\w$]*)'
_TARGET = rf"{_NAME}(?:\.{_NAME})*(?:\[[^\]]*\])?"
_INTO = re.compile(
    rf"(?<!\binsert )(?<!\bmerge )\binto (?:strict )?({_TARGET}(?: ?, ?{_TARGET})*)(?![\w(])", re.IGNORECASE
)
_LABEL = re.compile(rf"^<< ?{_NAME} ?>> ?")
_SQL = re.compile(r"^\(*(?:select|insert|update|delete|merge|with|values|table|call|create|lock|begin|commit)\b", re.I)
_HEADS = tuple(
    (re.compile(rf"^{pattern}$", re.IGNORECASE | re.DOTALL), sql)
    for pattern, sql in (
        (r"(?:if|elsif|elseif) (.*?)(?: then)?", r"SELECT \1"),
        (r"while (.*?)(?: loop)?", r"SELECT \1"),
        (rf"for {_TARGET}(?: ?, ?{_TARGET})* in \(*((?:select|with|insert|update|delete)\b.*?)(?: loop)?", r"\1"),
        (r"perform (.*)", r"SELECT \1"),
        (r"return query (?!execute\b)(.*)", r"\1"),
        (r"return(?: next)? (?!query\b)(.*)", r"SELECT \1"),
        (r"assert (.*)", r"SELECT \1"),
        (r"(?:exit|continue)(?: \w+)? when (.*)", r"SELECT \1"),
        (r"case when (.*?) then\b.*", r"SELECT \1"),
        (r"case (.*?) when\b.*", r"SELECT \1"),
        (rf"{_TARGET} ?(?::=|=) ?(.*)", r"SELECT \1"),
        (rf"{_NAME} .*?(?::=|\bdefault\b) ?(.*)", r"SELECT \1"),
    )
)  # fmt: skip
_OPEN = re.compile(rf"^open ({_NAME})(?: (?:no )?scroll)? for (?!execute\b)(.*)$", re.IGNORECASE)
_CURSOR = re.compile(rf"^(?:open|fetch(?: .*? (?:from|in))?|move(?: .*? (?:from|in))?) ({_NAME})\b", re.IGNORECASE)


def as_sql(text: str) -> tuple[str, frozenset[str], str]:
    """SQL to parse ("" where there is none), the variables that take its result, and the cursor that it is about."""
    text = _LABEL.sub("", text.strip().rstrip(";").rstrip())
    if opened := _OPEN.match(text):
        return opened[2], frozenset(), opened[1].lower()
    found = _INTO.search(text) if not re.match(r"create\b", text, re.IGNORECASE) else None
    into = frozenset(_first(t) for t in found[1].split(",")) if found else frozenset()
    if cursor := _CURSOR.match(text):
        return "", into, cursor[1].lower()
    text = text[: found.start()] + text[found.end() :] if found else text
    if _SQL.match(text):
        return text, into, ""
    for pattern, sql in _HEADS:
        if head := pattern.match(text):
            return head.expand(sql), into, ""
    return "", into, ""


def _first(target: str) -> str:
    """``r`` of ``r.balance``."""
    name = re.match(_NAME, target.strip())
    return "" if name is None else name[0].strip('"') if name[0].startswith('"') else name[0].lower()
