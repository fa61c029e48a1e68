"""One counterexample as the plain lists and strings that the page's template prints."""

from __future__ import annotations

from typing import Any

from harness.model import Counterexample, EventKind, History, Reason, ReasonKind, ScenarioResult
from harness.report.page_code import Code
from harness.report.page_nearest import nearest_view
from harness.report.page_player import Player
from harness.report.reasons import reason_lines
from harness.report.text import clean, one_line, value_text
from harness.report.timeline import Timeline, elide, timeline
from harness.report.turns import NAME_LIMIT
from harness.report.views import ledger_views, table_view, timeline_view
from harness.report.words import in_order, replay_command

MAX_ROWS = 400
TEXT_LIMIT = 4_000
SQL_LIMIT = 600
_READS = {
    ReasonKind.STALE_READ: ("reads", "acts on what it read"),
    ReasonKind.OVERWRITTEN: ("reads, and computes from it", "writes over it"),
    ReasonKind.UNSEEN: ("looks, and finds none", "acts as if there were none"),
    ReasonKind.RETRIED: ("", "does it again"),
    ReasonKind.INTERRUPTED: ("", "is ended here"),
    ReasonKind.ALONE: ("", "does it alone"),
}


def example_view(anchor: str, result: ScenarioResult, example: Counterexample, code: Code, player: Player) -> Any:
    """A mapping for the macro `counterexample`. ``code`` and ``player`` gather what stands elsewhere on the page."""
    found = in_order(result, example)
    drawn = timeline(example.execution.history, found[:1])
    rows = elide(drawn.rows, MAX_ROWS)
    story = example.story
    player.add(anchor, example, rows)
    return {
        "id": anchor,
        "number": f"{example.execution.number + 1:,}",
        "timeline": timeline_view(drawn, rows, lambda site: code.excerpt(story.sources, site)),
        "waits": _waits(drawn),
        "violations": [
            {
                "check": value_text(violation.check, 120),
                "message": clean(violation.message, TEXT_LIMIT),
                "at": "" if violation.turn is None else _label(drawn, violation.turn),
                "expected": violation.check in result.expect,
                "witness": table_view(violation.witness),
            }
            for violation in found
        ],
        "reasons": [one_line(line, TEXT_LIMIT) for line in reason_lines(example)],
        **_shown(example, code),
        "nearest": nearest_view(drawn, story.nearest, MAX_ROWS) if story.nearest else None,
        "without": [one_line(part, 200) for part in example.without],
        "ledgers": ledger_views(example.execution.history.opening, example.execution.history.closing),
        "replay": replay_command(example.replay),
    }


def _label(drawn: Timeline, turn: int) -> str:
    """The row in which a turn is told: its own, or the one that it was joined to."""
    return next((row.label for row in drawn.rows if row.turn is not None and row.turn >= turn), "the end")


def _waits(drawn: Timeline) -> list[str]:
    """`retry waited for original from T3 to T5`."""
    found = []
    for span in drawn.spans:
        whom = f" for {', '.join(span.behind)}" if span.behind else ""
        until = f"to T{span.end}" if span.end is not None else "on, and nothing ever woke it"
        found.append(f"{span.worker} waited{whom} from T{span.start} {until}")
    return found


def _shown(example: Counterexample, code: Code) -> dict[str, Any]:
    """Where the first reason stands in the code: lines of functions, or statements of clients."""
    marks: list[tuple[str, str]] = []
    statements: list[dict[str, str]] = []
    for reason in example.story.reasons[:1]:
        for turn, words in _turns(reason):
            site, sql = _standing(example.execution.history, reason.worker, turn)
            who = one_line(reason.worker, NAME_LIMIT)
            if site:
                marks.append((site, f"T{turn} {who} {words}"))
            elif sql:
                statements.append({"what": f"T{turn} {who} {words}", "sql": clean(sql, SQL_LIMIT)})
    return {"code": code.marked(example.story.sources, marks), "statements": statements}


def _turns(reason: Reason) -> list[tuple[int, str]]:
    reads, acts = _READS[reason.kind]
    found = [(reason.read_turn, reads), (reason.acted_turn, acts)]
    return [(turn, words) for turn, words in found if turn is not None and words]


def _standing(history: History, worker: str, turn: int) -> tuple[str, str]:
    """What a worker was executing in a turn: the site inside a function, or else the SQL that its client sent."""
    site = sql = ""
    for event in history.events:
        if event.worker != worker or event.turn > turn:
            continue
        if event.kind is EventKind.INVOKE:
            site, sql = "", event.sql or ""
        elif event.kind is EventKind.STEP:
            site = event.step
    return site, sql
