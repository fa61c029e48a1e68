"""The pages of `docs/` name what there is: every check, every strategy, every key, and each other."""

from __future__ import annotations

import ast
import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.campaign import STRATEGIES
from harness.model import FAULTS
from harness.report.results import SCHEMA_FILE
from harness.scenario.names import CASE_CHECKS, HISTORY_CHECKS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [*sorted(DOCS.glob("*.md")), ROOT / "README.md"]


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def named(text: str) -> set[str]:
    return set(re.findall(r"`(\w+)`", text))


def first_column(text: str) -> set[str]:
    return named("\n".join(line.split("|")[1] for line in text.splitlines() if line.startswith("|")))


def names_in_code() -> Iterator[str]:
    """Of every check that code of ours judges by: the values of `check=` in `harness/checks`."""
    for path in sorted((ROOT / "harness" / "checks").glob("*.py")):
        module = importlib.import_module(f"harness.checks.{path.stem}")
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.keyword) and node.arg == "check":
                if isinstance(node.value, ast.Constant):
                    yield node.value.value
                elif isinstance(node.value, ast.Name):
                    yield getattr(module, node.value.id)


def test_every_check_is_explained_and_no_other() -> None:
    in_sql = {path.stem for path in (ROOT / "sql" / "invariants").glob("*.sql")} | {"duplicate_refunds"}
    in_code = set(names_in_code())
    assert in_code == {*HISTORY_CHECKS, *CASE_CHECKS, "serial_answers"}
    assert first_column(page("checks.md")) == in_sql | in_code - {"serial_answers"}
    assert "serial_answers" in named(page("checks.md"))  # a note, which is never broken


def test_what_green_means_is_said_of_every_strategy() -> None:
    said = page("green.md").partition("## Per strategy")[2].partition("## Inconclusive")[0]
    assert [name for name in STRATEGIES if name not in said] == []


def test_every_fault_is_explained() -> None:
    assert {str(fault) for fault in FAULTS} <= named(page("faults.md"))


def test_every_key_of_the_results_is_explained() -> None:
    schema = json.loads(SCHEMA_FILE.read_text())
    keys = {*schema["properties"], *schema["properties"]["scenarios"]["items"]["properties"]}
    assert first_column(page("results.md")) == keys


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_its_links_lead_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for target, part in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", text):
        found = path.parent / target if target else path
        assert found.exists(), target
        if part:
            heads = re.findall(r"^#+ (.*)$", found.read_text(encoding="utf-8"), re.MULTILINE)
            assert part in {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}, (
                f"{target}#{part}"
            )
