"""Why it came to a violation, in sentences: the report's words for what the story holds as data."""

from __future__ import annotations

import re

from harness.model import Counterexample, Json, Reason, ReasonKind, Remedy
from harness.report.grid import wrap
from harness.report.text import one_line, value_text

_VALUE = 40
_LABEL = "why     "
_LINES = 6
_TURN = re.compile(r"\bT(\d{1,9})\b")


def reason_lines(example: Counterexample) -> tuple[str, ...]:
    """A sentence or two per reason, the most telling first; workers and turns are called as in the timeline."""
    return tuple(reason_line(reason) for reason in example.story.reasons)


def turns_told(example: Counterexample, most: int | None = None) -> frozenset[int | None]:
    """The turns that the sentences of `most` reasons (None: of all) name, and those that a deadlock's message does."""
    reasons = example.story.reasons[:most]
    named = [turn for r in reasons for turn in (r.read_turn, r.changed_turn, r.acted_turn)]
    named += [int(turn) for v in example.violations if v.check == "deadlock" for turn in _TURN.findall(v.message)]
    return frozenset(named)


def why_lines(example: Counterexample, width: int, most: int | None = None) -> list[str]:
    """The sentences in lines of at most `width` cells, for beneath a timeline; of `most` reasons (None: of all)."""
    lines = []
    for sentence in reason_lines(example)[:most]:
        first, *rest = wrap(sentence, width - len(_LABEL), _LINES)
        lines += [_LABEL + first, *(" " * len(_LABEL) + line for line in rest)]
    return lines


def reason_line(reason: Reason) -> str:
    """What happened, and behind a semicolon what would have kept it apart, where that is certain."""
    remedy = _remedy(reason)
    return f"{_sentence(reason)}; {remedy}" if remedy else _sentence(reason)


def _sentence(r: Reason) -> str:
    who, other, table = (one_line(name, _VALUE) for name in (r.worker, r.other, r.table))
    early = r.acted_turn is not None and r.changed_turn is not None and r.acted_turn < r.changed_turn
    read = f"{who} read {_what(r)}{_at(r.read_turn)}{_seen(r.before)}"
    match r.kind:
        case ReasonKind.STALE_READ if early:
            return f"{read} and acted on it{_at(r.acted_turn)}, before {other} changed it{_to(r.after)}" + _at(
                r.changed_turn
            )
        case ReasonKind.STALE_READ:
            return (
                f"{read}, {other} changed it{_to(r.after)}{_at(r.changed_turn)}, "
                f"{who} acted on the old value{_at(r.acted_turn)}"
            )
        case ReasonKind.GONE:
            return (
                f"{who} read a row of {table}{_at(r.read_turn)}, {other} deleted it{_at(r.changed_turn)}, "
                f"{who} acted on what it had read{_at(r.acted_turn)}"
            )
        case ReasonKind.OVERWRITTEN:
            return (
                f"{read}, {other} changed it{_to(r.after)}{_at(r.changed_turn)}, "
                f"{who} wrote over that{_at(r.acted_turn)} what it had computed from the old value"
            )
        case ReasonKind.UNSEEN if early:
            return (
                f"{who} looked for rows in {table}{_at(r.read_turn)} and acted on what it found{_at(r.acted_turn)}, "
                f"before {other} had committed one more{_at(r.changed_turn)}"
            )
        case ReasonKind.UNSEEN:
            return (
                f"{who} looked for rows in {table}{_at(r.read_turn)}, {other} committed one more"
                f"{_at(r.changed_turn)}, {who} acted without it{_at(r.acted_turn)}"
            )
        case ReasonKind.RETRIED:
            return f"{who} did again{_at(r.acted_turn)} what {other} had done{_at(r.changed_turn)} ({_what(r)})"
        case ReasonKind.INTERRUPTED:
            return (
                f"{who} had committed a change of {table}{_at(r.changed_turn)}, was ended{_at(r.acted_turn)} "
                "with more to do, and nobody did the rest"
            )
        case ReasonKind.FAILED:
            return (
                f"a statement of {who} failed{_at(r.changed_turn)}, which took back what it had done, "
                f"and {who} went on{_at(r.acted_turn)} and changed {table}"
            )
        case ReasonKind.ALONE if who:
            return f"no other worker is needed: {who} alone does it"
        case ReasonKind.ALONE:
            return "no race is needed: the calls, one after the other, do it"


def _remedy(r: Reason) -> str:
    who, other = one_line(r.worker, _VALUE), one_line(r.other, _VALUE)
    unlocked = "the row was not locked when it was read: SELECT … FOR UPDATE would have made"
    match r.remedy:
        case Remedy.LOCK_WAITS:
            return f"{unlocked} {who} wait there"
        case Remedy.LOCK_HOLDS:
            return f"{unlocked} {other} wait for {who}"
        case Remedy.TOGETHER:
            return "the read and the write are in two transactions, and no lock lasts from one to the next"
        case Remedy.NO_ROW:
            return "a row that is not there yet cannot be locked"
        case None:
            return ""


def _what(r: Reason) -> str:
    columns = ", ".join(one_line(c, _VALUE) for c in r.columns)
    table = one_line(r.table, _VALUE)
    return f"{table}.{columns}" if columns else table


def _at(turn: int | None) -> str:
    return "" if turn is None else f" at T{turn}"


def _seen(value: Json) -> str:
    return "" if value is None else f" ({value_text(value, _VALUE)})"


def _to(value: Json) -> str:
    return "" if value is None else f" to {value_text(value, _VALUE)}"
