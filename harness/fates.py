"""The vocabulary of generic mutants: what became of each, as values for reports. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from harness.model import Json, Opaque, Verdict
from harness.sqltext.mutate_types import Mutation

__all__ = ["OPERATORS", "Difference", "Fate", "GenericResult", "Judged", "score"]


OPERATORS = (
    "drop_lock", "weaken_lock_share", "weaken_lock_skip", "drop_conjunct", "swap_statements", "drop_statement",
    "drop_guard", "absolute_write", "drop_unique", "drop_check", "split_transaction",
)  # fmt: skip
"""In the order in which reports name them."""


class Fate(StrEnum):
    """``KILLED``: a check of the user's was violated, and the counterexample was replayed. ``EQUIVALENT``: original and
    mutant were exhausted, and the mutant has no outcome that the original has not. ``SURVIVED``: no check saw it,
    though it has an outcome that no interleaving of the original has. ``UNPROVEN``: no check saw it, and whether it is
    any different cannot be told. ``STILLBORN``: the server does not take it, at once or when it runs. ``ERROR``: it
    could not be judged; it counts as a survivor, for it was not killed."""

    KILLED = "killed"
    EQUIVALENT = "equivalent"
    SURVIVED = "survived"
    UNPROVEN = "unproven"
    STILLBORN = "stillborn"
    ERROR = "error"


ALIVE = (Fate.SURVIVED, Fate.UNPROVEN, Fate.ERROR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What is new about an outcome. ``subject``: ``accounts.balance`` (of the row that ``row`` tells), ``rows in
    ledger``, ``answer of w1``, …; ``value``: in this outcome; ``usual``: in the others, each once. ``usual`` is empty
    when each thing alone is known and only the combination is new."""

    subject: str
    value: Json
    usual: tuple[Json, ...] = ()
    row: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """``check`` and ``message``: of the first violation. ``checks``: all that were violated. ``difference``: of a
    survivor. ``reason``: why it is unproven or stillborn, or could not be judged. ``schedules``: executed, with
    ``first`` at which a check was violated."""

    mutation: Mutation
    fate: Fate
    check: str = ""
    message: str = ""
    checks: tuple[str, ...] = ()
    difference: Difference | None = None
    reason: str = ""
    schedules: int = 0
    first: int | None = None
    exhausted: bool = False
    elapsed_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GenericResult:
    """``original``: what was observed of the system as it is (anything but "pass": no mutant was run, and ``meaning``
    says why). ``schedules``, ``exhausted``, ``outcomes``: of the original. ``judged``: in the order of the mutants.
    ``untouched``: routines that may run and have no mutants."""

    scenario: str
    original: Verdict
    meaning: str
    schedules: int
    exhausted: bool
    outcomes: int
    judged: tuple[Judged, ...]
    untouched: tuple[Opaque, ...]
    elapsed_s: float

    def count(self, *fates: Fate, operator: str | None = None) -> int:
        """How many mutants (of one operator) had one of these fates."""
        return sum(1 for j in self.judged if j.fate in fates and operator in (None, j.mutation.operator))

    @property
    def operators(self) -> tuple[str, ...]:
        """Those that gave mutants, in the order of `OPERATORS`."""
        used = {j.mutation.operator for j in self.judged}
        return tuple(operator for operator in OPERATORS if operator in used)

    @property
    def survivors(self) -> tuple[Judged, ...]:
        """All that were neither killed nor shown to be equivalent, nor stillborn."""
        return tuple(j for j in self.judged if j.fate in ALIVE)

    @property
    def score(self) -> float | None:
        """Killed, of those that were killed or survived; None when there is none of either."""
        return score(self.judged)

    @property
    def verdict(self) -> Verdict:
        """ "violation" when the original is broken or a mutant survived; "inconclusive" when there was nothing to
        measure; "error" when the harness or its environment failed at the original or a mutant."""
        if self.original is not Verdict.PASS:
            return self.original
        if self.count(Fate.ERROR):
            return Verdict.ERROR
        if self.survivors:
            return Verdict.VIOLATION
        return Verdict.PASS if self.count(Fate.KILLED) else Verdict.INCONCLUSIVE


def score(judged: Iterable[Judged]) -> float | None:
    """Killed, of those that were killed or survived; None when there is none of either."""
    fates = [j.fate for j in judged if j.fate in (Fate.KILLED, *ALIVE)]
    return fates.count(Fate.KILLED) / len(fates) if fates else None
