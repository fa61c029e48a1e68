"""A scenario file, resolved: workers, interleavings, single calls, and what is expected of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from harness.model.choices import Choice
from harness.model.statements import Script, Worker
from harness.model.values import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderStep:
    """A choice of an exact order, and whether it must end up blocked behind another worker."""

    choice: Choice
    blocked: bool = False


Expectation = Mapping[str, Json] | tuple[Mapping[str, Json], ...]
"""What a worker must answer: a mapping is matched against its last answer, a tuple against all of them in turn.
A mapping matches when each of its keys has that value in the answer; the key ``sqlstate`` matches an error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An exact interleaving, step by step; its ``expect`` comes on top of the scenario's."""

    steps: tuple[OrderStep, ...]
    expect: Mapping[str, Expectation] = field(default_factory=dict)
    name: str = ""


class LedgerRule(StrEnum):
    """What a single call may do to the committed ledger. ``FREE``: nothing is declared."""

    UNCHANGED = "unchanged"
    CHANGED = "changed"
    FREE = "free"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case(Order):
    """A single call with its declared answer: an order of one worker, which is alone. ``role``: as the file says it.
    ``call``: name of the statement whose answer counts. ``previous``: how many of the worker's first statements the
    session's previous user had sent. ``answer``: what each key must be in the answer (``sqlstate``: of an error);
    without any key, whatever is no error."""

    worker: Worker
    role: str
    call: str
    answer: Mapping[str, Json]
    ledger: LedgerRule
    previous: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """An interleaving left to a strategy. ``schedules`` limits how many executions it may use (None: the default).
    ``inside``: workers can be held inside functions and before implicit commits; otherwise only between the
    statements that their clients send."""

    strategy: str
    schedules: int | None = None
    inside: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Follow(Search):
    """A search of one execution: these choices, as near as they can be taken. Sites inside functions go by their
    names, so that the choices still mean something after the SQL was changed. Nothing is declared: neither waits nor
    answers."""

    choices: tuple[Choice, ...]
    name: str = ""
    strategy: str = "follow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A scenario file, resolved: every script read, every macro expanded, every name checked."""

    name: str
    about: str
    file: str
    text_hash: str | Callable[[], str]
    """SHA-256 (hex) over the file and every script it installs or uses, or what finds it out: see `hash`."""
    install: tuple[Script, ...]
    setup: tuple[Script, ...]
    workers: tuple[Worker, ...]
    interleavings: tuple[Order | Search, ...]
    expect: Mapping[str, Expectation]
    expect_violation: tuple[str, ...]
    invariants: tuple[Script, ...]
    state: tuple[Script, ...]
    users: tuple[str, ...]
    jobs: tuple[str, ...]
    fresh_database: bool
    """Every execution gets a database of its own (the scenario changes the schema)."""
    restore: bool = False
    """Before every execution what the last one touched is put back, so that none sees what another one left."""
    model: str = ""
    """Name of a plain Python ledger that says what the calls must answer and leave ("": none)."""
    faults: tuple[str, ...] = ()
    """Names of faults (keys of `FAULTS` and `CRASHES`): each strikes each worker at each of its points, and a retry
    follows."""
    levels: Mapping[str, tuple[str, ...] | None] = field(default_factory=dict)
    """Isolation levels (keys of `LEVELS`) to run at besides its own, and the checks that must be violated there ((): no
    check may be; None: nothing is said of it)."""
    cases: tuple[Case, ...] = ()
    """Single calls, each an execution of its own from the same set-up, judged beside whatever the workers do."""

    @property
    def hash(self) -> str:
        """`text_hash` itself. Only who saves a counterexample asks for it."""
        return self.text_hash if isinstance(self.text_hash, str) else self.text_hash()
