"""Spec files are read as isolationtester reads them; a mistake is told with its line and column."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import ScenarioError, UsageError
from harness.spec.expected import difference, expected_files
from harness.spec.form import Notices, Once, Place, Until
from harness.spec.parse import parse_spec, read_spec

SPECS = Path(__file__).parents[1] / "specs"
TWO = "session s1\nstep a { SELECT 1; }\nsession s2\nstep b { SELECT 2; }\n"


def orders(text: str) -> list[str]:
    return [" ".join(turn.step.name for turn in turns) for turns in parse_spec(text, "x.spec").orders()]


def test_everything_has_its_place() -> None:
    spec = parse_spec(
        'setup { one } setup{two}\nteardown {three}\nsession "a ""b""" setup {\n four\n}\n'
        "step s {  five }\nteardown { }",
        "x.spec",
    )
    assert [block.sql for block in spec.setup] == ["one", "two"]
    assert spec.setup[1].place == Place(line=1, column=21)
    assert spec.teardown is not None
    assert spec.teardown.sql == "three"
    [session] = spec.sessions
    assert session.name == 'a "b"'
    assert session.setup is not None
    assert session.setup.sql == "\n four\n"  # line ends belong to it, and are printed
    assert session.setup.place.after("\n f") == Place(line=4, column=3)
    assert session.steps[0].sql == "five"
    assert session.teardown is not None
    assert session.teardown.sql == ""


def test_markers_name_their_steps() -> None:
    spec = parse_spec(TWO + "permutation a(*, b, b notices 3) b", "x.spec")
    [[first, second]] = spec.permutations
    b = spec.sessions[1].steps[0]
    assert first.markers == (Once(), Until(step=b), Notices(step=b, count=3))
    assert second.markers == ()


def test_without_permutations_every_order_is_run_and_no_step_is_unused() -> None:
    text = "session s1 step a {1} step b {2} session s2 step c {3}"
    assert orders(text) == ["a b c", "a c b", "c a b"]
    assert parse_spec(text, "x.spec").unused == ()


def test_steps_that_are_not_used_are_sorted_by_bytes() -> None:
    text = 'session s step b {1} step B {2} step "ä" {3} step z {4} step a {5} permutation z'
    assert parse_spec(text, "x.spec").unused == ("B", "a", "b", "ä")


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("", "1:1", "expected setup, teardown or session, found the end of the file"),
        ("# nothing\n", "2:1", "expected setup, teardown or session"),
        ("setup { }\nstep a { }", "2:1", "expected session, found step"),
        ("session s1\n", "2:1", "expected step, found the end of the file"),
        ("session s1 step a { } setup { }", "1:23", "expected step, session or permutation, found setup"),
        ("session s1 step a { } permutation a session s2", "1:37", "expected permutation or the end of the file"),
        ("session step a { }", "1:9", "expected a session's name, found step"),
        ("session s1 step { }", "1:19", "expected a step's name, found a block of SQL"),
        ("session s1 step a b", "1:19", "expected { SQL }, found b"),
        ("session s1 step a { SELECT 1", "1:19", "this block of SQL has no end"),
        ('session "s1\n" step a { }', "1:9", "this name does not end in its line"),
        ("session s1 step a { } }", "1:23", "unexpected '}'"),
        ("session s1 step a { SELECT '{1}'; }", "1:32", 'unexpected "\'"'),
        ("session s1\n\tstep a { }\nstep a { }", "3:6", "there is a step a already, in line 2"),
        (TWO + "permutation a c", "5:15", "there is no step c"),
        (TWO + "permutation a() b", "5:15", "expected a step's name or *, found )"),
        (TWO + "permutation a(b b", "5:17", "expected , or ), found b"),
        (TWO + "permutation a(c) b", "5:15", "that step does not exist"),
        (TWO + "permutation a(b)", "5:15", "that step is not in this permutation"),
        (TWO + "permutation a(a) b", "5:15", "they are of the same session"),
        (TWO + "permutation a(b notices) b", "5:24", "expected a number of notices, found )"),
        (TWO + "permutation a(b notices 99999999999) b", "5:25", "99999999999 is too much"),
        (TWO + "permutation", "5:12", "expected a step's name, found the end of the file"),
        (TWO + "permutation permutation", "5:13", "expected a step's name, found permutation"),
        ("session s1\nstep a { \0 }", "2:10", "a NUL character"),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, where: str, what: str) -> None:
    with pytest.raises(ScenarioError) as told:
        parse_spec(text, "x.spec")
    assert str(told.value).startswith(f"x.spec:{where}: ")
    assert what in str(told.value)
    assert "\n" not in str(told.value)
    assert told.value.exit_code == 2


def test_a_file_may_hold_any_bytes(tmp_path: Path) -> None:
    file = tmp_path / "latin.spec"
    file.write_bytes(b"session s\xe9 step a { SELECT '\xe4'; }")
    [session] = read_spec(file).sessions
    assert session.name.encode("utf-8", "surrogateescape") == b"s\xe9"
    with pytest.raises(UsageError, match="cannot be read"):
        read_spec(tmp_path)


def test_every_shipped_spec_can_be_read_and_has_its_output() -> None:
    specs = sorted(SPECS.glob("*.spec"))
    assert len(specs) > 50
    for file in specs:
        assert read_spec(file).sessions
        assert expected_files(file, SPECS / "expected")
    assert {f.stem for f in (SPECS / "expected").iterdir()} == {f.stem for f in specs}


def test_any_alternative_output_will_do(tmp_path: Path) -> None:
    for name, text in {"x.out": "one\ntwo\nthree\n", "x_1.out": "one\n2\nthree\n", "xy.out": "other\n"}.items():
        (tmp_path / name).write_text(text)
    files = expected_files(Path("specs/x.spec"), tmp_path)
    assert [f.name for f in files] == ["x.out", "x_1.out"]
    assert difference(b"one\n2\nthree\n", files, "x") == b""
    diff = difference(b"one\n2\nthree\nfour", files, "x").decode()
    assert diff.startswith(f"--- {tmp_path}/x_1.out\n+++ x\n")  # the nearest
    assert diff.endswith("+four\n\\ No newline at end of file\n")
    with pytest.raises(UsageError, match=r"there is no .*y\.out"):
        expected_files(Path("y.spec"), tmp_path)
