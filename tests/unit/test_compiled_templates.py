"""A page from compiled templates is the page; what was compiled of something else is not taken."""

from __future__ import annotations

import sys
from pathlib import Path

import jinja2
import pytest

from harness.report.compiled import Compiled


def said(folder: Path, made_by: Path, **options: bool) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder), bytecode_cache=Compiled(folder, [made_by]), autoescape=True, **options
    )
    return environment.get_template("page.j2").render(name="<x>")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "pycache_prefix", None)
    (tmp_path / "page.j2").write_text("{% if true %}\nHello {{ name }}\n{% endif %}\n")
    (tmp_path / "made_by.py").write_text("")
    return tmp_path


def kept(folder: Path) -> list[Path]:
    return sorted((folder / "__pycache__").glob("*.j2c"))


def test_a_template_is_compiled_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = said(folder, folder / "made_by.py")
    assert len(kept(folder)) == 1
    monkeypatch.setattr(jinja2.Environment, "_generate", None)
    assert said(folder, folder / "made_by.py") == first == "\nHello &lt;x&gt;\n"


def test_what_was_compiled_of_another_text_or_in_another_way_is_not_taken(folder: Path) -> None:
    made_by = folder / "made_by.py"
    said(folder, made_by)
    (folder / "page.j2").write_text("Bye {{ name }}\n")
    assert said(folder, made_by) == "Bye &lt;x&gt;"
    (folder / "page.j2").write_text("{% if true %}\nHello {{ name }}\n{% endif %}\n")
    said(folder, made_by)
    made_by.write_text("trim_blocks = True")
    assert said(folder, made_by, trim_blocks=True) == "Hello &lt;x&gt;\n"


@pytest.mark.parametrize("content", [b"", b"j2", b"\x80\x04junk", bytes(300)])
def test_what_is_damaged_is_compiled_anew(folder: Path, content: bytes) -> None:
    first = said(folder, folder / "made_by.py")
    [file] = kept(folder)
    whole = file.read_bytes()
    for damaged in (content, whole[:-40], whole[:30]):
        file.write_bytes(damaged)
        assert said(folder, folder / "made_by.py") == first
        assert file.read_bytes() == whole


def test_nothing_is_kept_where_python_keeps_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    said(folder, folder / "made_by.py")
    assert not (folder / "__pycache__").exists()
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "pycache_prefix", str(folder / "no" / "such" / "folder"))
    assert said(folder, folder / "made_by.py") == "\nHello &lt;x&gt;\n"
    assert kept(folder) == []
