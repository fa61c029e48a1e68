"""A program of somebody's own in a process of its own: a callable, what it asks for, and how it ended."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import inspect
import json
import os
import random
import select
import signal
import socket
import sys
import sysconfig
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import psycopg

from harness.driver.wire import Message

Program = Callable[..., Any]
GIVEN = ("conn", "connect", "url")
"""Names of what a program may take: an open psycopg connection, a function that opens one, where its server is."""
_OURS = Path(__file__).parent.parent
_PR_SET_PDEATHSIG = 1


class Actor:
    """``program``, begun in a fork of this process, in which ``closed`` (descriptors) are closed; its server is at
    ``url``."""

    def __init__(self, program: Program, url: str, closed: Sequence[int]) -> None:
        self.socket, theirs = socket.socketpair()
        self._heard = b""
        parent = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            self.socket.close()
            for descriptor in closed:
                os.close(descriptor)
            _perform(program, url, theirs, parent)
        theirs.close()

    def ended(self) -> Message | None:
        """How it has ended, once its process is gone; None before that. Not to be asked again."""
        while select.select([self.socket], [], [], 0)[0]:
            data = self.socket.recv(65536)
            if not data:
                status = self._reaped()
                return json.loads(self._heard) if self._heard else {"raised": f"its process {_said(status)}"}
            self._heard += data
        return None

    def kill(self) -> None:
        """End it now, whatever it is at."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self._reaped()

    def _reaped(self) -> int:
        self.socket.close()
        return os.waitpid(self.pid, 0)[1]


def wanted(program: Program, given: Sequence[str] = GIVEN) -> tuple[list[str], list[str]]:
    """Of its parameters those that are ``given``, in its order, and others that it cannot do without."""
    found, strange = list[str](), list[str]()
    for parameter in inspect.signature(program).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if parameter.name in given and parameter.kind is not parameter.POSITIONAL_ONLY:
            found.append(parameter.name)
        elif parameter.default is parameter.empty:
            strange.append(parameter.name)
    return found, strange


def _perform(program: Program, url: str, result: socket.socket, parent: int) -> NoReturn:
    _end_with(parent)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    random.seed(0)  # the same draws in every execution
    try:
        message: Message = {"returned": _called(program, url)}
        said = json.dumps(message, default=str)
    except BaseException as error:
        said = json.dumps(_raised(error))
    with contextlib.suppress(OSError):
        result.sendall(said.encode())
    os._exit(0)


def _called(program: Program, url: str) -> Any:
    names, _ = wanted(program)
    given: Mapping[str, Any] = {"url": url, "connect": lambda **options: psycopg.connect(url, **options)}
    given = {name: value for name, value in given.items() if name in names}
    if inspect.iscoroutinefunction(program):
        return asyncio.run(_awaited(program, url, given, connected="conn" in names))
    if "conn" not in names:
        return program(**given)
    with psycopg.connect(url) as conn:
        return program(**given, conn=conn)


async def _awaited(program: Program, url: str, given: Mapping[str, Any], *, connected: bool) -> Any:
    if not connected:
        return await program(**given)
    async with await psycopg.AsyncConnection.connect(url) as conn:
        return await program(**given, conn=conn)


def _raised(error: BaseException) -> Message:
    """The last line of a traceback, and where in the program's own code it was."""
    said = "".join(traceback.format_exception_only(error)).strip().splitlines()[0]
    sqlstate = next((e.sqlstate for e in _causes(error) if isinstance(e, psycopg.Error)), None)
    return {"raised": said, "where": _place(error), "sqlstate": sqlstate}


def _causes(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def _place(error: BaseException) -> str:
    """``shop/refunds.py:41``: the innermost line that belongs neither to a library nor to us."""
    libraries = [Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if path.is_absolute() and not any(path.is_relative_to(p) for p in (*libraries, _OURS)):
            shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else Path(path.name)
            return f"{shown}:{frame.lineno}"
    return ""


def _end_with(parent: int) -> None:
    """Die when the process dies that began us: by the kernel, elsewhere than on Linux by a thread that looks."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        return

    def look() -> None:
        pause = threading.Event()
        while os.getppid() == parent:
            pause.wait(0.2)
        os._exit(1)

    threading.Thread(target=look, daemon=True).start()


def _said(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"left with exit code {code}"
