"""The scenario file as pydantic models: what editors complete (by JSON Schema) and what the loader validates."""

from __future__ import annotations

import difflib
import json
import re
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError, PydanticKnownError

from harness.model import LEVELS

FaultName = Literal[
    "crash", "run_on", "terminate", "cancel", "reset", "lost_answer", "sigterm", "idle_timeout",
    "statement_timeout", "lock_timeout", "lost_request", "torn_request", "lost_ack", "black_hole",
    "backend_crash", "server_crash", "all",
]  # fmt: skip
Struck = Literal["killed", "lost_request", "torn_request", "lost_ack", "black_hole"]
"""What may befall a statement in an order."""
_STRUCK: tuple[str, ...] = get_args(Struck)
LEVEL_NAMES = list(LEVELS)
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=60)]


def nearest(word: str, known: list[str]) -> str:
    """A hint for a misspelt word: "; did you mean …?" or the list of what is known."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known: {', '.join(known)}" if known else ""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:
        if isinstance(data, dict):
            known = [f.alias or n for n, f in cls.model_fields.items()]
            for key in data:
                if key not in known:
                    hint = nearest(str(key), known)
                    raise PydanticCustomError(
                        "unknown_key", "unknown key '{key}'{hint}", {"key": str(key), "hint": hint}
                    )
        return data


def _one_of(model: BaseModel, *keys: str) -> None:
    given = [k for k in keys if getattr(model, k) is not None]
    if len(given) != 1:
        found = " and ".join(given) if given else "none"
        raise PydanticCustomError("one_of", "give exactly one of {keys} (found {found})",
                                  {"keys": ", ".join(keys), "found": found})  # fmt: skip


def _exactly_one(*keys: str) -> ConfigDict:
    """The same for editors."""
    return ConfigDict(json_schema_extra={"oneOf": [{"required": [key]} for key in keys]})


def _one(value: Any) -> Any:
    """YAML's `true` and `1.0` equal 1 in Python, and are no version."""
    if type(value) is not int:
        raise PydanticKnownError("literal_error", {"expected": "1"})
    return value


class RefundCall(_Strict):
    """A refund of one job."""

    job: Name
    user: Name
    amount: int
    error: str = "generation failed"


class ChargeCall(_Strict):
    """A charge for one job."""

    job: Name
    user: Name
    amount: int


class CompleteCall(_Strict):
    """The completion of one job."""

    job: Name
    user: Name
    story: str = "story-1"


class StatementSpec(_Strict):
    """One statement of a worker's client (legacy_refund: three)."""

    model_config = _exactly_one("sql", "refund", "charge", "complete", "legacy_refund", "apply")

    sql: Annotated[str | None, Field(description="one SQL command; :'alice' and :'j1' become this execution's ids")] = (
        None
    )
    refund: Annotated[RefundCall | None, Field(description="SELECT refund_job_atomic(…)")] = None
    charge: Annotated[ChargeCall | None, Field(description="SELECT deduct_balance_atomic(…)")] = None
    complete: Annotated[CompleteCall | None, Field(description="SELECT complete_job_atomic(…)")] = None
    legacy_refund: Annotated[
        RefundCall | None, Field(description="the old worker's three statements: select, refund, mark")
    ] = None
    apply: Annotated[str | None, Field(description="an SQL file, sent as one piece (a deploy)")] = None
    name: Annotated[Name | None, Field(description="the step's name in orders")] = None
    continue_if: Annotated[
        dict[str, Any] | None, Field(description="the client's own `if`: else the worker ends after this statement")
    ] = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        _one_of(self, "sql", "refund", "charge", "complete", "legacy_refund", "apply")
        return self


def _sql(value: Any) -> Any:
    return {"sql": value} if isinstance(value, str) else value


Statement = Annotated[StatementSpec, BeforeValidator(_sql, json_schema_input_type=str | StatementSpec)]


class WorkerSpec(_Strict):
    """One client: an OS process with one connection."""

    model_config = _exactly_one("statements", "transaction")

    role: Annotated[
        str | None, Field(description="SET ROLE before the first statement; `public`: a role without any grant")
    ] = None
    statements: Annotated[
        list[Statement] | None,
        Field(min_length=1, description="each its own transaction, unless BEGIN stands before it"),
    ] = None
    transaction: Annotated[list[Statement] | None, Field(min_length=1, description="between BEGIN and COMMIT")] = None
    isolation: Literal["read committed", "repeatable read", "serializable"] | None = None
    on_sigterm: Annotated[Literal["exit", "finish"], Field(description="what the process does with SIGTERM")] = "exit"
    keep_going: Annotated[bool, Field(description="go on after an error instead of ending")] = False
    on_error: Annotated[
        Literal["stop", "retry", "retry_transient", "mark_failed", "ignore"],
        Field(
            description="stop: the worker ends; retry: all its statements again, retry_transient: only after a "
            "serialization failure or a deadlock; mark_failed: it sets the job to failed by hand, without a refund; "
            "ignore: it drops the error and goes on"
        ),
    ] = "stop"
    attempts: Annotated[int, Field(ge=2, le=10, description="with a retry: at most so many attempts in all")] = 3

    @model_validator(mode="after")
    def _shape(self) -> Self:
        _one_of(self, "statements", "transaction")
        if self.keep_going and self.on_error != "stop":
            raise PydanticCustomError("on_error", "`keep_going` is `on_error: ignore`: give one of them")
        if "attempts" in self.model_fields_set and not self.on_error.startswith("retry"):
            raise PydanticCustomError("on_error", "`attempts` needs `on_error: retry` or `retry_transient`")
        if self.isolation and self.transaction is None:
            raise PydanticCustomError(
                "isolation", "isolation needs `transaction` (in `statements`, write it into BEGIN)"
            )
        return self


class StepSpec(_Strict):
    """One step of an exact order."""

    step: str
    mark: Literal["blocked"] | Struck | None = None


def _step(value: Any) -> Any:
    if isinstance(value, str):
        return {"step": value}
    if not isinstance(value, dict) or len(value) != 1:
        raise PydanticCustomError("step", "a step is `worker.step`, or `worker.step: blocked`")
    [(step, mark)] = value.items()
    if mark not in ("blocked", *_STRUCK):
        found = {"found": "nothing" if mark is None else repr(mark), "hint": _hint(mark, "blocked", *_STRUCK)}
        raise PydanticCustomError("step", f"a step's mark must be {_MARKS}, found {{found}}{{hint}}", found)
    return {"step": step, "mark": mark}


_MARKS = f"{', '.join(map(repr, ('blocked', *_STRUCK[:-1])))} or {_STRUCK[-1]!r}"


def _hint(word: Any, *known: str) -> str:
    close = difflib.get_close_matches(word, known, n=1) if isinstance(word, str) else []
    return f"; did you mean {close[0]!r}?" if close else ""


StepInput = (
    Annotated[
        str,
        Field(
            description="worker.step, worker.kill (SIGKILL), worker.term (SIGTERM), worker.!cancel "
            "(pg_cancel_backend), worker.!terminate (pg_terminate_backend), worker.!reset (its connection is cut) or "
            "worker.!heal (its black hole ends)"
        ),
    ]
    | Annotated[
        dict[str, Literal["blocked"] | Struck],
        Field(
            min_length=1,
            max_length=1,
            description="blocked: must wait for another worker; killed: takes effect, and SIGKILL strikes the worker "
            "before it has read the answer; lost_request, torn_request: its connection is lost before the server has "
            "the statement, or with half of it there; lost_ack: takes effect, and the connection is lost before "
            "anything of the answer arrives; black_hole: nothing passes any more and nothing is closed",
        ),
    ]
)
Step = Annotated[StepSpec, BeforeValidator(_step, json_schema_input_type=StepInput)]


def _followed(value: Any) -> Any:
    if isinstance(value, str):
        return {"step": value}
    if isinstance(value, dict) and len(value) == 1:
        [(step, mark)] = value.items()
        if mark in _STRUCK:
            return {"step": step, "mark": mark}
    raise PydanticCustomError(
        "step", "a followed step is `worker.step`, or `worker.step: killed`; waits are not declared"
    )


FollowedInput = (
    Annotated[str, Field(description="as in a saved schedule: worker.step, worker.function:line, worker.kill")]
    | Annotated[dict[str, Struck], Field(min_length=1, max_length=1)]
)
FollowedStep = Annotated[StepSpec, BeforeValidator(_followed, json_schema_input_type=FollowedInput)]


StrategyName = Literal["auto", "exhaustive", "preemption_bounded", "pct", "random_walk", "draw", "free_running"]


class InterleavingSpec(_Strict):
    """An exact order, choices to follow as near as can be, or a strategy with a limit."""

    model_config = _exactly_one("order", "strategy", "follow")

    order: Annotated[list[Step] | None, Field(min_length=1)] = None
    follow: Annotated[
        list[FollowedStep] | None,
        Field(min_length=1, description="choices of a counterexample, taken as near as they can be"),
    ] = None
    strategy: StrategyName | None = None
    schedules: Annotated[int | None, Field(ge=1, description="at most so many executions")] = None
    points: Annotated[
        Literal["inside", "statements"],
        Field(description="inside: workers are also interleaved inside functions; statements: only between statements"),
    ] = "inside"
    name: str = ""
    expect: Annotated[dict[str, Any], Field(description="answers in this order")] = {}

    @model_validator(mode="after")
    def _shape(self) -> Self:
        if self.follow is not None:
            return self._followed()
        _one_of(self, "order", "strategy")
        if self.schedules is not None and self.order is not None:
            raise PydanticCustomError("schedules", "`schedules` limits a strategy; an order is one execution")
        if self.expect and self.strategy is not None:
            raise PydanticCustomError(
                "expect", "a strategy's answers are judged by serial equivalence: `expect` belongs to an order"
            )
        return self

    def _followed(self) -> Self:
        _one_of(self, "order", "strategy", "follow")
        if self.schedules is not None:
            raise PydanticCustomError("schedules", "`schedules` limits a strategy; `follow` is one execution")
        if self.expect:
            raise PydanticCustomError(
                "expect", "answers to followed choices are judged by serial equivalence: `expect` belongs to an order"
            )
        return self


def _interleaving(value: Any) -> Any:
    if isinstance(value, str):
        return {"strategy": "exhaustive", "points": "statements"} if value == "all" else {"strategy": value}
    return {"order": value} if isinstance(value, list) else value


Interleaving = Annotated[
    InterleavingSpec,
    BeforeValidator(
        _interleaving,
        json_schema_input_type=Literal["all"]
        | StrategyName
        | Annotated[list[Step], Field(min_length=1)]
        | InterleavingSpec,
    ),
]


class OpenUser(_Strict):
    """A user with a balance."""

    name: Name
    balance: int


class OpenJob(_Strict):
    """A job that nobody has charged."""

    job: Name
    user: Name
    status: Literal["pending", "processing", "completed", "failed"] = "processing"


class OpenCharge(_Strict):
    """A job in `processing`, charged to its user; `opening` makes the user first."""

    job: Name
    user: Name
    amount: int
    opening: int | None = None


class SetupSpec(_Strict):
    """One piece of the set-up, run before every execution."""

    model_config = _exactly_one("user", "job", "charge", "sql")

    user: OpenUser | None = None
    job: OpenJob | None = None
    charge: OpenCharge | None = None
    sql: str | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        _one_of(self, "user", "job", "charge", "sql")
        return self


Setup = Annotated[SetupSpec, BeforeValidator(_sql, json_schema_input_type=str | SetupSpec)]


class QueueSpec(_Strict):
    """A queue that gives one job to the workers of this file, as its model says; times in milliseconds."""

    kind: Literal["bull"] = "bull"
    job: Name
    stalls: Annotated[
        list[Name],
        Field(description="workers whose lock is not renewed from their first delivery on, and who live on as zombies"),
    ] = []
    fails: Annotated[
        list[Name], Field(description="workers whose first delivery ends with an error, so that the queue may retry")
    ] = []
    attempts: Annotated[int, Field(ge=1, le=8)] = 1
    backoff: Annotated[int, Field(ge=0)] = 0
    max_stalled_count: Annotated[int, Field(ge=0, le=8)] = 1
    lock_duration: Annotated[int, Field(ge=1)] = 30_000
    stalled_interval: Annotated[int, Field(ge=1)] = 30_000


_CHECKS_SCHEMA = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}
_LEVELS_SCHEMA = {
    "anyOf": [
        {"type": "array", "items": {"enum": [*LEVEL_NAMES, "all"]}},
        {
            "type": "object",
            "propertyNames": {"enum": LEVEL_NAMES},
            "additionalProperties": {
                "anyOf": [
                    {"const": "pass"},
                    {
                        "type": "object",
                        "properties": {"violation": _CHECKS_SCHEMA},
                        "required": ["violation"],
                        "additionalProperties": False,
                    },
                ]
            },
        },
    ]
}
"""For editors; the loader reads it by hand, since it knows the checks."""


def _answer(value: Any) -> Any:
    if isinstance(value, dict):
        code = value.get("sqlstate", "00000")
        if not isinstance(code, str) or not re.fullmatch("[0-9A-Z]{5}", code):
            message = "'sqlstate' must be five digits or capital letters, in quotes, found {found}"
            raise PydanticCustomError("expect", message, {"found": repr(code)[:40]})
        return value
    if value in ("allowed", "denied"):
        return value
    raise PydanticCustomError(
        "expect", "a call is `allowed` (no error), `denied` (42501) or answered by a mapping, found {found}{hint}",
        {"found": "nothing" if value is None else repr(value)[:40], "hint": _hint(value, "allowed", "denied")},
    )  # fmt: skip


CaseAnswer = Annotated[
    Any,
    BeforeValidator(_answer, json_schema_input_type=Literal["allowed", "denied"] | dict[str, Any]),
    Field(description="allowed: no error; denied: SQLSTATE 42501; or the answer, `sqlstate` for an error"),
]
LedgerWord = Literal["unchanged", "changed", "free"]


class CaseCallSpec(_Strict):
    """One call, and what it is answered."""

    model_config = _exactly_one("sql", "refund", "charge", "complete")

    sql: Annotated[str | None, Field(description="one SQL command")] = None
    refund: RefundCall | None = None
    charge: ChargeCall | None = None
    complete: CompleteCall | None = None
    name: Annotated[Name | None, Field(description="the case's name in reports, after the role's in a table")] = None
    expect: CaseAnswer | None = None
    ledger: LedgerWord | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        _one_of(self, "sql", "refund", "charge", "complete")
        return self


CaseCall = Annotated[CaseCallSpec, BeforeValidator(_sql, json_schema_input_type=str | CaseCallSpec)]


class CaseSpec(_Strict):
    """A single call with its declared answer; or a table of them: every call, by every role."""

    model_config = _exactly_one("call", "calls")

    name: Annotated[Name | None, Field(description="of a table: what its cases' names begin with")] = None
    call: CaseCall | None = None
    calls: Annotated[list[CaseCall] | None, Field(min_length=1)] = None
    role: Annotated[
        str | None, Field(description="who calls; `public`: a role without any grant, `owner`: who installed it all")
    ] = None
    roles: Annotated[
        dict[str, CaseAnswer] | None,
        Field(min_length=1, description="who calls, and the answer; `allowed`: what `expect` says, else no error"),
    ] = None
    envelope: Annotated[
        Literal["postgrest"] | None,
        Field(description="BEGIN, SET LOCAL ROLE, request.jwt.claims, the call, COMMIT; a ROLLBACK after an error"),
    ] = None
    sub: Annotated[Name | None, Field(description="with an envelope: the user whose id is the claim `sub`")] = None
    previous: Annotated[
        list[str], Field(description="what the session's previous user has sent; errors are left as they are")
    ] = []
    then: Annotated[
        list[str], Field(description="without an envelope: what ends the transaction that the call ran in")
    ] = []
    expect: CaseAnswer | None = None
    ledger: Annotated[
        LedgerWord | None, Field(description="default: unchanged by an error or `success: false`, else free")
    ] = None

    @model_validator(mode="after")
    def _shape(self) -> Self:
        _one_of(self, "call", "calls")
        if self.role is not None and self.roles is not None:
            raise PydanticCustomError("one_of", "give `role` or `roles`, not both")
        for key in ("then",) if self.envelope else ("sub",):
            if getattr(self, key):
                needs = "ends its own transaction: leave `then` out" if self.envelope else "is what `sub` belongs to"
                raise PydanticCustomError("one_of", "an envelope {needs}", {"needs": needs})
        return self


class ScenarioSpec(_Strict):
    """A refund-harness scenario file, version 1."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [{"required": ["workers"]}, {"required": ["cases"]}]})

    version: Annotated[Literal[1], BeforeValidator(_one)]
    name: Name
    about: Annotated[str, Field(description="prose: what happens here and why it matters")] = ""
    install: Annotated[
        list[str],
        Field(
            min_length=1,
            description="SQL files or folders, in order: paths from this file, or names under the shipped sql/",
        ),
    ] = ["migrations"]
    setup: list[Setup] = []
    workers: Annotated[
        dict[Name, WorkerSpec], Field(min_length=1, max_length=8, json_schema_extra={"additionalProperties": False})
    ] = {}
    cases: Annotated[
        list[CaseSpec],
        Field(min_length=1, description="single calls with declared answers, each from the set-up, nothing beside it"),
    ] = []
    queue: Annotated[
        QueueSpec | None,
        Field(description="the workers are given a job by a queue: each delivery becomes a worker of its own"),
    ] = None
    orders: Annotated[list[Interleaving], Field(min_length=1)] = [InterleavingSpec(strategy="auto")]
    expect: Annotated[
        dict[str, Any],
        Field(
            description="per worker: its answer in every exact order; violation: the check(s) that a bad system trips"
        ),
    ] = {}
    invariants: Annotated[
        list[str] | None,
        Field(description="`ledger`, names under the shipped sql/invariants or sql/monitoring, or paths of your own"),
    ] = None
    model: Annotated[
        Literal["refunds"] | None,
        Field(description="refunds: a plain Python ledger must explain the calls' answers and the final ledger"),
    ] = None
    faults: Annotated[
        list[FaultName],
        Field(
            description="each of these strikes each worker at each point of its run alone, and a retry follows; all: "
            "every one but backend_crash and server_crash, which need --target embedded"
        ),
    ] = []
    isolation: Annotated[
        Any,
        WithJsonSchema(_LEVELS_SCHEMA),
        Field(
            description="also at these isolation levels, or all; of each may be said `pass`, or the check(s) that are "
            "violated there"
        ),
    ] = []
    users: Annotated[list[Name], Field(description="more names that become user ids")] = []
    jobs: Annotated[list[Name], Field(description="more names that become job ids")] = []

    @model_validator(mode="after")
    def _something_to_do(self) -> Self:
        if not self.workers and not self.cases:
            raise PydanticCustomError("one_of", "missing key 'workers' (or 'cases')")
        return self


def schema_text() -> str:
    """The JSON Schema of scenario files, as shipped beside this module."""
    schema = ScenarioSpec.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"
