"""What a campaign sends to its shards and gets back."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, Self

from harness.model import Effect, Scenario
from harness.sharding.judged import Judged
from harness.strategies.foreseen import Guide


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a shard executes: see `harness.targets.open_target`. It holds a password, perhaps. ``server_version``: what
    it must find there ("": whatever it finds)."""

    target: str = "embedded"
    pg_bin: Path | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    server_version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """What is executed. ``isolation``: as `harness.stage.Stage` has it."""

    scenario: Scenario
    inside: bool
    isolation: str | None
    seed: int
    digest: str

    @classmethod
    def of(cls, scenario: Scenario, *, inside: bool, isolation: str | None, seed: int) -> Self:
        """With its ``digest``: two plays that have the same are the same."""
        digest = hashlib.sha256(pickle.dumps((scenario, inside, isolation, seed))).hexdigest()
        return cls(scenario=scenario, inside=inside, isolation=isolation, seed=seed, digest=digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Executions for one shard, one after the other. ``passing``: histories in which nothing was violated and workers
    overlapped are wanted too."""

    play: Play
    guides: tuple[Guide, ...]
    passing: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """An execution that was done ahead of its turn. ``effects``: per turn, what it did."""

    judged: Judged
    effects: tuple[Effect, ...]


class Shards(Protocol):
    """Processes that execute batches, each on a database of its own."""

    @property
    def width(self) -> int:
        """How many batches they execute at a time."""
        ...

    def submit(self, batch: Batch) -> Future[list[Recorded]]:
        """Have it executed, in the order of what was submitted. Where the process or its machine is lost, others do it.
        The future raises a `HarnessError` for what went wrong there."""
        ...

    def close(self) -> None:
        """End them, whatever they are at. May be called again."""
        ...
