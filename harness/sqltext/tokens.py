"""The parser's scanner, with positions in characters, and edits of a text at such positions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import postgast

from harness.sqltext.variables import SqlSyntaxError, encoded

__all__ = ["Edit", "Token", "depths", "edited", "scan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One token; ``start`` and ``end`` are character offsets. ``word``: of a keyword or a plain identifier its letters
    in lower case, of anything else the empty string, so that ``"if"`` in quotes is never taken for a keyword."""

    text: str
    word: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """Put ``text`` in place of the ``remove`` characters at ``at``."""

    at: int
    text: str
    remove: int = 0


def scan(text: str) -> tuple[Token, ...]:
    """The tokens of ``text``, comments left out. Raises `SqlSyntaxError`."""
    raw = encoded(text)
    try:
        found = postgast.scan(text).tokens
    except postgast.PgQueryError as e:
        raise SqlSyntaxError.from_parser(e) from None
    ascii_only = len(raw) == len(text)
    tokens = []
    at_byte = at_char = 0
    for t in found:
        if raw[t.start : t.start + 2] in (b"--", b"/*"):
            continue
        piece = raw[t.start : t.end].decode()
        if ascii_only:
            start = t.start
        else:
            at_char += len(raw[at_byte : t.start].decode())
            at_byte = t.start
            start = at_char
        word = piece.lower() if piece[0].isalpha() or piece[0] == "_" else ""
        if "'" in word or '"' in word:  # E'…', U&"…"
            word = ""
        tokens.append(Token(text=piece, word=word, start=start, end=start + len(piece)))
    return tuple(tokens)


def depths(tokens: Sequence[Token]) -> list[int]:
    """For each token how many brackets are open around it; a bracket itself counts as outside of what it encloses."""
    found, depth = [], 0
    for t in tokens:
        if t.text in (")", "]"):
            depth -= 1
        found.append(depth)
        if t.text in ("(", "["):
            depth += 1
    return found


def edited(text: str, edits: Iterable[Edit]) -> str:
    """``text`` with all ``edits`` made; several at one place stand in the order given."""
    parts, at = [], 0
    for edit in sorted(edits, key=lambda e: e.at):
        parts.append(text[at : edit.at])
        parts.append(edit.text)
        at = edit.at + edit.remove
    return "".join(parts) + text[at:]
