"""Environment variables that stand for options: what differs from machine to machine. Importing this loads nothing
heavy."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from harness.errors import UsageError

CONFIG = "REFUND_HARNESS_CONFIG"
TARGET = "REFUND_HARNESS_TARGET"
PG_BIN = "REFUND_HARNESS_PG_BIN"
SEED = "REFUND_HARNESS_SEED"
OUT = "REFUND_HARNESS_OUT"


def from_environment(environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """What the variables say of target, pg_bin and seed, for whoever has no library for options that reads them; one
    that is empty says nothing. Raises `UsageError`."""
    named = {"target": TARGET, "pg_bin": PG_BIN, "seed": SEED}
    given: dict[str, Any] = {name: environment[v] for name, v in named.items() if environment.get(v)}
    if "seed" in given:
        try:
            given["seed"] = int(given["seed"])
        except ValueError:
            raise UsageError(f"{SEED} must be a whole number: {given['seed']!r}") from None
    return given
