"""Lines of functions that steps stand at: excerpts for the page, and every function once however many stand in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from harness.model import Source, site_of
from harness.report.text import clean, one_line

AROUND = 3
MAX_LINES = 2_000
LINE_LIMIT = 300


class Code:
    """The functions of a run. Excerpts refer to them by their ids on the page."""

    def __init__(self) -> None:
        self._numbers: dict[Source, int] = {}

    def excerpt(self, sources: Sequence[Source], site: str) -> dict[str, Any] | None:
        """The line of ``site`` and three around it; None where the function is not known."""
        place = site_of(site)
        return None if place is None else self._excerpt(sources, place[0], {place[1]: ""})

    def marked(self, sources: Sequence[Source], marks: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
        """An excerpt per function with all its marked lines. ``marks``: sites and what to say beside their lines."""
        places: dict[str, dict[int, str]] = {}
        for site, words in marks:
            if place := site_of(site):
                lines = places.setdefault(place[0], {})
                lines[place[1]] = f"{lines[place[1]]}; {words}" if place[1] in lines else words
        found = (self._excerpt(sources, function, lines) for function, lines in places.items())
        return [excerpt for excerpt in found if excerpt is not None]

    def functions(self) -> list[dict[str, Any]]:
        """Every function that an excerpt was taken from, whole."""
        found = []
        for source, number in self._numbers.items():
            lines = _lines(source.body)
            found.append(
                {
                    "id": f"f{number}",
                    "name": one_line(source.function, 80),
                    "where": _where(source, 1),
                    "lines": [_line(no, text) for no, text in enumerate(lines[:MAX_LINES], 1)],
                    "more": max(len(lines) - MAX_LINES, 0),
                }
            )
        return found

    def _excerpt(self, sources: Sequence[Source], function: str, marks: Mapping[int, str]) -> dict[str, Any] | None:
        source = next((s for s in sources if s.function == function), None)
        if source is None:
            return None
        body = _lines(source.body)
        hits = [no for no in marks if 1 <= no <= len(body)]
        if not hits:
            return None
        shown = sorted({no for hit in hits for no in range(max(hit - AROUND, 1), min(hit + AROUND, len(body)) + 1)})
        lines: list[dict[str, Any] | None] = []
        for before, no in zip([shown[0] - 1, *shown], shown, strict=False):
            lines += [None] if no != before + 1 else []
            lines.append(_line(no, body[no - 1], hit=no in marks, words=marks.get(no, "")))
        number = self._numbers.setdefault(source, len(self._numbers) + 1)
        name = one_line(function, 80)
        return {"id": f"f{number}", "name": name, "where": _where(source, hits[0]), "lines": lines}


@lru_cache(maxsize=256)
def _lines(body: str) -> tuple[str, ...]:
    """A long function has an excerpt per step of a table: it is split once."""
    return tuple(body.split("\n"))


def _line(no: int, text: str, hit: bool = False, words: str = "") -> dict[str, Any]:
    return {"no": no, "text": clean(text, LINE_LIMIT).expandtabs(4).rstrip(), "hit": hit, "words": one_line(words, 200)}


def _where(source: Source, line: int) -> str:
    """`refunds.sql:52`, or as much of it as is known."""
    if not source.file:
        return ""
    file = one_line(source.file, 160)
    return f"{file}:{source.first_line + line - 1}" if source.first_line else file
