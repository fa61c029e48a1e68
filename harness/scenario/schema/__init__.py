"""The scenario file as pydantic models: what editors complete (by JSON Schema) and what the loader validates."""

from harness.scenario.schema.base import nearest
from harness.scenario.schema.cases import CaseCallSpec, CaseSpec
from harness.scenario.schema.orders import InterleavingSpec, StepSpec
from harness.scenario.schema.setting import QueueSpec, SetupSpec
from harness.scenario.schema.whole import ScenarioSpec, schema_text
from harness.scenario.schema.workers import StatementSpec, WorkerSpec

__all__ = [
    "CaseCallSpec",
    "CaseSpec",
    "InterleavingSpec",
    "QueueSpec",
    "ScenarioSpec",
    "SetupSpec",
    "StatementSpec",
    "StepSpec",
    "WorkerSpec",
    "nearest",
    "schema_text",
]
