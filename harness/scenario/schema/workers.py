"""Workers and the statements that they send."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from harness.scenario.schema.base import Name, Strict, exactly_one, one_of


class RefundCall(Strict):
    """A refund of one job."""

    job: Name
    user: Name
    amount: int
    error: str = "generation failed"


class ChargeCall(Strict):
    """A charge for one job."""

    job: Name
    user: Name
    amount: int


class CompleteCall(Strict):
    """The completion of one job."""

    job: Name
    user: Name
    story: str = "story-1"


class StatementSpec(Strict):
    """One statement of a worker's client (legacy_refund: three)."""

    model_config = exactly_one("sql", "refund", "charge", "complete", "legacy_refund", "apply")

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
        one_of(self, "sql", "refund", "charge", "complete", "legacy_refund", "apply")
        return self


def as_sql(value: Any) -> Any:
    return {"sql": value} if isinstance(value, str) else value


Statement = Annotated[StatementSpec, BeforeValidator(as_sql, json_schema_input_type=str | StatementSpec)]


class WorkerSpec(Strict):
    """One client: an OS process with one connection."""

    model_config = exactly_one("statements", "transaction")

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
        one_of(self, "statements", "transaction")
        if self.keep_going and self.on_error != "stop":
            raise PydanticCustomError("on_error", "`keep_going` is `on_error: ignore`: give one of them")
        if "attempts" in self.model_fields_set and not self.on_error.startswith("retry"):
            raise PydanticCustomError("on_error", "`attempts` needs `on_error: retry` or `retry_transient`")
        if self.isolation and self.transaction is None:
            raise PydanticCustomError(
                "isolation", "isolation needs `transaction` (in `statements`, write it into BEGIN)"
            )
        return self
