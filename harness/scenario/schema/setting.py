"""What is there before the workers begin: users, jobs, charges, and a queue."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from harness.scenario.schema.base import Name, Strict, exactly_one, one_of
from harness.scenario.schema.workers import as_sql


class OpenUser(Strict):
    """A user with a balance."""

    name: Name
    balance: int


class OpenJob(Strict):
    """A job that nobody has charged."""

    job: Name
    user: Name
    status: Literal["pending", "processing", "completed", "failed"] = "processing"


class OpenCharge(Strict):
    """A job in `processing`, charged to its user; `opening` makes the user first."""

    job: Name
    user: Name
    amount: int
    opening: int | None = None


class SetupSpec(Strict):
    """One piece of the set-up, run before every execution."""

    model_config = exactly_one("user", "job", "charge", "sql")

    user: OpenUser | None = None
    job: OpenJob | None = None
    charge: OpenCharge | None = None
    sql: str | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        one_of(self, "user", "job", "charge", "sql")
        return self


Setup = Annotated[SetupSpec, BeforeValidator(as_sql, json_schema_input_type=str | SetupSpec)]


class QueueSpec(Strict):
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
