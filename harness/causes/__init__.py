"""Why it came to a violation, read off the history: no server, no guesses. What cannot be read off is not said."""

from harness.causes.reasons import reasons_of

__all__ = ["reasons_of"]
