"""Fresh ids for every execution, and the way back: people read "alice" and "j1", never a generated id."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence

from harness.model import Json


class Names:
    """The ids of one execution. ``values``: variable → id, for substitution; jobs get text ids, users uuids.

    Ids depend on ``number`` alone, so that the same execution gets the same ids in every run; and they sort as the
    names are listed, so that queries ordered by id give the same order in every execution.
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
        # The longest first: j1~12 must not be read as j1~1 followed by 2.
        ids = sorted(self._back, key=len, reverse=True)
        self._pattern = re.compile("|".join(re.escape(i) + r"(?![0-9])" for i in ids)) if ids else None

    def rename(self, value: Json) -> Json:
        """``value`` with every generated id, also inside longer texts, replaced by its name."""
        if isinstance(value, str):
            return self._pattern.sub(lambda m: self._back[m[0]], value) if self._pattern else value
        if isinstance(value, list | tuple):
            return [self.rename(v) for v in value]
        if isinstance(value, dict):
            return {self.rename(k): self.rename(v) for k, v in value.items()}
        return value
