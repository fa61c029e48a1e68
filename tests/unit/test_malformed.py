"""Malformed scenario files: each is refused with one clear line, its place, exit code 2, and nothing started."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from malformed import CASES, GOOD, SELECT, change

from harness import targets
from harness.cli import entry
from harness.errors import ScenarioError
from harness.scenario import load_scenario

SHELL = (
    "empty file", "NUL byte", "a bomb of aliases", "a Python tag", "5,000 brackets", "version 2", "a name too long",
    "a cycle of waits", "an unknown variable", "a key with a line break", "half a surrogate pair as a key",
    "bad SQL in the third line of a block",
)  # fmt: skip


def write(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "scenario.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.fixture
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a server was asked for")

    monkeypatch.setattr(targets, "open_target", refuse)


def test_there_are_forty_and_the_good_one_is_good(tmp_path: Path) -> None:
    assert len(CASES) >= 40
    assert load_scenario(write(tmp_path, GOOD)).name == "good"
    assert load_scenario(write(tmp_path, b"\xef\xbb\xbf" + GOOD.encode())).name == "good"


@pytest.mark.parametrize("case", CASES)
def test_it_is_refused_at_its_place(tmp_path: Path, case: str) -> None:
    content, line, column, message = CASES[case]
    path = write(tmp_path, content)
    with pytest.raises(ScenarioError) as caught:
        load_scenario(path)
    error = caught.value
    assert message in error.message
    assert (error.line, error.column) == (line, column), str(error)
    assert str(error).startswith(f"{path}:{line}:{column}: ")
    assert error.message.isprintable()
    assert len(error.message) <= 400


@pytest.mark.usefixtures("no_server")
@pytest.mark.parametrize("case", CASES)
def test_the_command_says_one_line_and_starts_nothing(
    tmp_path: Path, case: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    content, line, column, _ = CASES[case]
    write(tmp_path, content)
    assert entry.run_command(["run", "scenario.yaml"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(rf"harness: scenario\.yaml:{line}:{column}: [^\n]+\n", err), err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["scenario.yaml"]


@pytest.mark.parametrize("case", SHELL)
def test_a_real_command_prints_no_traceback(tmp_path: Path, case: str) -> None:
    content, line, column, _ = CASES[case]
    path = write(tmp_path, content)
    done = subprocess.run(
        [sys.executable, "-m", "harness", "run", str(path)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "LC_ALL": "C", "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(rf"harness: {re.escape(str(path))}:{line}:{column}: [^\n]+\n", done.stderr), done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["scenario.yaml"]


def test_files_that_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    for name, message in {
        "nope.yaml": "cannot be read: No such file",
        "": "is a directory",
        "pipe": "is not a regular file",
        "loop": "cannot be read: Too many levels",
        "a" * 300: "cannot be read: File name too long",
        "a\0b": "cannot be read: embedded null",
    }.items():
        with pytest.raises(ScenarioError, match=f":1:1: {message}"):
            load_scenario(tmp_path / name)


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, GOOD)
    if os.geteuid():
        path.chmod(0)
    else:  # root may read all

        def refuse(*_: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ScenarioError, match=":1:1: cannot be read: Permission denied"):
        load_scenario(path)


def test_a_hundred_megabytes_are_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "huge.yaml"
    with path.open("wb") as file:
        file.truncate(100 * 2**20)
    with pytest.raises(ScenarioError, match=":1:1: larger than 256 KiB"):
        load_scenario(path)


INSTALL, INVARIANTS, APPLY = ("setup:", "install: [{}]\nsetup:"), ("[ledger]", "[{}]"), ("- " + SELECT, "- apply: {}")


@pytest.mark.parametrize(
    ("where", "entry", "line", "column", "message"),
    [
        (INSTALL, "bad.sql", 3, 11, 'bad.sql: bad SQL: syntax error at or near "SELEKT" (line 2)'),
        (INSTALL, "folder", 3, 11, 'folder/two.sql: bad SQL: syntax error at or near "SELEKT" (line 2)'),
        (INSTALL, "none", 3, 11, "none holds no .sql file"),
        (INSTALL, "latin.sql", 3, 11, "latin.sql is not UTF-8"),
        (INSTALL, "nul.sql", 3, 11, "nul.sql: bad SQL: a NUL character (line 2)"),
        (INSTALL, "id.sql", 3, 1, "id.sql: :'alice' is an id of one execution"),
        (INSTALL, "odd", 3, 11, "odd/x.sql is not a regular file"),
        (INVARIANTS, "bad.sql", 17, 14, 'bad.sql: bad SQL: syntax error at or near "SELEKT" (line 2)'),
        (INVARIANTS, "pair.sql", 17, 14, "pair.sql: an invariant is one query, found 2"),
        (INVARIANTS, "empty.sql", 17, 14, "empty.sql: an invariant is one query, found 0"),
        (INVARIANTS, "unknown.sql", 17, 1, "unknown: unknown variable :'alise'; did you mean 'alice'?"),
        (INVARIANTS, "folder", 17, 14, "unknown invariant 'folder'"),
        (APPLY, "bad.sql", 12, 9, 'bad.sql: bad SQL: syntax error at or near "SELEKT" (line 2)'),
        (APPLY, "unknown.sql", 10, 3, "two: unknown variable :'alise'; did you mean 'alice'?"),
    ],
)
def test_what_is_wrong_in_a_file_that_is_named(
    tmp_path: Path, where: tuple[str, str], entry: str, line: int, column: int, message: str
) -> None:
    for name in ("none", "folder", "odd", "odd/x.sql"):
        (tmp_path / name).mkdir()
    (tmp_path / "bad.sql").write_text("SELECT 'ґ';\nSELEKT 2;\n")
    (tmp_path / "folder" / "one.sql").write_text("SELECT 1;\n")
    (tmp_path / "folder" / "two.sql").write_text("SELECT 1;\nSELEKT 2;\n")
    (tmp_path / "latin.sql").write_bytes(b"SELECT 'caf\xe9'")
    (tmp_path / "nul.sql").write_bytes(b"SELECT 1;\n\0")
    (tmp_path / "id.sql").write_text("SELECT :'alice'")
    (tmp_path / "pair.sql").write_text("SELECT 1; SELECT 2")
    (tmp_path / "empty.sql").write_text("-- nothing\n")
    (tmp_path / "unknown.sql").write_text("SELECT :'alise', :'users'")
    with pytest.raises(ScenarioError) as caught:
        load_scenario(write(tmp_path, change(where[0], where[1].format(entry))))
    assert (caught.value.line, caught.value.column) == (line, column), str(caught.value)
    assert message in caught.value.message


@pytest.mark.usefixtures("no_server")
def test_a_file_name_of_control_characters_stays_one_clean_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a\x1b[31m\nb.yaml"
    path.write_text("hello\n")
    assert entry.run_command(["run", str(path)]) == 2
    assert capsys.readouterr().err.endswith(
        r"a\x1b[31m\nb.yaml:1:1: a scenario is a mapping with `version`, `name` and `workers`" + "\n"
    )


# ------------------------------------------------------------------------------------------------ anything at all

ALPHABET = st.sampled_from(
    [*"ab1:,-|>#&*!%@`'\"[]{}?\\ \t\n\r~<=.$;()/", "\0", "\x1b", "\x85", "\ud800", "\ufeff", "є", "😀"]
)


@given(start=st.integers(0, len(GOOD)), cut=st.integers(0, 30), text=st.text(ALPHABET, max_size=8))
@example(start=len(GOOD), cut=0, text='"\\ud800": 1')
def test_a_damaged_file_is_refused_or_read_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, start: int, cut: int, text: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.yaml"
    path.write_bytes((GOOD[:start] + text + GOOD[start + cut :]).encode("utf-8", "surrogatepass"))
    try:
        load_scenario(path)
        return
    except ScenarioError as e:
        error = e
    lines = path.read_bytes().decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    assert error.message.isprintable()
    assert 1 <= error.line <= len(lines)
    assert 1 <= error.column <= len(lines[error.line - 1]) + 1
