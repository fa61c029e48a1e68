"""Which statements a worker is given along with the one that it is to send: each message saved is two wake-ups."""

from __future__ import annotations

from harness.driver.attempts import is_last_of_attempt
from harness.driver.client import Client
from harness.driver.plan import Plan
from harness.model import StatementKind
from harness.strategies.protocol import TO_THE_END

_GATELESS = (StatementKind.BEGIN, StatementKind.COMMIT)
_INSIDE = (StatementKind.BEGIN, StatementKind.QUERY)
"""Behind these a session that is in a transaction still is, unless they fail."""


def along(client: Client, plan: Plan, ahead: int) -> list[str]:
    """SQL of the statements that the next turns of ``client`` are about for certain, when nothing fails and nobody
    waits, and ``ahead`` more turns are its own. The last one is the first that may end its transaction: what that has
    changed is to be read before anything else happens."""
    if plan.timers:
        return []
    worker, position, inside = client.worker, client.position, client.in_transaction
    found: list[str] = []
    while ahead and not is_last_of_attempt(worker, position):
        now, following = worker.statements[position], worker.statements[position + 1]
        inside = inside or now.opens or now.kind is StatementKind.BEGIN
        if not inside or now.kind not in _INSIDE or now.continue_if is not None:
            break
        if plan.points is not None:
            if now.kind not in _GATELESS and ahead < TO_THE_END:
                break  # it may take any number of turns
            if following.kind is StatementKind.COMMIT and plan.points.commit:
                break  # and so may this one
        found.append("BEGIN; " * following.opens + following.sql)
        position, ahead = position + 1, ahead - (ahead < TO_THE_END)
    return found
