"""Foreign text made safe and short. Everything a report shows came out of somebody's SQL, database or file."""

from __future__ import annotations

import json
import re

from harness.model import Json

_ESCAPE_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor movement
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"  # OSC and friends: titles, links
    r"|\x1b[ -/]*[0-~]"
)
# Control characters but for newline and tab; lone surrogates (no encoder takes them); non-characters (XML refuses
# them); bidirectional overrides, invisible tags and the byte order mark, with which text shows other than it is.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)
_LINE_END = re.compile("\r\n?|[\u2028\u2029\x85]")


def clean(text: str, limit: int | None = None) -> str:
    """`text` without terminal escapes, control characters and bidirectional overrides; newlines and tabs stay.

    With a `limit`, at most that many characters, and a note of how many more there were.
    """
    text = _UNSAFE.sub("", _LINE_END.sub("\n", _ESCAPE_SEQUENCE.sub("", text)))
    if limit is not None and len(text) > limit:
        return f"{text[:limit]}… ({len(text) - limit:,} characters more)"
    return text


def one_line(text: str, limit: int | None = None) -> str:
    """`clean` text with every run of white space made one space; cut to `limit` characters with "…"."""
    text = " ".join(clean(text).split())
    return text if limit is None else cut(text, limit)


def cut(text: str, limit: int) -> str:
    """At most `limit` (≥ 1) characters; the last is "…" when something was left out."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def compact_json(value: Json, limit: int) -> str:
    """`value` as JSON on one line of about `limit` characters; a long object or array keeps its first members."""
    whole = _dump(value)
    if len(whole) <= limit or not isinstance(value, (dict, list, tuple)):
        return one_line(whole, limit)
    if isinstance(value, dict):
        parts = (f"{_dump(str(key))}: {_dump(item)}" for key, item in value.items())
        opening, closing = "{", "}"
    else:
        parts = (_dump(item) for item in value)
        opening, closing = "[", "]"
    room, kept = limit - 5, list[str]()
    for part in parts:
        if len(part) > room:
            # Half a member says more than none, but only where nothing else would be left.
            kept += [] if kept else [cut(part, max(room, 1))]
            break
        kept.append(part)
        room -= len(part) + 2
    return one_line(f"{opening}{', '.join([*kept, '…'])}{closing}", limit)


def value_text(value: Json, limit: int = 72) -> str:
    """One value for a table cell: text bare, null and booleans as SQL writes them, the rest as compact JSON."""
    if isinstance(value, str):
        return one_line(value, limit) or "''"
    return compact_json(value, limit)


def pretty_json(value: Json, limit: int) -> str:
    """`value` as indented JSON, cleaned, at most about `limit` characters."""
    return clean(json.dumps(value, ensure_ascii=False, default=str, indent=2), limit)


def _dump(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
