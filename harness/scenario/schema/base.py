"""What all parts of the scenario file have in common: strictness, names, and hints for misspelt words."""

from __future__ import annotations

import difflib
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=60)]


def nearest(word: str, known: list[str]) -> str:
    """A hint for a misspelt word: "; did you mean …?" or the list of what is known."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known: {', '.join(known)}" if known else ""


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:
        if isinstance(data, dict):
            known = [f.alias or n for n, f in cls.model_fields.items()]
            for key in data:
                if key not in known:
                    hint = nearest(str(key), known)
                    raise PydanticCustomError(
                        "unknown_key", "unknown key '{key}'{hint}", {"key": str(key), "hint": hint}
                    )
        return data


def one_of(model: BaseModel, *keys: str) -> None:
    given = [k for k in keys if getattr(model, k) is not None]
    if len(given) != 1:
        found = " and ".join(given) if given else "none"
        raise PydanticCustomError("one_of", "give exactly one of {keys} (found {found})",
                                  {"keys": ", ".join(keys), "found": found})  # fmt: skip


def exactly_one(*keys: str) -> ConfigDict:
    """The same for editors."""
    return ConfigDict(json_schema_extra={"oneOf": [{"required": [key]} for key in keys]})


def hint(word: Any, *known: str) -> str:
    close = difflib.get_close_matches(word, known, n=1) if isinstance(word, str) else []
    return f"; did you mean {close[0]!r}?" if close else ""
