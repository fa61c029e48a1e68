"""Single calls with declared answers."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from harness.scenario.schema.base import Name, Strict, exactly_one, hint, one_of
from harness.scenario.schema.workers import ChargeCall, CompleteCall, RefundCall, as_sql


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
        {"found": "nothing" if value is None else repr(value)[:40], "hint": hint(value, "allowed", "denied")},
    )  # fmt: skip


CaseAnswer = Annotated[
    Any,
    BeforeValidator(_answer, json_schema_input_type=Literal["allowed", "denied"] | dict[str, Any]),
    Field(description="allowed: no error; denied: SQLSTATE 42501; or the answer, `sqlstate` for an error"),
]


LedgerWord = Literal["unchanged", "changed", "free"]


class CaseCallSpec(Strict):
    """One call, and what it is answered."""

    model_config = exactly_one("sql", "refund", "charge", "complete")

    sql: Annotated[str | None, Field(description="one SQL command")] = None
    refund: RefundCall | None = None
    charge: ChargeCall | None = None
    complete: CompleteCall | None = None
    name: Annotated[Name | None, Field(description="the case's name in reports, after the role's in a table")] = None
    expect: CaseAnswer | None = None
    ledger: LedgerWord | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        one_of(self, "sql", "refund", "charge", "complete")
        return self


CaseCall = Annotated[CaseCallSpec, BeforeValidator(as_sql, json_schema_input_type=str | CaseCallSpec)]


class CaseSpec(Strict):
    """A single call with its declared answer; or a table of them: every call, by every role."""

    model_config = exactly_one("call", "calls")

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
        one_of(self, "call", "calls")
        if self.role is not None and self.roles is not None:
            raise PydanticCustomError("one_of", "give `role` or `roles`, not both")
        for key in ("then",) if self.envelope else ("sub",):
            if getattr(self, key):
                needs = "ends its own transaction: leave `then` out" if self.envelope else "is what `sub` belongs to"
                raise PydanticCustomError("one_of", "an envelope {needs}", {"needs": needs})
        return self
