"""Does the server still live? Asked when something has failed, so that the rest need not fail one by one."""

from __future__ import annotations

import time

import psycopg
from psycopg.conninfo import make_conninfo

from harness.db import connect
from harness.errors import TargetError
from harness.targets.protocol import Target

RETURN_BOUND_S = 5.0
"""How long a server that has fallen, or is being restarted, may take until it answers again."""
_PAUSE_S = 0.05


def why_gone(target: Target, *, bound_s: float = RETURN_BOUND_S) -> str:
    """Why ``target`` does not answer, in one line; "" when it does, be it only after a restart. Returns within about
    twice ``bound_s`` seconds."""
    conninfo = make_conninfo(target.conninfo(target.maintenance_database), connect_timeout=max(2, int(bound_s)))
    deadline = time.monotonic() + bound_s
    while True:
        try:
            with connect(conninfo, application_name="refund-harness") as conn:
                conn.execute("SELECT")
                return ""
        except (TargetError, psycopg.Error) as error:
            refusal = " ".join(str(error).split())
        # Nobody starts a server of ours anew; while it recovers it refuses in words of its own.
        never = target.owned and ("Connection refused" in refusal or "No such file" in refusal)
        if never or time.monotonic() > deadline:
            return refusal
        time.sleep(_PAUSE_S)
