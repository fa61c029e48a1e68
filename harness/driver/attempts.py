"""Attempts of a worker: where one ends, and where the next begins after an error."""

from __future__ import annotations

from harness.model import Worker


def is_last_of_attempt(worker: Worker, position: int) -> bool:
    """Whether the worker has nothing more to do once its statement at ``position`` has gone well."""
    statements, following = worker.statements, position + 1
    return following >= len(statements) or statements[following].attempt != statements[position].attempt


def next_attempt(worker: Worker, position: int, sqlstate: str | None) -> int | None:
    """Where the worker goes on after its statement at ``position`` has failed with ``sqlstate`` and its transaction
    has been rolled back: the position of its next attempt's first statement. None: nowhere, the error ends it."""
    if not (sqlstate or "").startswith(worker.recovers_from):
        return None
    attempt = worker.statements[position].attempt
    return next((i for i, s in enumerate(worker.statements) if i > position and s.attempt > attempt), None)
