"""Single calls with declared answers: every role, every bad input, every state that a pooled session was left in."""

from harness.cases.single import single
from harness.cases.verdict import with_cases

__all__ = ["single", "with_cases"]
