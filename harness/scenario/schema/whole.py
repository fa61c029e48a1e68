"""The scenario file as a whole, and the JSON Schema that editors complete by."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError, PydanticKnownError

from harness.model import LEVELS
from harness.scenario.schema.base import Name, Strict
from harness.scenario.schema.cases import CaseSpec
from harness.scenario.schema.orders import Interleaving, InterleavingSpec
from harness.scenario.schema.setting import QueueSpec, Setup
from harness.scenario.schema.workers import WorkerSpec

FaultName = Literal[
    "crash", "run_on", "terminate", "cancel", "reset", "lost_answer", "sigterm", "idle_timeout",
    "statement_timeout", "lock_timeout", "lost_request", "torn_request", "lost_ack", "black_hole",
    "backend_crash", "server_crash", "all",
]  # fmt: skip


LEVEL_NAMES = list(LEVELS)


def _one(value: Any) -> Any:
    """YAML's `true` and `1.0` equal 1 in Python, and are no version."""
    if type(value) is not int:
        raise PydanticKnownError("literal_error", {"expected": "1"})
    return value


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


class ScenarioSpec(Strict):
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
