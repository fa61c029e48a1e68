"""The vocabulary: frozen values that the rooms pass to each other. Nothing here does I/O.

A *scenario* describes workers and interleavings. A *schedule* is a list of *choices*. Executing one yields a
*history* of events. *Checks* turn a history and the ledger into *violations* and a *verdict*.
"""

from harness.model.choices import CRASHES, FAULTS, LEVELS, MARKS, Action, Choice
from harness.model.going import Going
from harness.model.histories import Decision, Effect, Event, EventKind, Execution, History, Liveness, Schedule
from harness.model.judgement import CheckResult, Counterexample, Covered, Violation
from harness.model.points import (
    GATE_SQLSTATE,
    LIFE_KEY,
    TURN_SEQUENCE,
    UNTOUCHED,
    Footprint,
    Opaque,
    Site,
    SiteKind,
)
from harness.model.results import (
    CaseResult,
    DrawnFaults,
    FaultCell,
    FaultMatrix,
    FaultOutcome,
    LevelResult,
    RunResult,
    ScenarioResult,
)
from harness.model.scenarios import Case, Expectation, Follow, LedgerRule, Order, OrderStep, Scenario, Search
from harness.model.statements import PUBLIC_ROLE, Call, OnSigterm, Script, Statement, StatementKind, Worker
from harness.model.stories import (
    UNTOLD,
    HeldLock,
    Moment,
    Nearest,
    Reason,
    ReasonKind,
    SessionMoment,
    SessionState,
    Source,
    Story,
)
from harness.model.values import EXIT_CODES, Json, Ledger, Row, Verdict

__all__ = [
    "CRASHES",
    "EXIT_CODES",
    "FAULTS",
    "GATE_SQLSTATE",
    "LEVELS",
    "LIFE_KEY",
    "MARKS",
    "PUBLIC_ROLE",
    "TURN_SEQUENCE",
    "UNTOLD",
    "UNTOUCHED",
    "Action",
    "Call",
    "Case",
    "CaseResult",
    "CheckResult",
    "Choice",
    "Counterexample",
    "Covered",
    "Decision",
    "DrawnFaults",
    "Effect",
    "Event",
    "EventKind",
    "Execution",
    "Expectation",
    "FaultCell",
    "FaultMatrix",
    "FaultOutcome",
    "Follow",
    "Footprint",
    "Going",
    "HeldLock",
    "History",
    "Json",
    "Ledger",
    "LedgerRule",
    "LevelResult",
    "Liveness",
    "Moment",
    "Nearest",
    "OnSigterm",
    "Opaque",
    "Order",
    "OrderStep",
    "Reason",
    "ReasonKind",
    "Row",
    "RunResult",
    "Scenario",
    "ScenarioResult",
    "Schedule",
    "Script",
    "Search",
    "SessionMoment",
    "SessionState",
    "Site",
    "SiteKind",
    "Source",
    "Statement",
    "StatementKind",
    "Story",
    "Verdict",
    "Violation",
    "Worker",
]
