"""Tables as PQprint aligns them. What it does was seen on the real one: `tests/specs` holds its outputs."""

from __future__ import annotations

import pytest

from harness.spec.tables import aligned


def test_numbers_stand_to_the_right_and_texts_are_filled_up() -> None:
    table = aligned([b"n", b"text", b"both"], [[b"1", b"a", b"1"], [b"-20", b"bcdefg", b"x"]])
    assert table == b"  n|text  |both\n---+------+----\n  1|a     |1   \n-20|bcdefg|x   \n(2 rows)\n\n"


def test_one_row_is_no_rows() -> None:
    assert aligned([b"n"], [[b"1"]]).endswith(b"(1 row)\n\n")
    assert aligned([b"name", b""], []) == b"name|\n----+\n(0 rows)\n\n"
    assert aligned([], [[], []]) == b""


@pytest.mark.parametrize("value", [b"1", b"1.5", b"-3", b"1e5", b" 7", b"1 2", b"2020-01-02", b"--5", b""])
def test_what_looks_like_a_number(value: bytes) -> None:
    assert aligned([b"wide name"], [[value]]).split(b"\n")[2] == value.rjust(9)


@pytest.mark.parametrize("value", [b"e5", b"E5", b"5e", b"+1", b"7 ", b"1,5", b"-", b".", b"1:2", b"t", b"\xc3\xa4"])
def test_what_does_not(value: bytes) -> None:
    assert aligned([b"wide name"], [[value]]).split(b"\n")[2] == value.ljust(9)


def test_widths_count_bytes() -> None:
    assert aligned(["ä".encode(), b"n"], [[b"a", b"1"]]) == "ä|n\n--+-\na |1\n(1 row)\n\n".encode()
