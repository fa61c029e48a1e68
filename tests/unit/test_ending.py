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
import time
class Finalized:
    def __del__(self):
        signal.raise_signal(signal.{{first}})
try:
    Finalized()
    print("goes on", flush=True)
    time.sleep(60)
except {{raised}}:
    print("ended")
"""
IMPORTS = f"""{HEAD}
import time
try:
    exec(compile("signal.raise_signal(signal.SIGINT); print('goes on')", "<frozen importlib._bootstrap>", "exec"))
    time.sleep(60)
except KeyboardInterrupt:
    print("ended")
"""
AFTERWARDS = f"""{HEAD}
import time
from harness.cli.ending import over
def command():
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        return "interrupted"
print(command())
over()
signal.raise_signal(signal.SIGINT)
time.sleep(0.1)
print("nothing more")
"""


def ran(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)


def printed(program: str) -> str:
    return ran(program).stdout


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


@pytest.mark.parametrize(("first", "raised"), [("SIGINT", "KeyboardInterrupt"), ("SIGTERM", "SystemExit")])
def test_one_that_was_swallowed_comes_once_more(first: str, raised: str) -> None:
    assert printed(LOST.format(first=first, raised=raised)) == "goes on\nended\n"


def test_one_that_came_while_a_module_was_looked_up_comes_later() -> None:
    assert printed(IMPORTS) == "goes on\nended\n"


def test_none_comes_when_the_command_has_ended_by_one() -> None:
    assert printed(AFTERWARDS) == "interrupted\nnothing more\n"


WRAPPED = f"""{HEAD}
from harness.cli import entry
def command(*_, **__):
    try:
        signal.raise_signal(signal.{{first}})
    except BaseException as error:
        raise RuntimeError("a class could not be made") from error
entry._app_for = lambda arguments: command
entry.main()
"""
EARLY = """
import sys
class Early:
    def find_spec(self, name, *_):
        if name == "harness.cli.app":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Early())
import harness.cli
"""


@pytest.mark.parametrize(("first", "code", "said"), [("SIGINT", 130, "harness: interrupted\n"), ("SIGTERM", 143, "")])
def test_one_that_python_wraps_is_known_again(first: str, code: int, said: str) -> None:
    done = ran(WRAPPED.format(first=first))
    assert (done.returncode, done.stderr) == (code, said)


def test_one_that_comes_before_anything_is_loaded_shows_no_traceback() -> None:
    done = ran(EARLY)
    assert (done.returncode, done.stderr) == (130, "harness: interrupted\n")
