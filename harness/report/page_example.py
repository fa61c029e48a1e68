"""One counterexample as the plain lists and strings that the page's template prints."""

from __future__ import annotations

from typing import Any

from harness.model import Counterexample, EventKind, History, ScenarioResult, Story, site_of
from harness.report.answers import is_control
from harness.report.page_code import Code
from harness.report.page_nearest import nearest_view
from harness.report.page_player import Player
from harness.report.page_rules import RULES
from harness.report.reasons import reason_lines, turns_told
from harness.report.text import clean, one_line, value_text
from harness.report.timeline import Timeline, elide, timeline
from harness.report.turns import NAME_LIMIT
from harness.report.views import ledger_views, table_view, timeline_view
from harness.report.words import in_order, replay_command

MAX_ROWS = 400
TEXT_LIMIT = 4_000
SQL_LIMIT = 600
_PARTS = {
    "stale_read": ("reads it", "changes it", "acts on what it read"),
    "overwritten": ("reads, and computes from it", "changes it", "writes over it"),
    "gone": ("reads it", "deletes it", "acts on what it read"),
    "unseen": ("looks for rows", "commits one more", "acts without it"),
    "retried": ("", "does it", "does it again"),
    "interrupted": ("", "commits one part", "is ended here"),
    "failed": ("", "fails", "goes on"),
    "alone": ("", "", "does it alone"),
}
"""What happens in the three turns of a reason, by its kind: a worker reads, another one changes, the worker acts."""


def example_view(anchor: str, result: ScenarioResult, example: Counterexample, code: Code, player: Player) -> Any:
    """A mapping for the macro `counterexample`. ``code`` and ``player`` gather what stands elsewhere on the page."""
    found = in_order(result, example)
    drawn = timeline(example.execution.history, found[:1])
    rows = elide(drawn.rows, MAX_ROWS, turns_told(example))
    story = example.story
    player.add(anchor, example, rows)
    return {
        "id": anchor,
        "number": f"{example.execution.number + 1:,}",
        "timeline": timeline_view(drawn, rows, lambda site: code.excerpt(story.sources, site), _parts(drawn, story)),
        "waits": _waits(drawn),
        "site": _site(drawn),
        "violations": [
            {
                "check": value_text(violation.check, 120),
                "message": clean(violation.message, TEXT_LIMIT),
                "rule": RULES.get(violation.check, ""),
                "at": "" if violation.turn is None else _label(drawn, violation.turn),
                "expected": violation.check in result.expect,
                "witness": table_view(violation.witness),
            }
            for violation in found
        ],
        "witnessed": any(violation.witness for violation in found),
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


def _site(drawn: Timeline) -> dict[str, Any] | None:
    """The first point inside a function, to explain how such points are called."""
    places = (site_of(cell.site) for row in drawn.rows for cell in row.cells.values())
    name, line = next((place for place in places if place), ("", 0))
    return {"name": one_line(name, NAME_LIMIT), "line": line} if name else None


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
    for worker, turn, words in _first_reason(example.story):
        site, sql = _standing(example.execution.history, worker, turn)
        what = f"T{turn} {one_line(worker, NAME_LIMIT)} {words}"
        if site_of(site):
            marks.append((site, what))
        # A COMMIT says nothing that the sentence does not.
        if sql and not is_control(sql):
            statements.append({"what": what, "sql": clean(sql, SQL_LIMIT)})
    excerpts = code.marked(example.story.sources, marks)
    return {"code": excerpts, "statements": [] if excerpts else statements}


def _parts(drawn: Timeline, story: Story) -> dict[tuple[str, str], str]:
    """(row, worker) → its part in the first reason."""
    return {(_label(drawn, turn), one_line(worker, NAME_LIMIT)): words for worker, turn, words in _first_reason(story)}


def _first_reason(story: Story) -> list[tuple[str, int, str]]:
    """Who does what when: (worker, turn, words), in the order of turns."""
    found = []
    for reason in story.reasons[:1]:
        who = (reason.worker, reason.other or reason.worker, reason.worker)
        turns = (reason.read_turn, reason.changed_turn, reason.acted_turn)
        for worker, turn, words in zip(who, turns, _PARTS.get(reason.kind.value, ()), strict=False):
            found += [(worker, turn, words)] if worker and turn is not None and words else []
    return sorted(found, key=lambda part: part[1])


def _standing(history: History, worker: str, turn: int) -> tuple[str, str]:
    """What a worker was executing in a turn: the site inside a function ("": none), and its SQL or the client's."""
    site = sql = ""
    for event in history.events:
        if event.worker != worker or event.turn > turn:
            continue
        if event.kind is EventKind.INVOKE:
            site, sql = "", event.sql or ""
        elif event.kind is EventKind.STEP:
            site, sql = event.step, event.sql or ""
    return site, sql
