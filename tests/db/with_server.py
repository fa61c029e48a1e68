"""Runs a command with HARNESS_TEST_TARGET: a server as other people run one, and a role there that may make databases
and nothing else. It ends with the command; anything of theirs that has changed by then, or was left, is exit code 4.

    python tests/db/with_server.py COMMAND …
"""

from __future__ import annotations

import os
import subprocess
import sys

from elsewhere import SETTINGS, dsn, everything, settle

from harness.targets.embedded import EmbeddedTarget


def main() -> int:
    with EmbeddedTarget(settings={**SETTINGS, "max_connections": "200"}) as server:
        settle(server)
        before = everything(server)
        done = subprocess.run(sys.argv[1:], env={**os.environ, "HARNESS_TEST_TARGET": dsn(server, "supa")}, check=False)
        if everything(server) != before:
            sys.stderr.write("the server is not as it was: something was changed, or left behind\n")
            return 4
        return done.returncode


if __name__ == "__main__":
    sys.exit(main())
