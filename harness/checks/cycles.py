"""A deadlock in words: who holds what, since which step, and which step of whom waits for it.

The rows come from the driver (`Event.cycle`), one per worker of the cycle. Each has ``worker`` and, as far as that is
known: ``waits_for``, ``mode``, ``held_by``, ``turn``, ``step``, ``line``, ``statement`` (what it waits for, how, who
has it, since which turn, and where); ``holds``, ``held_mode``, ``held_since``, ``held_step``, ``held_line``,
``held_statement`` (what the one before it waits for, and since when it has that); ``victim`` (what became of it).
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.model import Event, Row

_LONGEST = 60


def deadlock_message(event: Event) -> str:
    """One sentence on who closed the cycle, then one clause per worker where more is known."""
    message = f"{' and '.join(event.blockers)} waited for each other: {event.worker}.{event.step} closed the cycle"
    victim = next((row["victim"] for row in event.cycle if row.get("victim")), "")
    clauses = [clause for row in event.cycle if (clause := " and ".join(_clause(row)))]
    return "; ".join([f"{message} and {victim}" if victim else message, *clauses])


def _clause(row: Row) -> Iterator[str]:
    worker = f"{row['worker']} "
    if row.get("holds"):
        since, later, _ = row.get("held_since", "").partition(" or later")
        yield f"{worker}held {row['holds']}{_how(row, 'held_', since and f'since {since}', later)}"
        worker = ""
    if row.get("waits_for"):
        yield f"{worker}waited for {row['waits_for']}{_how(row, '', row.get('turn', ''))}"


def _how(row: Row, prefix: str, turn: str, later: str = "") -> str:
    """The mode, the turn, and where in the worker's text: the step, its line in a function, what it says."""
    step, line, statement = (str(row.get(prefix + key, "")) for key in ("step", "line", "statement"))
    place = step.removesuffix("~")
    if line and line != place:
        place = f"{place} at {line}"
    text = statement if len(statement) <= _LONGEST else statement[: _LONGEST - 1] + "…"
    when = " ".join(part for part in (turn, f"{place}: {text}" if text else place) if part)
    said = ", ".join(part.strip() for part in (row.get(prefix + "mode", ""), when, later) if part)
    return f" ({said})" if said else ""
