"""Why it came to a violation, in sentences: the report's words for what the story holds as data."""

from __future__ import annotations

from harness.model import Counterexample, Reason, ReasonKind
from harness.report.text import one_line, value_text

_VALUE = 40


def reason_lines(example: Counterexample) -> tuple[str, ...]:
    """A sentence per reason, the most telling first; workers and turns are called as in the timeline."""
    return tuple(_sentence(reason) for reason in example.story.reasons)


def _sentence(r: Reason) -> str:
    what, who, other = _what(r), one_line(r.worker, _VALUE), one_line(r.other, _VALUE)
    match r.kind:
        case ReasonKind.STALE_READ:
            return (
                f"{who} read {what}{_at(r.read_turn)}, {other} changed it{_values(r)}{_at(r.changed_turn)}, "
                f"{who} acted on the old value{_at(r.acted_turn)}"
            )
        case ReasonKind.OVERWRITTEN:
            return (
                f"{who} computed {what}{_at(r.read_turn)}, {other} committed another value{_values(r)}"
                f"{_at(r.changed_turn)}, {who} wrote over it{_at(r.acted_turn)}"
            )
        case ReasonKind.UNSEEN:
            return (
                f"{who} looked for rows in {what}{_at(r.read_turn)}, {other} committed one{_at(r.changed_turn)}, "
                f"{who} acted as if there were none{_at(r.acted_turn)}"
            )
        case ReasonKind.RETRIED:
            return f"{who} did again{_at(r.acted_turn)} what {other} had done{_at(r.changed_turn)}"
        case ReasonKind.INTERRUPTED:
            return f"{who} was ended{_at(r.acted_turn)} between two writes that belong together"
        case ReasonKind.ALONE:
            return f"no other worker is needed: {who} alone does it"


def _what(r: Reason) -> str:
    columns = ", ".join(one_line(c, _VALUE) for c in r.columns)
    table = one_line(r.table, _VALUE)
    return f"{table}.{columns}" if columns else table


def _at(turn: int | None) -> str:
    return "" if turn is None else f" at T{turn}"


def _values(r: Reason) -> str:
    if r.before is None and r.after is None:
        return ""
    return f" from {value_text(r.before, _VALUE)} to {value_text(r.after, _VALUE)}"
