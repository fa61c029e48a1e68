"""What a command does between its first line and its server, so that nobody waits for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from harness.cli.app import app
from harness.cli.commands import check, run
from harness.cli.ending import flushed
from harness.cli.entry import INTERRUPTED, _app_for, _name, run_command
from harness.cli.hashed import TextHash, files_of, states
from harness.cli.meanwhile import Meanwhile
from harness.cli.plain import plain
from harness.errors import UsageError
from harness.scenario import load_scenario

assert check
assert run

ANY = SimpleNamespace(
    exists=False, file_okay=True, dir_okay=True, writable=False, resolve_path=False, allow_dash=False, min=1, max=9
)


@pytest.mark.parametrize(
    ("value", "kind", "found"),
    [
        ("x", str, "x"), ("", str, ""), (b"x", str, None), (3, str, None),
        ("7", int, 7), (7, int, 7), ("0", int, None), ("10", int, None), ("x", int, None), (True, int, None),
        ("1_0", int, None), ("٣", int, None), (" 3", int, None), ("9" * 4000, int, None),
        ("no/such", Path, Path("no/such")), (Path("no"), Path, Path("no")), (3, Path, None),
        ("1.5", float, None), ("x", list[str], None),
    ],
)  # fmt: skip
def test_only_what_is_plainly_right_is_understood_without_typer(value: object, kind: object, found: object) -> None:
    assert plain(value, kind, ANY) == found


@pytest.mark.parametrize("flag", ["exists", "writable", "resolve_path", "allow_dash"])
def test_a_path_of_which_more_is_asked_is_not_plain(flag: str) -> None:
    asked = SimpleNamespace(**{**vars(ANY), flag: True})
    assert plain("no/such", Path, asked) is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["check", "--sql", "f.sql", "--schedules", "0"], "Input should be greater than or equal to 1"),
        (["check", "--sql", "f.sql", "--schedules", "x"], "Input should be a valid integer"),
        (["check", "--sql", "f.sql", "--budget", "soon"], "Input should be a valid number"),
        (["check"], "Missing option '--sql'"),
    ],
)
def test_what_is_not_plain_gets_typers_complaint(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(arguments) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert said in line


def test_only_the_command_that_is_asked_for_is_made() -> None:
    names = [_name(info) for info in app.registered_commands]
    assert {"run", "check", "doctor", "list"} <= set(names)
    for name in names:
        assert [_name(info) for info in _app_for(["--config", "x", name, "--help"]).registered_commands] == [name]
    for arguments in ([], ["--help"], ["--version"], ["chekc"], ["--", "check"]):
        assert _app_for(arguments) is app


def test_what_a_part_raises_comes_at_the_end_and_no_other_part_is_done() -> None:
    done: list[str] = []

    def fail() -> None:
        raise UsageError("wrong")

    meanwhile = Meanwhile(lambda: done.append("one"), fail, lambda: done.append("two"))
    for _ in range(4):
        meanwhile()
    with pytest.raises(UsageError, match="wrong"):
        meanwhile.rest()
    assert done == ["one"]


SCENARIO = (
    "# yaml-language-server: $schema=refund-harness.schema.json\nversion: 1\nname: s\ninstall: [ENTRY]\nworkers:\n"
    + ("  a: {statements: ['SELECT 1']}\norders: [auto]\n")
)


@pytest.mark.parametrize("entry", ["./f.sql", "./folder"])
def test_the_hash_of_a_scenario_is_that_of_its_file_unless_anything_was_changed(tmp_path: Path, entry: str) -> None:
    (tmp_path / "folder").mkdir()
    for file in ("f.sql", "folder/1.sql", "folder/2.sql"):
        (tmp_path / file).write_text("CREATE TABLE t ();")
    scenario = tmp_path / "s.yaml"
    scenario.write_text(SCENARIO.replace("ENTRY", entry))
    request: Any = SimpleNamespace(sources=[SimpleNamespace(path=tmp_path / entry)], invariants=[])
    right = load_scenario(scenario).hash
    before = states(files_of(request))
    assert TextHash(scenario, request, before)() == right
    asked_later = TextHash(scenario, request, before)
    (tmp_path / ("folder/3.sql" if "folder" in entry else "f.sql")).write_text("CREATE TABLE u ();")
    assert asked_later() == ""
    assert TextHash(scenario, request, before)() == ""  # changed while it was tried out
    found = TextHash(scenario, request, states(files_of(request)))
    assert found() != right
    scenario.unlink()
    assert found() != ""  # it was found out once


def test_a_command_may_end_while_what_shows_it_is_still_being_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "harness.report.console", ModuleType("harness.report.console"))
    assert flushed(7, lambda *_: 4) == 7


def test_an_interrupt_that_met_a_class_being_made_has_the_same_exit_code(tmp_path: Path) -> None:
    """Under -m, where Python would rather end by the signal."""
    (tmp_path / "interrupted.py").write_text(
        "from harness.cli import entry\n"
        "def run(arguments):\n"
        "    try:\n"
        "        exec('raise KeyboardInterrupt')\n"
        "    except KeyboardInterrupt:\n"
        "        return entry.INTERRUPTED\n"
        "entry.run_command = run\n"
        "entry.main()\n"
    )
    done = subprocess.run([sys.executable, "-m", "interrupted"], cwd=tmp_path, check=False)
    assert done.returncode == INTERRUPTED
