"""Whether a session that is silent waits for another one, told as early as it is certain.

isolationtester asks the server after 10 ms of silence, and again every 10 ms; what counts is whether the session waits
at that moment for any other session of the spec. Where nothing but a message of ours can end the wait, the answer is
the same after half a millisecond. It can be another one while a session in the chain of those waited for still runs,
where the waits form a circle that the server is about to break, and where a timeout or a signal may end it: then this
asks as isolationtester does. Who is the victim of a deadlock depends on how long each of its sessions has waited:
before a step that may close a circle, all that may be part of it have waited for as long as there.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence

from harness.driver.observer import Observer
from harness.spec.form import Spec
from harness.spec.sessions import Connection

FIRST_LOOK_S = 0.0005
PATIENCE_S = 0.01
"""isolationtester's own."""
_TIMED = re.compile("timeout|pg_cancel_backend|pg_terminate_backend", re.IGNORECASE)
_CLOSES_NO_CIRCLE = re.compile(r"\s*(commit|end|rollback|abort)\s*;?\s*", re.IGNORECASE)


class Waits:
    """``sessions``: all of the spec; those that are not ``busy`` are idle, and only a message wakes them."""

    def __init__(self, observer: Observer, spec: Spec, sessions: Sequence[Connection]) -> None:
        self._observer, self._sessions = observer, sessions
        self._early = not any(_TIMED.search(sql) for sql in _texts(spec))
        self._seen: dict[int, tuple[float, frozenset[int]]] = {}
        """By backend when it was last said to wait (clock reading), and whom it waited for, through others as well."""

    def waits(self, session: Connection, silent_s: float) -> bool:
        """Whether ``session``, of which nothing was heard for so long, is to be reported as waiting."""
        if silent_s >= PATIENCE_S:
            return bool(self._look([session])[session.pid])
        return self._early and self._for_good(session)

    def before(self, session: Connection, sql: str) -> None:
        """To be called before ``sql`` is sent to ``session``: with it those that wait for that session may come to wait
        for each other, and must have begun to wait well before it: the 10 ms that isolationtester leaves."""
        if _CLOSES_NO_CIRCLE.fullmatch(sql):
            return
        latest = max((when for when, whom in self._seen.values() if session.pid in whom), default=0.0)
        time.sleep(max(0.0, latest + PATIENCE_S - time.monotonic()))

    def _for_good(self, session: Connection) -> bool:
        busy = [session, *(other for other in self._sessions if other is not session and other.busy)]
        looked = self._look(busy)
        whom = _whom(session.pid, looked)
        if not whom or (whom & looked.keys() and self._look(busy) != looked):
            return False
        self._seen[session.pid] = time.monotonic(), whom
        return True

    def _look(self, sessions: Sequence[Connection]) -> Mapping[int, frozenset[int]]:
        """Of each of ``sessions`` the sessions of the spec that it waits for, by backend."""
        ours = {session.pid for session in self._sessions}
        found = self._observer.waits([session.pid for session in sessions])
        return {pid: frozenset(blockers) & ours - {pid} for pid, blockers in found.items()}


def _whom(pid: int, waits: Mapping[int, frozenset[int]]) -> frozenset[int]:
    """The backends that ``pid`` waits for, directly or through others. None at all where one of them is busy (a key of
    ``waits``) and does not wait, or waits for itself."""
    seen: set[int] = set()

    def certain(pid: int, above: frozenset[int]) -> bool:
        seen.update(waits[pid])
        above |= {pid}
        return bool(waits[pid]) and all(
            other not in waits or (other not in above and certain(other, above)) for other in waits[pid]
        )

    return frozenset(seen) if certain(pid, frozenset()) else frozenset()


def _texts(spec: Spec) -> list[str]:
    blocks = [spec.teardown, *spec.setup, *(b for s in spec.sessions for b in (s.setup, s.teardown))]
    return [b.sql for b in blocks if b is not None] + [step.sql for s in spec.sessions for step in s.steps]
