"""The command line. Importing it loads nothing heavy."""

import sys

try:
    from harness.cli import commands
    from harness.cli.app import app
    from harness.cli.entry import main
except KeyboardInterrupt:  # it has hardly begun
    sys.stderr.write("harness: interrupted\n")
    exec("")  # as `main` does
    raise SystemExit(130) from None

__all__ = ["app", "commands", "main"]
