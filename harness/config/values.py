"""What single values of a configuration must be, and how they are told apart."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError
from pydantic_core.core_schema import no_info_after_validator_function, no_info_before_validator_function

from harness.scenario.schema.base import nearest


def wrong(message: str) -> PydanticCustomError:
    """An error whose message is whole as it is."""
    return PydanticCustomError("one_of", "{message}", {"message": message})


@dataclass(frozen=True)
class Listed:
    """Of a list: one entry may stand bare, without brackets."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return no_info_before_validator_function(self._listed, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        several = handler(schema)
        return {"anyOf": [several["items"], several]}

    def _listed(self, given: Any) -> Any:
        return [given] if isinstance(given, str) else given


@dataclass(frozen=True)
class OneOf:
    """Of a text: it is one of ``names``; ``key``: what it stands under."""

    key: str
    names: tuple[str, ...]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), "enum": list(self.names)}

    def _check(self, name: str) -> str:
        if name not in self.names:
            raise wrong(f"{self.key!r}: unknown {name!r}{nearest(name, list(self.names))}")
        return name


def some(given: str) -> str:
    """Any text but an empty one."""
    if not given:
        raise wrong("a text must not be empty")
    return given


def jobs_text(given: Any) -> str:
    """As ``--jobs`` takes it."""
    if given != "auto" and (isinstance(given, bool) or not isinstance(given, int) or given < 1):
        raise wrong("'jobs' must be a whole number from 1, or \"auto\"")
    return str(given)


def check_target(given: str) -> str:
    """What ``--target`` takes. The message does not repeat it: a mistyped DSN may hold a password."""
    from harness.targets import KINDS, is_dsn

    if not is_dsn(given) and given != "embedded" and given.partition(":")[0] != "container":
        raise wrong(f"'target' must be {KINDS}")
    return given


def check_window(given: str) -> str:
    """What ``--since`` takes."""
    if re.fullmatch(r"\s*[1-9]\d{0,4}[hdw]\s*", given) is None:
        raise wrong("'since' must be a number and h, d or w, such as 12h, 1d or 2w")
    return given
