"""Single calls in reports: the key `cases` of `results.json`, a table on the page, and lines for those that are red."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from harness.model import CaseResult, Json, RunResult, ScenarioResult
from harness.report.console import plain_console
from harness.report.text import one_line, value_text
from harness.report.words import plural, replay_command

LIMIT = 200
_ANSWER = 2_000


def cases_json(cases: Sequence[CaseResult]) -> list[dict[str, Any]]:
    """One object a case, in the file's order. Texts of answers are cut after 2,000 characters."""
    return [
        {
            "name": c.case.name,
            "role": c.case.role,
            "call": one_line(c.sql, _ANSWER),
            "declared": _plain(c.case.answer),
            "answered": None if c.answered is None else _plain(c.answered),
            "ledger": {"declared": c.case.ledger.value, "changed": c.changed},
            "held": not c.checks,
            "checks": dict(c.checks),
            "message": c.message,
            "replay": c.replay,
        }
        for c in cases
    ]


def cases_view(cases: Sequence[CaseResult]) -> dict[str, Any]:
    """The cases as a table of the page; a row that counts as changed is red."""
    return {
        "columns": ["case", "role", "declared", "answered", "ledger", "call"],
        "rows": [
            {
                "cells": [
                    f"✗ {one_line(c.case.name, 80)}" if c.checks else one_line(c.case.name, 80),
                    one_line(c.case.role, 60),
                    value_text(dict(c.case.answer), LIMIT) if c.case.answer else "no error",
                    "nothing" if c.answered is None else value_text(dict(c.answered), LIMIT),
                    "changed" if c.changed else "unchanged",
                    one_line(c.sql, LIMIT),
                ],
                "changed": bool(c.checks),
            }
            for c in cases
        ],
        "more": 0,
    }


def print_cases(run: RunResult) -> None:
    """Every red case, and how to run it again."""
    console = plain_console()
    for result in run.scenarios:
        for line in case_lines(result):
            console.print(line, soft_wrap=True)


def case_lines(result: ScenarioResult) -> list[str]:
    """Nothing where every case held, or where the scenario documents what is red."""
    red = [c for c in result.cases if c.checks and not set(c.checks) <= set(result.expect)]
    if not red:
        return []
    lines = ["", f"cases of {one_line(result.name, 60)}: {len(red):,} of {plural(len(result.cases), 'single call')}"]
    for c in red:
        lines.append(one_line(f"✗ {', '.join(c.checks)}; {c.message}", 400))
        lines += [f"    again {command}"] if (command := replay_command(c.replay)) else []
    return lines


def _plain(value: Any) -> Json:
    if isinstance(value, str):
        return value if len(value) <= _ANSWER else value[: _ANSWER - 1] + "…"
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return value if value is None or isinstance(value, int | bool) else str(value)
