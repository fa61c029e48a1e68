"""Two runs side by side: what turned red, what turned green, what came and went, how coverage moved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from harness.model import Verdict
from harness.report.results_read import ReadRun, ReadScenario


class Kind(StrEnum):
    """What became of a scenario's verdict, the worst first. ``NEW_RED``: it was not there, and is red or an error."""

    RED = "turned red"
    ERROR = "became an error"
    NEW_RED = "new and red"
    INCONCLUSIVE = "became inconclusive"
    GREEN = "turned green"
    NEW = "new"
    GONE = "gone"
    SAME = "as before"


WORSE = (Kind.RED, Kind.ERROR, Kind.NEW_RED)
"""Kinds that a comparison fails for."""
_BAD = (Verdict.VIOLATION, Verdict.ERROR)
_TURNED = {
    Verdict.VIOLATION: Kind.RED,
    Verdict.ERROR: Kind.ERROR,
    Verdict.INCONCLUSIVE: Kind.INCONCLUSIVE,
    Verdict.PASS: Kind.GREEN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A scenario then and now; at most one of them is None. ``came``, ``went``: what is violated now and was not, and
    the other way round."""

    name: str
    kind: Kind
    old: ReadScenario | None
    new: ReadScenario | None
    came: tuple[str, ...] = ()
    went: tuple[str, ...] = ()

    @property
    def differs(self) -> bool:
        """In anything but time."""
        if self.kind is not Kind.SAME or self.came or self.went:
            return True
        return self.old is not None and self.new is not None and _coverage(self.old) != _coverage(self.new)

    @property
    def less(self) -> bool:
        """It was searched to its end before, and is not any more, though nothing was violated."""
        if self.old is None or self.new is None or self.new.observed is Verdict.VIOLATION:
            return False
        return self.old.exhausted and not self.new.exhausted


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """``changes``: one per scenario of either run, the worst kind first, then in the order of the new run.
    ``conditions``: what else was not the same, in words; ``trouble``: what went wrong beside the scenarios of the new
    run, and not of the old one ("": nothing)."""

    old: ReadRun
    new: ReadRun
    changes: tuple[Change, ...]
    conditions: tuple[str, ...]
    trouble: str

    @property
    def worse(self) -> bool:
        """Anything turned red, or became an error."""
        return bool(self.trouble) or any(c.kind in WORSE for c in self.changes)


def compare(old: ReadRun, new: ReadRun) -> Comparison:
    """Scenarios are matched by name (several of one name in their order)."""
    before, after = dict(_named(old.scenarios)), dict(_named(new.scenarios))
    changes = [_change(name, before.get((name, n)), after.get((name, n))) for name, n in {**after, **before}]
    return Comparison(
        old=old,
        new=new,
        changes=tuple(sorted(changes, key=lambda c: list(Kind).index(c.kind))),
        conditions=tuple(_conditions(old, new, changes)),
        trouble="" if old.trouble else new.trouble,
    )


def _named(scenarios: Sequence[ReadScenario]) -> Iterator[tuple[tuple[str, int], ReadScenario]]:
    seen = Counter[str]()
    for scenario in scenarios:
        yield (scenario.name, seen[scenario.name]), scenario
        seen[scenario.name] += 1


def _change(name: str, old: ReadScenario | None, new: ReadScenario | None) -> Change:
    was, now = old.violated if old else (), new.violated if new else ()
    return Change(
        name=name,
        kind=_kind(old, new),
        old=old,
        new=new,
        came=tuple(check for check in now if check not in was) if new else (),
        went=tuple(check for check in was if check not in now) if new else (),
    )


def _kind(old: ReadScenario | None, new: ReadScenario | None) -> Kind:
    if new is None:
        return Kind.GONE
    if old is None:
        return Kind.NEW_RED if new.verdict in _BAD else Kind.NEW
    return Kind.SAME if new.verdict is old.verdict else _TURNED[new.verdict]


def _coverage(scenario: ReadScenario) -> tuple[object, ...]:
    return scenario.schedules, scenario.exhausted, scenario.points, scenario.ordered_pairs, scenario.observed


def _conditions(old: ReadRun, new: ReadRun, changes: Sequence[Change]) -> Iterator[str]:
    """What the two runs were not alike in, so that they need not give the same."""
    if old.seed != new.seed:
        yield f"seed {old.seed} → {new.seed}"
    if old.server_version != new.server_version:
        yield f"server {old.server_version} → {new.server_version}"
    for c in changes:
        if c.old is not None and c.new is not None and c.old.strategy != c.new.strategy:
            yield f"strategy of {c.name} {c.old.strategy} → {c.new.strategy}"
