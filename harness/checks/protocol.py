"""What a check sees and gives: a `Context` in, a `CheckResult` out. Checks return data; reports write sentences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from harness.checks.operations import Operation, operations
from harness.model import CheckResult, Execution, Order, Row, Scenario, Statement


class Probe(Protocol):
    """What a check may ask of the database; the campaign supplies it."""

    def invariants(self) -> Mapping[str, tuple[Row, ...]]:
        """Rows of every SQL invariant on this execution's ids: any row is a violation."""
        ...

    def serial(self, take: Mapping[str, tuple[Statement, ...]], order: Sequence[str]) -> Execution:
        """Run the given statements of the given workers one worker after the other, from the same set-up."""
        ...

    def sequence_columns(self) -> Mapping[str, Mapping[str, str]]:
        """Table → column → the column that a sequence feeds, itself or what it refers to: of these values only the rank
        means something."""
        ...


@dataclass(frozen=True, kw_only=True)
class Context:
    """One execution to judge. ``order``: the exact order it followed, if it followed one. ``memory``: what a check
    wants to remember from one execution of a scenario to the next; it may save work, and never changes a result."""

    scenario: Scenario
    execution: Execution
    probe: Probe
    order: Order | None = None
    memory: MutableMapping[str, Any] = field(default_factory=dict)

    @cached_property
    def operations(self) -> tuple[Operation, ...]:
        return operations(self.scenario.workers, self.execution.history)


Check = Callable[[Context], CheckResult]
