"""What a worker does when a statement has failed, as further attempts: lists of statements that begin only then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from harness.model import Statement
from harness.scenario.macros import bind, pieces
from harness.scenario.schema import WorkerSpec
from harness.scenario.yamltext import Document, Path_

TRANSIENT: Final = ("40001", "40P01")
"""Serialization failure and deadlock: the server itself says that the same transaction may succeed next time."""


def with_attempts(
    document: Document, where: Path_, spec: WorkerSpec, statements: Sequence[Statement]
) -> tuple[Statement, ...]:
    """``statements``, the first attempt, and what ``on_error`` puts behind them (names may stand twice). Raises
    `ScenarioError` for a fallback that has no job to mark."""
    if spec.on_error in ("retry", "retry_transient"):
        return tuple(replace(s, attempt=n) for n in range(1, spec.attempts + 1) for s in statements)
    if spec.on_error == "mark_failed":
        return (*statements, replace(_mark(document, where, spec), attempt=2))
    return tuple(statements)


def _mark(document: Document, where: Path_, spec: WorkerSpec) -> Statement:
    """What the runbook's fallback sends: the last step of the old worker, without the refund before it."""
    refund = next((r for s in spec.statements or spec.transaction or [] if (r := s.refund or s.legacy_refund)), None)
    if refund is None:
        raise document.error((*where, "on_error"), "`mark_failed` needs a refund, whose job it sets to failed")
    mark = next(p for p in pieces("variants/legacy_worker") if p.name == "mark")
    sql = bind(mark.text, {"error": refund.error}, {"job": refund.job})
    return Statement(name="mark_failed", sql=sql)
