"""What single values of a configuration must be, and how they are told apart."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from harness.scenario.schema.base import nearest


def wrong(message: str) -> PydanticCustomError:
    """An error whose message is whole as it is."""
    return PydanticCustomError("one_of", "{message}", {"message": message})


def listed(given: Any) -> Any:
    """A text stands for a list of it alone."""
    return [given] if isinstance(given, str) else given


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


def one_name(key: str, names: Sequence[str]) -> Callable[[str], str]:
    """A check that a text is one of ``names``."""

    def check(name: str) -> str:
        if name not in names:
            raise wrong(f"{key!r}: unknown {name!r}{nearest(name, list(names))}")
        return name

    return check


def named(key: str, names: Sequence[str], *, none: bool = False) -> Any:
    """The type of a list of ``names``; ``none``: it may be empty."""
    entry = Annotated[str, AfterValidator(one_name(key, names))]
    return Annotated[list[entry], Field(min_length=0 if none else 1), BeforeValidator(listed)]


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
