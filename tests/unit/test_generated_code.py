"""Code that `dataclasses` writes is compiled once, and is the code that it would be without."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli import generated
from harness.cli.generated import Generated

ROOT = Path(__file__).parents[2]
TEXT = "def f(self, x=default):\n return x + 1"


def value(made: Generated, text: str = TEXT) -> int:
    scope: dict[str, object] = {}
    made(text, {"default": 41}, scope)
    return scope["f"](None)  # type: ignore[operator, no-any-return]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    return tmp_path / "__pycache__" / "code"


def test_a_text_is_compiled_once_whatever_the_process(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Generated(file)
    assert value(first) == 42
    first.keep()
    written = file.read_bytes()
    monkeypatch.setattr(generated, "compile", None, raising=False)
    again = Generated(file)
    assert value(again) == 42
    file.unlink()
    again.keep()  # nothing is new
    assert not file.exists()
    assert written


def test_what_another_python_compiled_is_not_taken(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Generated(file)
    value(made)
    made.keep()
    assert Generated(file)._code
    monkeypatch.setattr(generated, "MAGIC_NUMBER", b"\0\0\r\n")
    assert Generated(file)._code == {}


@pytest.mark.parametrize("damage", [lambda b: b[:0], lambda b: b[:-1], lambda b: b[:10], lambda b: b[:-3] + b"abc"])
def test_what_is_damaged_is_compiled_anew(file: Path, damage: object) -> None:
    made = Generated(file)
    value(made)
    made.keep()
    file.write_bytes(damage(file.read_bytes()))  # type: ignore[operator]
    again = Generated(file)
    assert again._code == {}
    assert value(again) == 42
    again.keep()
    assert Generated(file)._code


def test_nothing_is_kept_where_python_keeps_nothing_or_nothing_can_be_written(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = Generated(file.parent / "missing" / "deep" / "code")
    value(blocked)
    blocked.keep()
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    made = Generated(file)
    value(made)
    made.keep()
    assert not file.exists()


def test_there_is_an_end_to_what_is_kept(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generated, "_MOST", 2)
    made = Generated(file)
    for number in range(5):
        assert value(made, TEXT + f" + {number}") == 42 + number
    assert len(made._code) == 2
    made.keep()
    later = Generated(file)
    assert value(later, TEXT + " + 9") == 51
    later.keep()
    assert list(Generated(file)._code) == [TEXT + " + 9"]


def test_classes_are_made_of_what_is_kept(tmp_path: Path) -> None:
    """In a second process nothing is compiled for them, and they are as they always are."""
    program = (
        "import builtins, dataclasses, sys\n"
        "from harness.cli import generated\n"
        "generated.compile_once()\n"
        "texts = []\n"
        "generated.compile = lambda text, *a, **k: texts.append(text) or builtins.compile(text, *a, **k)\n"
        "from harness.model import Script\n"
        "made, other = Script(name='a', text='b'), Script(name='a', text='c')\n"
        "same = dataclasses.replace(other, text='b') == made and hash(made) != hash(other)\n"
        "try:\n    made.text = 'c'\nexcept dataclasses.FrozenInstanceError as error:\n    refused = error\n"
        "print(len(texts) > 0, same, made, refused, Script.__slots__)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": str(tmp_path),
                   "PYTHONDONTWRITEBYTECODE": ""}  # fmt: skip
    first, second = (
        subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
        for _ in range(2)
    )
    assert first.stdout.startswith("True True")
    assert second.stdout == first.stdout.replace("True True", "False True", 1)
