"""The JSON Schema that editors use is the one that the model makes, and every shipped scenario satisfies it."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from malformed import CASES

from harness.errors import ScenarioError
from harness.scenario import SCHEMA_FILE, load_scenario, names_our_schema, yamltext
from harness.scenario.schema import schema_text

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / "harness" / "scenario" / SCHEMA_FILE
SHIPPED = sorted((ROOT / "scenarios").glob("*.yaml"))


def test_the_committed_schema_is_the_models() -> None:
    assert COMMITTED.read_text() == schema_text(), "run: harness schema > harness/scenario/" + SCHEMA_FILE


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_a_shipped_scenario_names_it_satisfies_it_and_loads(path: Path) -> None:
    first = path.read_text().splitlines()[0]
    assert (path.parent / first.split("$schema=")[1]).resolve() == COMMITTED
    assert names_our_schema(path)
    jsonschema.validate(yamltext.read(path).data, json.loads(COMMITTED.read_text()))
    assert load_scenario(path).name == path.stem


@pytest.mark.parametrize(
    "wrong",
    [
        {"version": 2}, {"name": "a b"}, {"workers": {}}, {"wokers": {}}, {"orders": "all"}, {"orders": []},
        {"setup": [{"chrage": {}}]}, {"workers": {"a": {"rolle": "x"}}}, {"orders": [{"strategy": "luck"}]},
        {"orders": [[{"a.b": "blokced"}]]},
    ],
)  # fmt: skip
def test_an_editor_sees_what_is_wrong(wrong: dict[str, object]) -> None:
    good = {"version": 1, "name": "x", "workers": {"a": {"statements": ["SELECT 1"]}}}
    schema = json.loads(COMMITTED.read_text())
    jsonschema.validate(good, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**good, **wrong}, schema)


@pytest.mark.parametrize(
    ("first", "ours"),
    [
        (f"# yaml-language-server: $schema={SCHEMA_FILE}\n", True),
        (f"# yaml-language-server: $schema=../x/{SCHEMA_FILE}\n", True),
        (f"\ufeff# yaml-language-server: $schema={SCHEMA_FILE}  \r\n", True),
        (f"#$schema={SCHEMA_FILE}", True),
        (f"# yaml-language-server: $schema={SCHEMA_FILE}.bak\n", False),
        (f"# see {SCHEMA_FILE}\n", False),
        (f"version: 1\n# yaml-language-server: $schema={SCHEMA_FILE}\n", False),
        (f"# {'x' * 400} $schema={SCHEMA_FILE}\n", False),
        ("# yaml-language-server: $schema=other.schema.json\n", False),
        ("version: 1\n", False),
        ("", False),
    ],
)
def test_our_files_are_told_from_others(tmp_path: Path, first: str, ours: bool) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(first + "name: x\n" if first.endswith("\n") else first, encoding="utf-8")
    assert names_our_schema(path) is ours


def test_what_cannot_be_read_is_not_ours(tmp_path: Path) -> None:
    assert not names_our_schema(tmp_path)
    assert not names_our_schema(tmp_path / "nope.yaml")


UNSEEN = {
    "isolation without a transaction", "an order with a limit",
    "answers of a strategy", "version as a fraction", "a role that is no identifier", "a worker named all",
    "an empty install entry", "an applied file that is not there", "a file that is not there",
    "a path no file can have",
    "an unknown invariant", "an unknown invariant further on", "an invariant no file can be", "an unknown check",
    "an unknown check in a list", "a violation that is a number", "an answer of nobody", "an answer that is a word",
    "an answer of nobody in an order", "a step named like a fault", "a name for two things", "a job named like a user",
    "a user named run", "a job named users", "set-up of nothing", "no command", "two commands", "two-phase commit",
    "COPY of the client", "bad SQL", "bad SQL further right", "bad SQL after letters of two bytes",
    "bad SQL in the third line of a block", "bad SQL in the set-up", "an open quote", "an unknown variable",
    "an unknown variable in the set-up", "a step that is none", "an order that names no worker", "a misspelt worker",
    "a misspelt step", "steps out of order", "a step too many", "a blocked worker asked to act", "a cycle of waits",
    "a step after the kill", "a step after its answer was lost", "a fault that blocks", "a fault of nobody",
}  # fmt: skip
"""Malformed scenarios that only the loader sees through: what stands in them refers to something else."""


def test_the_schema_sees_all_other_malformed_scenarios() -> None:
    validator = jsonschema.Draft202012Validator(json.loads(COMMITTED.read_text()))
    valid, seen = set(), 0
    for case, (content, *_) in CASES.items():
        try:
            text = content if isinstance(content, str) else content.decode("utf-8-sig")
            data = yamltext.parse("x", text).data
        except (UnicodeDecodeError, ScenarioError):
            continue
        if validator.is_valid(data):
            valid.add(case)
        else:
            seen += 1
    assert valid == UNSEEN
    assert seen >= 40
