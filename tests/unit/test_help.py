"""What the command line says of itself reads well on 80 columns, and on a terminal that knows only ASCII."""

from __future__ import annotations

import io
import sys
from importlib.metadata import version

import pytest
from rich.cells import cell_len
from typer.main import get_command
from typer.testing import CliRunner

from harness.cli import app
from harness.cli.ending import speak_what_is_understood
from harness.report.listing import print_findings

COMMANDS = sorted(get_command(app).commands)  # type: ignore[attr-defined]


def help_of(*names: str) -> str:
    done = CliRunner().invoke(
        app, [*names, "--help"], env={"COLUMNS": "80", "TERMINAL_WIDTH": "80"}, prog_name="harness"
    )
    assert done.exit_code == 0
    return done.output


@pytest.mark.parametrize("names", [[], *([name] for name in COMMANDS)], ids=" ".join)
def test_help_has_room_and_words_of_its_own(names: list[str]) -> None:
    text = help_of(*names)
    assert all(cell_len(line) <= 80 for line in text.splitlines())
    assert "..." not in text.replace("]...", "").replace("}...", "")  # nothing is cut off
    for placeholder in ("<str>", "<path>", "<int range>", "<float range>", " <list[str]>\n"):
        assert placeholder not in text.partition("Options:")[2]


def test_help_names_every_command_and_every_exit_code() -> None:
    text = help_of()
    assert all(f"\n  {name} " in text for name in COMMANDS)
    said = " ".join(text.split())
    assert "0 nothing violated, 1 a violation, 2 bad usage, scenario or SQL, 3 inconclusive, 4 the harness" in said


def test_it_says_which_version_it_is() -> None:
    done = CliRunner().invoke(app, ["--version"], prog_name="harness")
    assert (done.exit_code, done.output) == (0, f"refund-harness {version('refund-harness')}\n")


FINDINGS = [
    ("python", True, True, "3.11", ""),
    ("pytest", False, False, "not installed", "pip install it"),
    ("server", False, True, "does not start", "look there"),
]


def test_the_doctor_tells_what_is_needed_from_what_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    print_findings(FINDINGS)
    assert capsys.readouterr().out.splitlines() == [
        "✓ python       3.11",
        "– pytest       not installed",
        "               → pip install it",
        "✗ server       does not start",
        "               → look there",
        "Not ready: server.",
    ]
    print_findings(FINDINGS[:2])
    assert capsys.readouterr().out.splitlines()[-1] == "Ready: harness run."


def test_what_a_stream_cannot_encode_has_a_stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii", write_through=True))
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    speak_what_is_understood()
    print_findings([("日本", False, True, "… \ud800", "x")])
    assert written.getvalue().splitlines()[:2] == [b"X ??           ~ ?", b"               > x"]
