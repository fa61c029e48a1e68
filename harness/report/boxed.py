"""What stands in a turn's box: the place on a line of its own, then what was done there, wrapped to the box."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from harness.report.text import cut

_PLACE = re.compile(r"((?:woken: )?)(\S+:\d+(?:\.\d+)?)(?= |$)")
_ENDING = re.compile(r" (?:→|✗|… with|\((?:BLOCKED|effect)).*$")
"""How it went: whatever is left out, this stays."""
_BREAKS = re.compile(r"[^_.,(/=:]*[_.,(/=:]+|[^_.,(/=:]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxText:
    """``place``: the site, "" outside functions. ``lines``: the rest."""

    place: str
    lines: tuple[str, ...]


def box_text(text: str, labels: Mapping[str, str], columns: int, most: int, place_columns: int) -> BoxText:
    """A cell's ``text`` in at most ``most`` lines, the place included, of ``columns`` characters; the place may take
    ``place_columns``. ``labels``: step → what it is in words, which is shorter than its SQL."""
    found = _PLACE.match(text)
    place, rest = "", text
    if found is not None:
        place, rest = f"{found[1]}{found[2]}", _said(found[2], text[found.end() :].strip(), labels)
    lines = [line for part in rest.split(" · ") for line in wrapped(part, columns)]
    room = most - bool(place)
    if len(lines) > room:
        lines[room - 1 :] = [cut(" ".join(lines[room - 1 :]), columns)]
    return BoxText(place=_middle_out(place, place_columns), lines=tuple(lines))


def wrapped(text: str, columns: int) -> list[str]:
    """Lines of at most ``columns`` cells, broken between words; a word that is longer than a line breaks behind a dot,
    comma, bracket or underscore, and where there is none anywhere."""
    lines = [""]
    for word in text.split():
        if cell_len(f"{lines[-1]} {word}".strip()) <= columns:
            lines[-1] = f"{lines[-1]} {word}".strip()
        elif cell_len(word) <= columns:
            lines.append(word)
        else:
            lines += _broken(word, columns)
    return [line for line in lines if line]


def _said(place: str, sql: str, labels: Mapping[str, str]) -> str:
    label = labels.get(place, "").removeprefix(place).strip()
    ending = _ENDING.search(sql)
    return f"{label}{ending[0] if ending else ''}" if label else sql


def _broken(word: str, columns: int) -> Sequence[str]:
    lines = [""]
    for piece in _BREAKS.findall(word):
        while cell_len(piece) > columns:  # nowhere to break it well
            lines.append(piece[: max(columns // 2, 1)])
            piece = piece[max(columns // 2, 1) :]
        if cell_len(lines[-1] + piece) <= columns:
            lines[-1] += piece
        else:
            lines.append(piece)
    return lines


def _middle_out(place: str, columns: int) -> str:
    """Its end, the line, says most."""
    if cell_len(place) <= columns:
        return place
    name, _, line = place.rpartition(":")
    return f"{name[: max(columns - len(line) - 2, 1)]}…:{line}"
