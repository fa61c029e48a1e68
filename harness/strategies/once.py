"""What strategies have in common that decide a single execution, by something that was known before it began."""

from __future__ import annotations

from harness.model import Effect
from harness.strategies.protocol import Facts


class Once:
    """Begins one execution and no other. It proves nothing, so nothing is ever exhausted; it learns nothing from what a
    turn did, and promises nothing unless a subclass does."""

    def __init__(self) -> None:
        self._started = False

    @property
    def exhausted(self) -> bool:
        return False

    def start(self) -> bool:
        first, self._started = not self._started, True
        return first

    def observe(self, effect: Effect) -> None:
        """What a turn did makes no difference here."""

    def ahead(self) -> int:
        """Nothing is promised."""
        return 0

    def facts(self) -> Facts:
        return {}
