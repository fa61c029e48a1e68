"""The page of a run: one self-contained `index.html` that needs no network and no JavaScript."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness import __version__
from harness.model import Counterexample, Execution, RunResult, ScenarioResult, Verdict
from harness.report.cases import cases_view
from harness.report.fault_view import fault_view
from harness.report.level_table import level_line
from harness.report.text import clean, one_line, value_text
from harness.report.timeline import Timeline, elide, timeline
from harness.report.views import ledger_views, table_view, timeline_view
from harness.report.words import (
    LABELS,
    SYMBOLS,
    coverage,
    documented,
    headline,
    in_order,
    outcome,
    plural,
    replay_command,
    seconds,
    server_words,
)

MAX_ROWS = 400
TEXT_LIMIT = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """What belongs to one counterexample: its picture as PNG, and the names of the files beside the page."""

    picture: bytes | None = None
    files: tuple[str, ...] = ()


def render_html(run: RunResult, attachments: Sequence[Sequence[Attachment]] = ()) -> str:
    """The whole page. `attachments`: for each scenario, one per counterexample, in their order; may be shorter.

    Every text is escaped and freed of control characters; long ones are cut with a note.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    def finalize(value: object) -> object:
        # The last gate before the page: whatever a view forgot is cleaned here.
        return clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    environment = Environment(
        loader=PackageLoader("harness.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=finalize,
    )
    return environment.get_template("report.html.j2").render(_page(run, attachments))


def _page(run: RunResult, attachments: Sequence[Sequence[Attachment]]) -> dict[str, Any]:
    scenarios = [
        _scenario(number, result, attachments[number - 1] if number <= len(attachments) else ())
        for number, result in enumerate(run.scenarios, 1)
    ]
    schedules = plural(sum(result.schedules for result in run.scenarios), "schedule")
    return {
        "version": __version__,
        "verdict": _badge(run.verdict),
        "headline": clean(headline(run)),
        "facts": [
            ("Server", server_words(run.server_version)),
            ("Seed", str(run.seed)),
            ("Executed", schedules),
            ("Elapsed", seconds(run.elapsed_s)),
        ],
        "scenarios": scenarios,
        "violated": [view for view in scenarios if view["examples"] and not view["documented"]],
        "struck": [view for view in scenarios if view["faults"]],
        "documented": [view for view in scenarios if view["examples"] and view["documented"]],
        "passing": [view for view in scenarios if view["passing"] and not view["examples"]],
    }


def _badge(verdict: Verdict) -> dict[str, str]:
    return {"kind": verdict.value, "symbol": SYMBOLS[verdict], "label": LABELS[verdict]}


def _scenario(number: int, result: ScenarioResult, attachments: Sequence[Attachment]) -> dict[str, Any]:
    examples = []
    for index, example in enumerate(result.counterexamples):
        attachment = attachments[index] if index < len(attachments) else Attachment()
        examples.append(_example(f"s{number}-{index + 1}", result, example, attachment))
    return {
        "id": f"s{number}",
        "name": value_text(result.name, 120),
        "file": value_text(result.file, 200),
        "about": clean(result.about, TEXT_LIMIT),
        "badge": _badge(result.verdict),
        "observed": _badge(result.observed),
        "documented": documented(result),
        "expect": ", ".join(value_text(check, 60) for check in result.expect),
        "strategy": value_text(result.strategy, 60),
        "schedules": f"{result.schedules:,}",
        "exhausted": "yes" if result.exhausted else "no",
        "outcome": outcome(result),
        "meaning": one_line(result.meaning, 1200),
        "coverage": coverage(result),
        "levels": [level_line(row) for row in result.levels],
        "notes": [
            f"{value_text(note.check, 60)}: {one_line(note.message, 300)}"
            for check in result.checks
            for note in check.notes[:1]
        ],
        "elapsed": seconds(result.elapsed_s),
        "first": _first(result),
        "checks": [
            (SYMBOLS[check.verdict], value_text(check.check, 80), f"{check.examined:,} examined")
            for check in result.checks
        ],
        "cases": cases_view(result.cases) if result.cases else None,
        "examples": examples,
        "faults": fault_view(result.faults) if result.faults else None,
        "passing": _execution(result.passing, timeline(result.passing.history)) if result.passing else None,
    }


def _first(result: ScenarioResult) -> str:
    if result.schedules_to_first_violation is None:
        return ""
    when = result.seconds_to_first_violation
    return f"schedule {result.schedules_to_first_violation:,}" + ("" if when is None else f", after {seconds(when)}")


def _example(anchor: str, result: ScenarioResult, example: Counterexample, attachment: Attachment) -> dict[str, Any]:
    found = in_order(result, example)
    drawn = timeline(example.execution.history, found[:1])
    turns = [(row.turn, row.label) for row in drawn.rows if row.turn is not None]
    picture = attachment.picture
    return {
        "id": anchor,
        "execution": _execution(example.execution, drawn),
        "violations": [
            {
                "check": value_text(violation.check, 120),
                "message": clean(violation.message, TEXT_LIMIT),
                "at": "" if violation.turn is None else _label(turns, violation.turn),
                "expected": violation.check in result.expect,
                "witness": table_view(violation.witness),
            }
            for violation in found
        ],
        "ledgers": ledger_views(example.execution.history.opening, example.execution.history.closing),
        "replay": replay_command(example.replay),
        "picture": "" if picture is None else f"data:image/png;base64,{base64.b64encode(picture).decode('ascii')}",
        "files": list(attachment.files),
    }


def _label(turns: Sequence[tuple[int, str]], turn: int) -> str:
    """The row in which a turn is told: its own, or the one that it was joined to."""
    return next((label for other, label in turns if other >= turn), "the end")


def _execution(execution: Execution, drawn: Timeline) -> dict[str, Any]:
    return {"number": f"{execution.number + 1:,}", "timeline": timeline_view(drawn, elide(drawn.rows, MAX_ROWS))}
