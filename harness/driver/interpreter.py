"""A new Python beside this one, for a part of the harness that talks over a socket."""

from __future__ import annotations

import socket
import subprocess
import sys


def start_interpreter(module: str, theirs: socket.socket) -> subprocess.Popen[bytes]:
    """It calls ``main`` of ``module`` with the number of ``theirs``, the only open file of ours that it has. Raises
    `OSError` when no process can be made."""
    # Not by -m: that would search the current folder first, and somebody else's `harness` or `json.py` may lie there.
    code = f"import sys; sys.path[:] = sys.argv[2:]; from {module} import main; main(int(sys.argv[1]))"
    return subprocess.Popen(
        [sys.executable, "-c", code, str(theirs.fileno()), *sys.path],
        pass_fds=[theirs.fileno()],
        stdin=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for us alone
    )
