"""Mapping files: what is left out is the guide's, and what is wrong is told where it stands."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest
from ruamel.yaml import YAML

from harness.audit import rules
from harness.audit.mapping import read_mapping, schema_text
from harness.audit.monitoring import window
from harness.errors import ScenarioError, UsageError


def test_without_a_file_and_with_the_shortest_names_are_the_guides(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text("version: 1\n")
    for mapping in (read_mapping(None), read_mapping(path)):
        spec = mapping.spec
        assert (spec.jobs.table, spec.transactions.seq) == ("public.story_jobs", "seq")
        assert (spec.transactions.job.column, spec.transactions.job.path) == ("metadata", ["job_id"])
        assert not mapping.named("transactions", "seq")


def test_a_column_alone_may_hold_the_job(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text("version: 1\ntransactions: {job: job_ref, seq: n}\n")
    mapping = read_mapping(path)
    assert (mapping.spec.transactions.job.column, mapping.spec.transactions.job.path) == ("job_ref", [])
    assert mapping.named("transactions", "seq")


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("", "1:1", "empty: a mapping needs at least `version: 1`"),
        ("jobs: {}\n", "1:1", "a mapping needs at least `version: 1`"),
        ("- 1\n", "1:1", "a mapping needs at least `version: 1`"),
        ("version: 2\n", "1:1", "'version' must be 1"),
        ("version: 1\njobs:\n  tabel: x\n", "3:3", "unknown key 'tabel'; did you mean 'table'?"),
        ("version: 1\ntransactions:\n  amounts: odd\n", "3:3", "'signed' or 'unsigned'"),
        ("version: 1\ntransactions: {before: null}\n", "2:1", "before and after go together"),
        ("version: 1\ntransactions: {job: {path: [a]}}\n", "2:16", "missing key 'column'"),
        ("version: 1\nbalances: {user: 3}\n", "2:12", "'user' must be text, found 3"),
        ("version: 1\njobs: [a]\n", "2:1", "'jobs' must be a mapping"),
        ("version: 1\n---\nversion: 1\n", "2:1", "a second document: a mapping holds one"),
        ("version: 1\njobs: {table: 'a\n", "3:1", "not YAML"),
        ("version: 1\nversion: 1\n", "2:1", "key 'version' stands here twice"),
    ],
)
def test_what_is_wrong_is_told_where_it_stands(text: str, place: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(text)
    with pytest.raises(ScenarioError) as caught:
        read_mapping(path)
    assert str(caught.value).startswith(f"{path}:{place}: ")
    assert message in str(caught.value)


def test_what_turns_out_wrong_later_is_told_there_too(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text("version: 1\njobs:\n  table: nowhere\n")
    assert str(read_mapping(path).error(("jobs", "table"), "no")) == f"{path}:3:3: no"
    assert str(read_mapping(path).error(("jobs", "user"), "no")) == f"{path}:2:1: no"
    assert "--map" in str(read_mapping(None).error(("jobs", "table"), "no"))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1d", ("1 days", "the last day")),
        ("12h", ("12 hours", "the last 12 hours")),
        ("2w", ("2 weeks", "the last 2 weeks")),
    ],
)
def test_windows(text: str, found: tuple[str, str]) -> None:
    assert window(text) == found


@pytest.mark.parametrize("text", ["", "1", "d", "0d", "-1d", "1d; DROP", "1m", "123456d"])
def test_no_windows(text: str) -> None:
    with pytest.raises(UsageError, match="--since"):
        window(text)


GUIDE = (Path(__file__).parents[2] / "docs" / "audit.md").read_text()


def test_the_mapping_in_the_docs_is_one(tmp_path: Path) -> None:
    [text] = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
    path = tmp_path / "m.yaml"
    path.write_text(text)
    spec = read_mapping(path).spec
    assert (spec.jobs.table, spec.transactions.job.path, spec.roles.service) == ("app.tasks", ["task", "id"], "worker")
    schema = json.loads(schema_text())
    jsonschema.validate(YAML(typ="safe").load(text), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"version": 1, "job": {}}, schema)


def test_the_docs_know_every_check() -> None:
    every = [r for r in (*vars(rules).values(), *rules.OF_JOBS) if isinstance(r, rules.Rule)]
    assert len(every) > 20
    assert [r.check for r in every if f"`{r.check}`" not in GUIDE] == []
