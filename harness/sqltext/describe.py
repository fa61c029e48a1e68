"""Short names for what a statement does, for people."""

from __future__ import annotations

import re

from harness.sqltext.touch import Touch

__all__ = ["headline", "one_line"]

TEXT_LENGTH = 200
_VERBS = {"update": "UPDATE", "insert": "INSERT", "delete": "DELETE", "merge": "MERGE", "lock": "LOCK", "call": "CALL"}
_FIRST = re.compile(r"[a-z]+", re.IGNORECASE)
_LOCKING = re.compile(r"\bfor\s+(no\s+key\s+update|update|key\s+share|share)\b", re.IGNORECASE)
_EXISTS = re.compile(r"\(*\s*(not\s+)?exists\b", re.IGNORECASE)
_KINDS = {
    "if": "IF", "elsif": "ELSIF", "case": "CASE", "while": "WHILE", "return": "RETURN", "return_next": "RETURN NEXT",
    "return_query": "RETURN QUERY", "raise": "RAISE", "assert": "ASSERT", "exit": "EXIT", "open": "OPEN",
    "fetch": "FETCH", "dynexecute": "EXECUTE", "fors": "FOR", "forc": "FOR", "fori": "FOR", "dynfors": "FOR EXECUTE",
    "foreach_a": "FOREACH", "commit": "COMMIT", "rollback": "ROLLBACK", "assign": ":=", "declare": "DECLARE",
    "call": "CALL",
}  # fmt: skip


def headline(kind: str, text: str, touch: Touch) -> str:
    """``UPDATE user_balances``, ``SELECT story_jobs FOR UPDATE``, ``IF EXISTS story_jobs``. ``kind``: of the PL/pgSQL
    statement, ``sql`` in an SQL function; ``text``: its SQL."""
    words = [_KINDS[kind]] if kind in _KINDS else []
    if kind in ("if", "elsif", "while") and (found := _EXISTS.match(text)):
        words.append("NOT EXISTS" if found[1] else "EXISTS")
    if kind in ("execsql", "perform", "sql"):
        words.append(_verb(text))
    elif kind in ("return_query", "fors", "open") and (verb := _verb(text)) != "SELECT":
        words.append(verb)
    if (subject := _subject(touch)) is not None:
        words.append(subject)
    if (locking := _LOCKING.search(text)) and any(w.event == "lock" for w in touch.writes):
        words.append("FOR " + one_line(locking[1]).upper())
    return " ".join(words)


def one_line(text: str, limit: int = TEXT_LENGTH) -> str:
    """``text`` with every run of white space as one blank, and not longer than ``limit``."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _verb(text: str) -> str:
    first = _FIRST.search(text)
    word = first[0].lower() if first else ""
    if word == "with":
        # The command after the WITH queries, near enough for a label: the first word outside brackets.
        depth = 0
        for found in re.finditer(r"[()]|\b(select|insert|update|delete|merge)\b", text, re.IGNORECASE):
            depth += (found[0] == "(") - (found[0] == ")")
            if depth == 0 and found[1]:
                return found[1].upper()
    return _VERBS.get(word, word.upper())


def _subject(touch: Touch) -> str | None:
    if touch.order:
        return touch.order[0]
    for name in sorted(touch.shared):
        if name == "advisory":
            return next((bare for _, bare in sorted(touch.calls) if "advisory" in bare), name)
        return name
    for _, bare in sorted(touch.calls):
        return f"{bare}()"
    return None
