"""How what outlives a killed run is known as ours: a database by name, comment and session, a container by label."""

from __future__ import annotations

import os
import re
import socket
from dataclasses import dataclass
from typing import Self

from harness.machine import lives

PREFIX = "refund_harness_"
_NAME = re.compile(rf"{PREFIX}(?P<token>[0-9a-f]{{8}})_\d+")
_MARK = re.compile(r"refund-harness: disposable, of process (?P<pid>\d+) on (?P<host>.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """The comment on a database and the label of a container: which process on which machine made it."""

    pid: int
    host: str

    @classmethod
    def own(cls) -> Self:
        """That of this process."""
        return cls(pid=os.getpid(), host=socket.gethostname())

    @classmethod
    def read(cls, comment: str) -> Self | None:
        """None: a comment of somebody else's."""
        found = _MARK.fullmatch(comment)
        return cls(pid=int(found["pid"]), host=found["host"]) if found else None

    def __str__(self) -> str:
        return f"refund-harness: disposable, of process {self.pid} on {self.host}"

    @property
    def of_this_machine(self) -> bool:
        return self.host == socket.gethostname()

    @property
    def lives(self) -> bool:
        """Whether the process is seen to be there. One of another machine never is."""
        return self.of_this_machine and lives(self.pid)


def name_of(token: str, number: int) -> str:
    """Of the ``number``-th database of the run ``token`` (8 hexadecimal digits)."""
    return f"{PREFIX}{token}_{number}"


def token_of(name: str) -> str:
    """The inverse; "" for a name that is not of ours."""
    found = _NAME.fullmatch(name)
    return found["token"] if found else ""


def session_of(token: str) -> str:
    """The application_name of the session that makes and drops the databases of a run, and lives as long as it."""
    return f"refund-harness databases {token}"
