"""The published JSON Schema of `results.json`: what is written satisfies it, and it knows every key that is written."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jsonschema
import pytest
import samples

from harness.model import (
    Case,
    CaseResult,
    DrawnFaults,
    FaultCell,
    FaultMatrix,
    FaultOutcome,
    LedgerRule,
    LevelResult,
    RunResult,
    Verdict,
    Worker,
)
from harness.report.results import SCHEMA_FILE, results_json

SCHEMA = json.loads(SCHEMA_FILE.read_text())
CELL = FaultCell(
    worker="a", position=0, step="s", fault="crash", outcome=FaultOutcome.VIOLATED, fired=True,
    checks={"one_refund_per_job": 2}, message="twice", replay="r/x.schedule", left={"balance": (6000, None)},
)  # fmt: skip
MATRIX = FaultMatrix(faults=("crash",), cells=(CELL,), drawn=DrawnFaults(executed=1, struck={("a", "s", "crash"): 1}))
LEVEL = LevelResult(
    level="serializable", own=False, verdict=Verdict.PASS, observed=Verdict.PASS, expect=(), strategy="auto",
    schedules=3, exhausted=True, lost=1, meaning="",
)  # fmt: skip


def whole() -> RunResult:
    """A run in which everything occurs that may."""
    run = samples.red_run()
    case = Case(
        steps=(), name="anon_refund", role="anon", worker=Worker(name="w", statements=()), call="refund",
        answer={"sqlstate": "42501"}, ledger=LedgerRule.UNCHANGED,
    )  # fmt: skip
    result = CaseResult(case=case, sql="SELECT 1", answered=None, changed=False, checks={"declared_answer": 1})
    full = replace(run.scenarios[0], faults=MATRIX, levels=(LEVEL,), cases=(result,))
    return replace(
        run, scenarios=(full, *run.scenarios), trouble="the page could not be written", warnings=("another server",)
    )


def unknown(value: Any, schema: dict[str, Any], where: str = "") -> Iterator[str]:
    """Paths of the keys that the schema does not know."""
    if isinstance(value, dict) and "properties" in schema:
        for key, item in value.items():
            if key not in schema["properties"]:
                yield f"{where}.{key}"
            else:
                yield from unknown(item, schema["properties"][key], f"{where}.{key}")
    elif isinstance(value, list) and "items" in schema:
        for item in value:
            yield from unknown(item, schema["items"], f"{where}[]")


def test_what_is_written_satisfies_the_schema_and_all_of_it_is_known() -> None:
    written = json.loads(json.dumps(results_json(whole())))
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(written, SCHEMA)
    assert list(unknown(written, SCHEMA)) == []
    assert list(unknown({**written, "new": 1}, SCHEMA)) == [".new"]


@pytest.mark.parametrize("key", ["version", "verdict", "scenarios"])
def test_without_a_promised_key_it_is_refused(key: str) -> None:
    written = results_json(whole())
    del written[key]
    with pytest.raises(jsonschema.ValidationError, match=key):
        jsonschema.validate(written, SCHEMA)


def test_a_key_that_comes_is_no_break_and_another_version_is() -> None:
    written = results_json(whole())
    jsonschema.validate({**written, "later": True}, SCHEMA)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**written, "version": 2}, SCHEMA)


def test_the_command_prints_it() -> None:
    command = [sys.executable, "-m", "harness", "schema", "--results"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == SCHEMA
