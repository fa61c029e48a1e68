"""What explains a violation beside its history, put together from what was seen and what was installed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from harness.model import Execution, Moment, Scenario, Script, Source, Story, site_of
from harness.sqltext import split

_pieces = lru_cache(maxsize=32)(split)
"""Many functions may stand in one script."""


def told(scenario: Scenario, execution: Execution, moments: Sequence[Moment], bodies: Mapping[str, str]) -> Story:
    """The story of ``execution``. ``moments``: as they were looked at. ``bodies``: of functions, by their name in the
    names of sites, the text without gates."""
    return Story(moments=tuple(moments), sources=sources(scenario.install, execution, moments, bodies))


def sources(
    installed: Sequence[Script], execution: Execution, moments: Sequence[Moment], bodies: Mapping[str, str]
) -> tuple[Source, ...]:
    """The functions that somebody took a step in or was held in, in the order in which they first were."""
    held = (session.at for moment in moments for session in moment.sessions)
    steps = [*(event.step for event in execution.history.events), *held]
    functions = dict.fromkeys(site[0] for step in steps if (site := site_of(step)) is not None)
    return tuple(_source(f, bodies[f], installed) for f in functions if f in bodies)


def _source(function: str, body: str, installed: Sequence[Script]) -> Source:
    name = re.sub(r"#\d+$", "", function)
    file, first_line = next(_places(name, body, installed), ("", 0))
    return Source(function=function, body=body, file=file, first_line=first_line if file else 0)


def _places(name: str, body: str, installed: Sequence[Script]) -> Iterator[tuple[str, int]]:
    """Where ``body`` is written out behind that name, as (file, line), the last place first: it is the one that holds.
    In single quotes its own stand twice, on the same lines."""
    letters = (r"[_\s]+" if letter == "_" else re.escape(letter) for letter in name)
    named = re.compile(rf"(?<!\w){''.join(letters)}(?!\w)", re.IGNORECASE)
    spellings = (body, body.replace("'", "''"))
    for script in reversed(installed):
        if not any(written in script.text for written in spellings):
            continue  # a dump is long
        for piece in reversed(_pieces(script.text)):
            for written in spellings:
                at = piece.text.rfind(written)
                if at >= 0 and named.search(piece.text, 0, at):
                    yield script.file, script.text.count("\n", 0, piece.start + at) + 1
                    break
