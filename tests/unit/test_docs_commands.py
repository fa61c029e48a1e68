"""What the pages tell one to type exists: commands, options, scenarios, strategies, faults, make targets, pictures."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from test_docs import DOCS, PAGES, ROOT, first_column, page
from typer.main import get_command

from harness.campaign import STRATEGIES
from harness.cli import app
from harness.model import FAULTS
from harness.scenario.faults import parse_faults

GROUP: Any = get_command(app)
COMMANDS: dict[str, Any] = GROUP.commands
FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
TYPED = re.compile(r"(?:(?<=^)|(?<=\s))(?:refund-)?harness (?=[a-z])(.+?)(?= {2,}|$)", re.MULTILINE)
"""A command ends at the end of its line, or where two blanks and a word on it follow."""
SEARCHES = {*STRATEGIES, "all", "plain", "barrier_threads"}
OTHERS = {
    "--harness-config",
    "--harness-no-config",
    "--harness-schedules",
    "--harness-seed",
    "--harness-target",
    "--dist",
    "--ignore-requires-python",
    "--no-deps",
    "--permission",
}
"""Options of other programs that a page names."""
PLUGIN = set(
    re.findall(r'addoption\(\s*"(--[a-z-]+)"', (ROOT / "harness" / "pytest_plugin.py").read_text(encoding="utf-8"))
)
"""Those that pytest has by our plugin."""


def fenced(text: str) -> list[str]:
    """Commands in blocks of code, each without the program's name."""
    bodies = (re.sub(r" *\\\n\s*", " ", body) for _, body in FENCE.findall(text))
    return [found for body in bodies for found in TYPED.findall(body)]


def inline(text: str) -> list[str]:
    """Commands within sentences, which may lack what an option wants."""
    within = re.findall(r"`(?:refund-)?harness ([a-z][^`]*)`", FENCE.sub("", text))
    return [" ".join(command.split()) for command in within]


TYPED_OUT = [pytest.param(c, id=f"{p.name}: {c[:50]}") for p in PAGES for c in fenced(p.read_text(encoding="utf-8"))]
MENTIONED = [pytest.param(c, id=f"{p.name}: {c[:50]}") for p in PAGES for c in inline(p.read_text(encoding="utf-8"))]


def parsed(command: str) -> tuple[str, dict[str, Any]]:
    """Name and values of a command, as our own command line understands it."""
    name, *words = shlex.split(command)
    return name, COMMANDS[name].make_context(name, words).params


@pytest.mark.parametrize("command", TYPED_OUT)
def test_a_command_parses_and_names_what_there_is(command: str) -> None:
    name, values = parsed(command)
    strategies = values.get("strategy") or []
    assert {*([strategies] if isinstance(strategies, str) else strategies)} <= SEARCHES
    if name == "run":
        assert [s for s in values["scenario"] or [] if s.islower() and not _scenario(s)] == []
        assert values["faults"] is None or parse_faults(values["faults"])


def _scenario(name: str) -> bool:
    return (ROOT / name).exists() or (ROOT / "scenarios" / f"{name}.yaml").is_file()


@pytest.mark.parametrize("command", MENTIONED)
def test_a_mentioned_command_and_its_options_are_there(command: str) -> None:
    name, *words = command.split()
    known = {option for parameter in COMMANDS[name].params for option in parameter.opts} | {"--help"}
    assert {word for word in words if re.fullmatch(r"--[a-z-]+", word)} <= known


def test_there_is_something_to_check_on_most_pages() -> None:
    assert len(TYPED_OUT) > 40
    assert len(MENTIONED) > 60
    assert {name for p in PAGES for c in fenced(p.read_text(encoding="utf-8")) for name in [c.split()[0]]} >= {
        "run", "check", "replay", "mutants", "soak", "audit", "explain", "report", "list", "doctor", "schema",
    }  # fmt: skip


def test_what_is_wrong_would_be_seen() -> None:
    for wrong in ("run --stratgy auto", "chek --sql a.sql", "replay", "mutants --seeds many"):
        with pytest.raises(Exception, match=r"(?i)no such|missing|chek|valid integer"):
            parsed(wrong)
    assert fenced("```\n$ harness run a \\\n    b   the third column\n```") == ["run a b"]
    assert inline("as `harness report\n--compare OLD NEW` says") == ["report --compare OLD NEW"]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_option_that_it_names_is_one_of_ours(path: Path) -> None:
    ours = {o for command in [GROUP, *COMMANDS.values()] for parameter in command.params for o in parameter.opts}
    named = set(re.findall(r"`(--[a-z-]+)", path.read_text(encoding="utf-8")))
    assert named - ours - OTHERS - PLUGIN == set()


def test_every_command_is_on_some_page() -> None:
    said = "\n".join(path.read_text(encoding="utf-8") for path in PAGES)
    assert [name for name in COMMANDS if f"harness {name}" not in said] == []


def test_the_faults_of_the_table_are_all_there_are() -> None:
    kinds = {str(fault) for fault in FAULTS}
    rows = [line for line in page("faults.md").splitlines() if re.match(r"\| `\w+`", line)]
    assert first_column("\n".join(rows)) >= kinds


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_what_it_has_make_and_python_do_is_there(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"(?:`|^)make ([a-z]+)", text, re.MULTILINE)
    assert [target for target in targets if not re.search(rf"^{target}:", makefile, re.MULTILINE)] == []
    assert [file for file in re.findall(r"\bbenchmarks/\w+\.py", text) if not (ROOT / file).is_file()] == []


def test_every_picture_is_shown_somewhere_and_small() -> None:
    said = "\n".join(path.read_text(encoding="utf-8") for path in PAGES)
    for picture in sorted((DOCS / "images").iterdir()):
        assert f"images/{picture.name})" in said, picture.name
        assert picture.stat().st_size < 250_000, picture.name
        with Image.open(picture) as opened:
            assert opened.mode == "P", f"{picture.name}: make pictures"


def test_every_page_is_reached_from_the_readme() -> None:
    seen, todo = set(), [ROOT / "README.md"]
    while todo:
        path = todo.pop()
        if path in seen or path.suffix != ".md":
            continue
        seen.add(path)
        links = re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text(encoding="utf-8"))
        todo += [(path.parent / link).resolve() for link in links]
    assert {path.name for path in DOCS.glob("*.md")} - {path.name for path in seen} == set()
