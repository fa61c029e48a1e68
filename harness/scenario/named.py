"""Names on the command line: ``crash,lost_answer`` or ``all``."""

from __future__ import annotations

from collections.abc import Sequence

from harness.errors import UsageError
from harness.scenario.schema import nearest

ALL = "all"


def names_in(option: str, text: str, known: Sequence[str]) -> list[str]:
    """The names in ``text``, which are ``known`` ones or `ALL`. Raises `UsageError` for one that is none, and when
    there is none."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in (*known, ALL):
            raise UsageError(f"{option}: unknown {name!r}{nearest(name, [*known, ALL])}")
    if not names:
        raise UsageError(f"{option}: name some of {', '.join((*known, ALL))}")
    return names
