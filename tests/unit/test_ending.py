"""A command hears of its end once: more signals do not cut its tidying up short, unless the first one was lost."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAD = "import signal\nfrom harness.cli.ending import ended_once\nended_once()\n"
CUT_SHORT = f"""{HEAD}
try:
    try:
        signal.raise_signal(signal.{{first}})
    finally:
        signal.raise_signal(signal.{{then}})
        print("tidied up")
except {{raised}} as error:
    print(repr(error.code) if {{raised}} is SystemExit else "interrupted")
"""
LOST = f"""{HEAD}
class Finalized:
    def __del__(self):
        signal.raise_signal(signal.{{first}})
Finalized()
print("goes on")
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    print("interrupted")
"""


def printed(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    return done.stdout


@pytest.mark.parametrize(
    ("first", "then", "raised", "told"),
    [
        ("SIGINT", "SIGINT", "KeyboardInterrupt", "interrupted"),
        ("SIGINT", "SIGTERM", "KeyboardInterrupt", "interrupted"),
        ("SIGTERM", "SIGINT", "SystemExit", "143"),
    ],
)
def test_a_second_one_does_not_cut_tidying_up_short(first: str, then: str, raised: str, told: str) -> None:
    assert printed(CUT_SHORT.format(first=first, then=then, raised=raised)) == f"tidied up\n{told}\n"


@pytest.mark.parametrize("first", ["SIGINT", "SIGTERM"])
def test_one_that_came_where_nothing_can_be_raised_does_not_make_deaf(first: str) -> None:
    assert printed(LOST.format(first=first)) == "goes on\ninterrupted\n"
