"""How a ledger is called where it lives: tables, columns, types, functions, roles. What is left out is as in the
migration guide."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from harness.errors import UsageError
from harness.scenario import yamltext
from harness.scenario.load import first_error
from harness.scenario.schema.base import Strict
from harness.scenario.yamltext import Document, Path_

_NEEDS = "a mapping needs at least `version: 1`"
Word = Annotated[str, Field(min_length=1, max_length=63)]
Values = list[Annotated[str, Field(max_length=200)]]


class JobsSpec(Strict):
    """One row per job. The lists are values of the status column."""

    table: Word = "public.story_jobs"
    id: Word = "job_id"
    user: Word = "user_id"
    status: Word = "status"
    started: Word | None = "started_at"
    waiting: Values = ["pending"]
    processing: Values = ["processing"]
    completed: Values = ["completed"]
    failed: Values = ["failed"]


class BalancesSpec(Strict):
    """One row per user, with what the user has now."""

    table: Word = "public.user_balances"
    user: Word = "user_id"
    balance: Word = "balance"


class JobIdSpec(Strict):
    """Where a transaction says which job it belongs to: a column, or a place in a json or jsonb column."""

    column: Word
    path: list[Word] = []


def _as_column(given: Any) -> Any:
    return {"column": given} if isinstance(given, str) else given


class TransactionsSpec(Strict):
    """One row per movement of money. ``seq`` gives a user's rows their order; without it some order must chain.
    ``debit``: further types that take money, needed only where amounts are unsigned."""

    table: Word = "public.balance_transactions"
    user: Word = "user_id"
    type: Word = "type"
    amount: Word = "amount"
    amounts: Literal["signed", "unsigned"] = "signed"
    before: Word | None = "balance_before"
    after: Word | None = "balance_after"
    seq: Word | None = "seq"
    created: Word | None = "created_at"
    job: Annotated[JobIdSpec, BeforeValidator(_as_column, json_schema_input_type=str | JobIdSpec)] = JobIdSpec(
        column="metadata", path=["job_id"]
    )
    charge: Values = ["generation"]
    refund: Values = ["refund"]
    debit: Values = []

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.before is None) != (self.after is None):
            raise PydanticCustomError("one_of", "before and after go together: name both, or set both to null")
        return self


class FunctionsSpec(Strict):
    """Names without arguments, with or without a schema. ``refund``: what refunds a job; null: there is none."""

    refund: Word | None = "refund_job_atomic"
    others: list[Word] = ["refund_balance_atomic", "deduct_balance_atomic", "complete_job_atomic"]


class RolesSpec(Strict):
    """``untrusted``: roles beside PUBLIC that must not move money; ``service``: the one that must be able to."""

    untrusted: list[Word] = ["anon", "authenticated"]
    service: Word | None = "service_role"


class MappingSpec(Strict):
    """The names of a ledger for `harness audit --map`, version 1."""

    version: Literal[1] = 1
    jobs: JobsSpec = JobsSpec()
    balances: BalancesSpec = BalancesSpec()
    transactions: TransactionsSpec = TransactionsSpec()
    functions: FunctionsSpec = FunctionsSpec()
    roles: RolesSpec = RolesSpec()


def schema_text() -> str:
    """The JSON Schema of mapping files, for editors."""
    return json.dumps(MappingSpec.model_json_schema(), indent=2) + "\n"


class Mapping:
    """A mapping with the places of its keys, so that what turns out to be wrong later is told where it stands."""

    def __init__(self, spec: MappingSpec, document: Document | None = None) -> None:
        self.spec, self._document = spec, document

    def named(self, *path: str) -> bool:
        """Whether the file itself says so; else it is the default."""
        return self._document is not None and path in self._document.values

    def error(self, path: Path_, message: str) -> UsageError:
        """An error about the value at ``path``, with ``file:line:column`` when there is a file."""
        if self._document is not None:
            return self._document.error(path, message)
        return UsageError(f"{message}; a ledger with other names needs --map FILE")


def read_mapping(path: Path | None) -> Mapping:
    """The mapping in ``path``, or the guide's names. Raises `ScenarioError`: one line with ``file:line:column``."""
    if path is None:
        return Mapping(MappingSpec())
    document = yamltext.read(path, noun="a mapping", needs=_NEEDS)
    if not isinstance(document.data, dict) or "version" not in document.data:
        raise document.error((), _NEEDS)
    try:
        return Mapping(MappingSpec.model_validate(document.data), document)
    except ValidationError as error:
        raise first_error(document, error) from None
