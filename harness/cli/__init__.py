"""The command line. Importing it loads nothing heavy."""

from harness.cli import commands
from harness.cli.app import app
from harness.cli.entry import main

__all__ = ["app", "commands", "main"]
