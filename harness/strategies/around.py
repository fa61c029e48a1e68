"""What strategies have in common that stand around another one."""

from __future__ import annotations

from harness.model import Choice, Effect
from harness.strategies.protocol import Facts, Strategy, arms_of


class Around:
    """Passes everything on to ``inner``; subclasses see what goes through."""

    def __init__(self, inner: Strategy) -> None:
        self.name, self.arms = inner.name, arms_of(inner)
        self._inner = inner

    @property
    def exhausted(self) -> bool:
        return self._inner.exhausted

    def start(self) -> bool:
        return self._inner.start()

    def choose(self, enabled: tuple[Choice, ...]) -> Choice | None:
        return self._inner.choose(enabled)

    def observe(self, effect: Effect) -> None:
        self._inner.observe(effect)

    def ahead(self) -> int:
        return self._inner.ahead()

    def facts(self) -> Facts:
        return self._inner.facts()
