"""Interleavings: exact orders, choices to follow, and searches."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from harness.scenario.schema.base import Strict, exactly_one, hint, one_of

Struck = Literal["killed", "lost_request", "torn_request", "lost_ack", "black_hole"]
"""What may befall a statement in an order."""


_STRUCK: tuple[str, ...] = get_args(Struck)


class StepSpec(Strict):
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
        found = {"found": "nothing" if mark is None else repr(mark), "hint": hint(mark, "blocked", *_STRUCK)}
        raise PydanticCustomError("step", f"a step's mark must be {_MARKS}, found {{found}}{{hint}}", found)
    return {"step": step, "mark": mark}


_MARKS = f"{', '.join(map(repr, ('blocked', *_STRUCK[:-1])))} or {_STRUCK[-1]!r}"


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


class InterleavingSpec(Strict):
    """An exact order, choices to follow as near as can be, or a strategy with a limit."""

    model_config = exactly_one("order", "strategy", "follow")

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
        one_of(self, "order", "strategy")
        if self.schedules is not None and self.order is not None:
            raise PydanticCustomError("schedules", "`schedules` limits a strategy; an order is one execution")
        if self.expect and self.strategy is not None:
            raise PydanticCustomError(
                "expect", "a strategy's answers are judged by serial equivalence: `expect` belongs to an order"
            )
        return self

    def _followed(self) -> Self:
        one_of(self, "order", "strategy", "follow")
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
