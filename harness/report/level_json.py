"""The key `isolation` of a scenario in `results.json`."""

from __future__ import annotations

from typing import Any

from harness.model import LevelResult


def level_json(row: LevelResult) -> dict[str, Any]:
    """One level as plain JSON values; `own`: the level that the scenario has anyway."""
    return {
        "level": row.level,
        "own": row.own,
        "verdict": row.verdict.value,
        "observed": row.observed.value,
        "expect": list(row.expect),
        "violated": list(row.violated),
        "message": row.message,
        "strategy": row.strategy,
        "schedules": row.schedules,
        "exhausted": row.exhausted,
        "lost_to_serialization_failure": row.lost,
        "set_by_themselves": list(row.set_by),
        "exact_orders_left_out": row.left_out,
        "meaning": row.meaning,
        "replay": row.replay,
    }
