"""Fresh ids for every execution, and the way back: people read "alice" and "j1", never a generated id."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from functools import cache

from harness.model import Json

_UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_UUID_LENGTH = 36
_SEVERAL, _PLAIN = (list, tuple), {int, float, bool}


@cache
def _pattern(jobs: tuple[str, ...]) -> re.Pattern[str]:
    """What may be an id of some execution; the same for all, because it costs half a millisecond to make."""
    # The longest first: ab~1 must not be read as a b, followed by b~1.
    names = sorted(map(re.escape, jobs), key=len, reverse=True)
    return re.compile("|".join([_UUID, *([f"(?:{'|'.join(names)})~[0-9]+"] if names else [])]))


class Names:
    """The ids of one execution. ``values``: variable → id, for substitution; jobs get text ids, users uuids.

    Ids depend on ``number`` alone, so that the same execution gets the same ids in every run; and they sort as the
    names are listed, so that queries ordered by id give the same order in every execution. They are fresh each time
    because sessions live on: what a function keeps in one (a temporary table, a setting) would else count again.
    """

    def __init__(self, users: Sequence[str], jobs: Sequence[str], number: int) -> None:
        self.users = {u: str(uuid.UUID(int=(i + 1) << 96 | number)) for i, u in enumerate(users)}
        self.jobs = {j: f"{j}~{number}" for j in jobs}
        self.values: Mapping[str, str] = {
            **self.users,
            **self.jobs,
            "run": str(number),
            "users": "{" + ",".join(self.users.values()) + "}",
            "jobs": "{" + ",".join(self.jobs.values()) + "}",
        }
        self._back = {v: k for k, v in (*self.users.items(), *self.jobs.items())}
        self._pattern = _pattern(tuple(jobs)) if self._back else None

    def rename(self, value: Json) -> Json:
        """``value`` with every generated id, also inside longer texts, replaced by its name."""
        if self._pattern is None:
            return value
        if isinstance(value, str):
            if len(value) < _UUID_LENGTH and "~" not in value:  # most texts are too short for an id
                return value
            return self._pattern.sub(self._name, value)
        if isinstance(value, dict):
            return {
                k if len(k) < _UUID_LENGTH and "~" not in k else self.rename(k): v
                if v is None or v.__class__ in _PLAIN
                else self.rename(v)
                for k, v in value.items()
            }
        if isinstance(value, _SEVERAL):
            return [self.rename(v) for v in value]
        return value

    def _name(self, found: re.Match[str]) -> str:
        return self._back.get(found[0], found[0])
