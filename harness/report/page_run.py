"""A whole run as the plain lists and strings that the page's template prints."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness import __version__
from harness.model import Execution, RunResult, ScenarioResult, Verdict
from harness.report.cases import cases_view
from harness.report.fault_view import fault_view
from harness.report.level_table import level_line
from harness.report.page_code import Code
from harness.report.page_example import MAX_ROWS, TEXT_LIMIT, example_view
from harness.report.page_player import Player
from harness.report.text import clean, one_line, value_text
from harness.report.timeline import elide, timeline
from harness.report.views import timeline_view
from harness.report.words import (
    LABELS,
    SYMBOLS,
    coverage,
    documented,
    headline,
    outcome,
    plural,
    reach,
    seconds,
    server_words,
)

OPEN = 3
"""So many red scenarios are open when the page comes up; more would bury each other."""
PICTURES = 400_000
"""Bytes of pictures that a page carries along, the red scenarios' first; the others lie beside it."""
MAX_PASSING = 200
"""So many executions without a violation are told; those of a thousand scenarios would be most of the page."""
MEANS = {
    Verdict.VIOLATION: "In at least one order of events, executed for real, a rule did not hold afterwards. Below is "
    "the shortest such order.",
    Verdict.PASS: "No rule was broken in anything that was executed. How far that went stands beside each scenario.",
    Verdict.INCONCLUSIVE: "Nothing was broken, but too little overlapped or was executed for that to mean anything.",
    Verdict.ERROR: "The harness or its environment failed, so this says nothing about the functions under test.",
}

KNOWN = "No rule was broken, except where a scenario documents it. How far each scenario went stands beside it."


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """What belongs to one counterexample: its picture as PNG, and the names of the files beside the page."""

    picture: bytes | None = None
    files: tuple[str, ...] = ()


def run_view(
    run: RunResult,
    attachments: Sequence[Sequence[Attachment]],
    pictures: Sequence[Sequence[tuple[str, str]]] = (),
) -> dict[str, Any]:
    """All that the template names. ``data``: what the page's script reads."""
    code, player = Code(), Player()
    scenarios: list[dict[str, Any]] = [
        _scenario(number, result, attachments[number - 1] if number <= len(attachments) else (), code, player)
        for number, result in enumerate(run.scenarios, 1)
    ]
    for index, view in enumerate(scenarios):
        view["pictures"] = list(pictures[index]) if index < len(pictures) else []
    violated = [view for view in scenarios if _red(view)]
    recorded = [view for view in scenarios if view["examples"] and view["documented"]]
    _lighten([*violated, *recorded])
    passing = [
        (view, result.passing)
        for view, result in zip(scenarios, run.scenarios, strict=True)
        if result.passing and not view["examples"] and not _red(view)
    ]
    for view, execution in passing[:MAX_PASSING]:
        view["passing"] = _execution(execution)
    for view, _ in passing[MAX_PASSING:]:
        view["passing"] = None
    return {
        "version": __version__,
        "verdict": _badge(run.verdict),
        "headline": clean(headline(run)),
        "means": KNOWN if run.verdict is Verdict.PASS and recorded else MEANS[run.verdict],
        "facts": [
            ("Server", server_words(run.server_version)),
            ("Executed", plural(sum(result.schedules for result in run.scenarios), "schedule")),
            ("Seed", str(run.seed)),
            ("Took", seconds(run.elapsed_s)),
            *(("Warning", one_line(warning)) for warning in run.warnings),
        ],
        "scenarios": scenarios,
        "open": OPEN,
        "violated": violated,
        "struck": [view for view in scenarios if view["faults"]],
        "documented": recorded,
        "passing": [view for view, _ in passing[:MAX_PASSING]],
        "untold": len(passing[MAX_PASSING:]),
        "functions": code.functions(),
        "verdicts": [
            {**kind, "number": sum(1 for view in scenarios if view["facet"] == kind["kind"])} for kind in _facets()
        ],
        "broken_checks": sorted({check for view in scenarios for check in view["broken"]}),
        "data": {
            **player.data(),
            "scenarios": {view["id"]: [view["facet"], _haystack(view), view["broken"]] for view in scenarios},
        },
    }


def _red(view: dict[str, Any]) -> bool:
    """There is something to show that nobody documented: an order of events, or single calls."""
    return not view["documented"] and bool(view["examples"] or (view["facet"] == "violation" and view["cases"]))


def _facets() -> list[dict[str, str]]:
    """What one can filter for: the verdicts, and apart from the passes those that are known to be broken."""
    order = (Verdict.VIOLATION, Verdict.ERROR, Verdict.INCONCLUSIVE, Verdict.PASS)
    return [*({"kind": v.value, "label": LABELS[v]} for v in order), {"kind": "documented", "label": "as documented"}]


def _haystack(view: dict[str, Any]) -> str:
    return f"{view['name']} {view['file']}".lower()


def _badge(verdict: Verdict) -> dict[str, str]:
    return {"kind": verdict.value, "symbol": SYMBOLS[verdict], "label": LABELS[verdict]}


def _scenario(
    number: int, result: ScenarioResult, attachments: Sequence[Attachment], code: Code, player: Player
) -> dict[str, Any]:
    anchor = f"s{number}"
    examples = []
    for index, example in enumerate(result.counterexamples):
        attachment = attachments[index] if index < len(attachments) else Attachment()
        view = example_view(f"{anchor}-{index + 1}", result, example, code, player)
        examples.append({**view, "picture": attachment.picture, "files": list(attachment.files)})
    known = documented(result)
    return {
        "id": anchor,
        "name": value_text(result.name, 120),
        "file": value_text(result.file, 200),
        "about": clean(result.about, TEXT_LIMIT),
        "badge": {**_badge(result.verdict), "label": "as documented"} if known else _badge(result.verdict),
        "facet": "documented" if known else result.verdict.value,
        "documented": known,
        "expect": ", ".join(value_text(check, 60) for check in result.expect),
        "strategy": value_text(result.strategy, 60),
        "schedules": f"{result.schedules:,}",
        "reach": reach(result),
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
        "serially": result.serially,
        "broken": _broken(result),
        "checks": [
            (SYMBOLS[check.verdict], value_text(check.check, 80), f"{check.examined:,} examined")
            for check in result.checks
        ],
        "cases": cases_view(result.cases) if result.cases else None,
        "examples": examples,
        "faults": fault_view(result.faults) if result.faults else None,
        "passing": bool(result.passing),
    }


def _first(result: ScenarioResult) -> str:
    if result.schedules_to_first_violation is None:
        return ""
    when = result.seconds_to_first_violation
    return f"schedule {result.schedules_to_first_violation:,}" + ("" if when is None else f", after {seconds(when)}")


def _broken(result: ScenarioResult) -> list[str]:
    """Names of all checks that were violated, wherever it was."""
    found = [v.check for example in result.counterexamples for v in example.violations]
    found += [check for case in result.cases for check in case.checks]
    found += [check for level in result.levels for check in level.violated]
    if result.faults is not None:
        found += [check for cell in result.faults.cells for check in cell.checks]
    return sorted({value_text(check, 120) for check in found})


def _execution(execution: Execution) -> dict[str, Any]:
    drawn = timeline(execution.history)
    return {"number": f"{execution.number + 1:,}", "timeline": timeline_view(drawn, elide(drawn.rows, MAX_ROWS))}


def _lighten(views: Sequence[dict[str, Any]]) -> None:
    """Pictures become addresses of data as long as they fit the page's budget."""
    left = PICTURES
    for view in views:
        for example in view["examples"]:
            picture = example["picture"]
            fits = picture is not None and len(picture) <= left
            left -= len(picture) if fits else 0
            example["picture"] = f"data:image/png;base64,{base64.b64encode(picture).decode('ascii')}" if fits else ""
