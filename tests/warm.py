"""A process that has imported what the command line needs, and forks one for every command that it is asked for: a
command costs its own work, and not two seconds of imports before it. See `commands`.

It lives as long as the other end of the socket that it is given.
"""

from __future__ import annotations

import gc
import importlib
import io
import json
import os
import pkgutil
import socket
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import harness
from harness.cli import main
from harness.report.templating import environment

LENGTH = 8
"""Bytes that say how long a message is."""
ASIDE = ("harness.__main__", "harness._shipped", "harness.draw", "harness.pytest_plugin")
"""What no command needs, or what would run one."""
LATE = ("matplotlib.figure", "matplotlib.backends.backend_agg", "typer.rich_utils", "psycopg.types.json")
"""What is imported by whoever gets so far."""


def import_all() -> None:
    for found in pkgutil.walk_packages(harness.__path__, "harness."):
        if not found.name.startswith(ASIDE):
            importlib.import_module(found.name)
    for name in LATE:
        importlib.import_module(name)
    for template in environment().list_templates(["j2"]):
        environment().get_template(template)


def become(arguments: Sequence[str], cwd: str, variables: Mapping[str, str], streams: Sequence[int]) -> None:
    """The command's process: where it runs, what it is given, and standard streams as the interpreter opens them."""
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(variables)
    sys.argv = ["harness", *arguments]
    for number, descriptor in enumerate((os.open(os.devnull, os.O_RDONLY), *streams)):
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    for number, name, errors in ((1, "stdout", "strict"), (2, "stderr", "backslashreplace")):
        raw = open(number, "wb", closefd=False)  # noqa: SIM115
        setattr(sys, name, io.TextIOWrapper(raw, encoding="utf-8", errors=errors, line_buffering=name == "stderr"))


def serve(control: socket.socket) -> None:
    """Fork for each message; tell the process id, and when it has ended how."""
    while True:
        length, streams, _, _ = socket.recv_fds(control, LENGTH, 2)
        if not length:
            return
        asked: dict[str, Any] = json.loads(control.recv(int(length), socket.MSG_WAITALL))
        pid = os.fork()
        if pid == 0:
            control.close()
            become(**asked, streams=streams)
            main()
        for descriptor in streams:
            os.close(descriptor)
        control.sendall(f"{pid:{LENGTH}}".encode())
        _, status = os.waitpid(pid, 0)
        control.sendall(f"{os.waitstatus_to_exitcode(status):{LENGTH}}".encode())


if __name__ == "__main__":
    import_all()
    gc.freeze()  # pages stay shared with the children
    with socket.socket(fileno=int(sys.argv[1])) as asked_by:
        serve(asked_by)
