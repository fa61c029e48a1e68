"""How a command ends: by signals, and with whoever reads its output gone. Nothing heavy is loaded here."""

from __future__ import annotations

import codecs
import io
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

from harness.unbroken import put_off

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_heard: list[int] = []
_lost: list[int] = []
_over: list[None] = []
_AGAIN_S = 0.01
_IMPORTS = "<frozen importlib._bootstrap>"

STAND_INS = dict(zip("✓✗→←↔…·⋮┊─━╌–", "+X><=~-:|-#.-", strict=True))
"""For a stream that cannot show more than ASCII; of the same width, so that tables stay tables."""


def ended_once() -> None:
    """The first Ctrl-C, SIGTERM or SIGHUP ends the command, by `KeyboardInterrupt` or an exit with 128 + its number;
    while that is on its way no other is heard: it would cut short the tidying up, which is bounded. What was ignored
    (`nohup`, a shell's background job) stays so."""
    for number in _ENDING:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _end)


def over() -> None:
    """The command has ended, by whatever was heard."""
    _over.append(None)
    signal.setitimer(signal.ITIMER_REAL, 0)
    _heard.extend(_lost)


def open_standard_streams() -> None:
    """Put the null device where a standard stream is closed: else a socket of ours would get its number, and whatever
    is printed would be written into it."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
            setattr(sys, name, os.fdopen(number, mode))


def speak_what_is_understood() -> None:
    """What a standard stream cannot encode is written by a stand-in of the same width, and ends no command."""
    codecs.register_error("harness-stand-in", _stand_in)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="harness-stand-in")


def _stand_in(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(STAND_INS.get(char, "?") for char in error.object[error.start : error.end]), error.end


def flushed(code: int, say: Callable[[str, int], int]) -> int:
    """``code``, unless what was printed went nowhere for another reason than that nobody reads it: then 4."""
    # It may be there in part only: a thread is about to load it.
    console = getattr(sys.modules.get("harness.report.console"), "QuietPipeConsole", None)
    refusal: str = console.refusal if console is not None else ""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _to_nowhere()
    except OSError as error:
        refusal = error.strerror or str(error)
        _to_nowhere()
    return say(f"cannot write to standard output: {refusal}", 4) if refusal else code


def _to_nowhere() -> None:
    # The interpreter flushes once more at its end, and would complain.
    with suppress(OSError):
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, sys.stdout.fileno())
        os.close(devnull)


class _OnItsWay:
    """An exception that ends the command. When it is gone before that has ended, it was swallowed: code that C has
    called back, like a finalizer, cannot raise anything. Then it is raised once more."""

    def __del__(self) -> None:
        if _heard and not _over:
            _lost.append(_heard.pop())
            _once_more(_lost[-1])


class _Interrupt(_OnItsWay, KeyboardInterrupt):
    pass


class _Exit(_OnItsWay, SystemExit):
    pass


def _end(number: int, frame: FrameType | None) -> None:
    # Two that come at once are both on their way here: only to ignore them from now on would be too late.
    if _heard or put_off(number):
        return
    if frame is not None and frame.f_code.co_filename == _IMPORTS:
        # It may be called back to forget a module's lock, and would keep that of all imports, for which a thread of
        # ours would wait for ever.
        _once_more(number)
        return
    _heard.append(number)
    raise _Interrupt if number == signal.SIGINT else _Exit(128 + number)


def _once_more(number: int) -> None:
    """In a moment, elsewhere in the program."""
    signal.signal(signal.SIGALRM, lambda _, frame: _end(number, frame))
    signal.setitimer(signal.ITIMER_REAL, _AGAIN_S)
