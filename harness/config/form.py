"""The configuration file as pydantic models. A key is spelled like the option it stands for, without its dashes in
front; what stands at the top holds for every command that has the option, a command's table for that one alone."""

from __future__ import annotations

import json
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field

from harness import soaked
from harness.config.values import Listed, OneOf, check_target, check_window, jobs_text, some
from harness.model import CRASHES, FAULTS, LEVELS
from harness.mutation import BARRIER_THREADS, FREE_RUNNING, PLAIN
from harness.scenario.named import ALL
from harness.scenario.schema.base import Strict
from harness.strategies.free_running import FreeRunning
from harness.strategies.registry import NAMES

Text = Annotated[str, AfterValidator(some)]
Paths = Annotated[list[Text], Field(min_length=1), Listed()]
Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(ge=0)]
Target = Annotated[str, AfterValidator(check_target)]
Jobs = Annotated[str, BeforeValidator(jobs_text, json_schema_input_type=Count | Literal["auto"])]
Require = Annotated[str, OneOf("require", ("exhausted",))]
Strategy = Annotated[str, OneOf("strategy", (*NAMES, FreeRunning.name))]
Searcher = Annotated[str, OneOf("strategy", (*NAMES, PLAIN, FREE_RUNNING, BARRIER_THREADS, ALL))]
Strategies = Annotated[list[Searcher], Field(min_length=1), Listed()]
Fault = Annotated[str, OneOf("faults", (*FAULTS, *CRASHES, ALL))]
Faults = Annotated[list[Fault], Field(min_length=1), Listed()]
SoakFault = Annotated[str, OneOf("faults", (*(f.value for f in soaked.Fault), "none"))]
SoakFaults = Annotated[list[SoakFault], Listed()]
Level = Annotated[str, OneOf("isolation", (*LEVELS, ALL))]
Levels = Annotated[list[Level], Field(min_length=1), Listed()]


class Table(Strict):
    model_config = ConfigDict(alias_generator=lambda name: name.replace("_", "-"))


class Server(Table):
    """What every command that makes executions has."""

    target: Target | None = None
    pg_bin: Text | None = None
    out: Text | None = None
    seed: int | None = None


class Searching(Server):
    """The limits of searches."""

    jobs: Jobs | None = None
    cluster: Text | None = None
    budget: Seconds | None = None
    strategy: Strategy | None = None
    schedules: Count | None = None
    require: Require | None = None


class RunTable(Searching):
    faults: Faults | None = None
    isolation: Levels | None = None


class CheckTable(Searching):
    sql: Paths | None = None
    role: Text | None = None
    workers: Count | None = None


class MutantsTable(Server):
    sql: Paths | None = None
    role: Text | None = None
    workers: Count | None = None
    jobs: Jobs | None = None
    budget: Seconds | None = None
    strategy: Strategies | None = None
    seeds: Count | None = None
    schedules: Count | None = None


class SoakTable(Server):
    seconds: Seconds | None = None
    operations: Count | None = None
    workers: Count | None = None
    users: Count | None = None
    faults: SoakFaults | None = None
    sql: Paths | None = None


class AuditTable(Table):
    """Its ``target`` is a ledger that is there, so the one at the top does not hold for it."""

    target: Target | None = None
    map: Text | None = None
    since: Annotated[str, AfterValidator(check_window)] | None = None
    timeout: Annotated[float, Field(gt=0)] | None = None
    stuck_after: Count | None = None
    limit: Annotated[int, Field(ge=1, le=10_000)] | None = None
    show_ids: bool | None = None
    out: Text | None = None


TABLES: dict[str, type[Table]] = {
    "run": RunTable, "check": CheckTable, "mutants": MutantsTable, "soak": SoakTable, "audit": AuditTable,
}  # fmt: skip


def keys_of(table: type[Table]) -> set[str]:
    """What may stand in it."""
    return {field.alias or name for name, field in table.model_fields.items()}


class ConfigurationSpec(Searching):
    """The whole file. ``server_major`` is no option: it says what the project runs in production."""

    scenarios: Paths | None = None
    sql: Paths | None = None
    role: Text | None = None
    server_major: Annotated[int, Field(ge=14, le=99)] | None = Field(None, alias="server_major")
    run: RunTable | None = None
    check: CheckTable | None = None
    mutants: MutantsTable | None = None
    soak: SoakTable | None = None
    audit: AuditTable | None = None


def schema_text() -> str:
    """The JSON Schema of `harness.toml`, for editors."""
    return json.dumps(ConfigurationSpec.model_json_schema(), indent=2) + "\n"
