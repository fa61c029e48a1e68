"""The commands, each registered by its module, in the order in which help lists them: options and wiring only.

Heavy rooms are loaded by the command that needs them, when it is called.
"""

# isort: off
from harness.cli.commands import run, check, init, mutants, soak, audit, replay, report, spec, about

__all__ = ["about", "audit", "check", "init", "mutants", "replay", "report", "run", "soak", "spec"]
