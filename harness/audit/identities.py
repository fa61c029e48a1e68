"""User ids that tell who is who within a report, and nobody outside it who."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from harness.db import exact
from harness.model import Json, Row

USERS = frozenset({"user_id", "booked_to", "refunded_to"})
"""Columns that hold user ids."""
_DIGITS = 12


class Identities:
    """Makes witnesses of rows. Unless ``show``, a user id becomes a keyed hash; the key is drawn anew for every audit
    and kept nowhere, so the same user has the same hash within a report and no other, and trying all ids is no help.

    Job ids are shown: without them a finding could not be looked into. Where one holds the id of a user of its own
    row (``story:<user>:17``), that part is hashed as well."""

    def __init__(self, *, show: bool) -> None:
        self._show = show
        self._key = secrets.token_bytes(32)

    def row(self, row: Mapping[str, Any], columns: tuple[str, ...]) -> Row:
        """``columns`` of ``row`` as JSON values."""
        shown = {name: row[name] for name in columns if name in row}
        if not self._show:
            users = {str(v) for name in USERS & row.keys() for v in _listed(row[name])}
            shown = {name: self._hidden(name, value, users) for name, value in shown.items()}
        return {name: _json(value) for name, value in shown.items()}

    def _hidden(self, name: str, value: Any, users: set[str]) -> Any:
        if name in USERS:
            return [self._hash(str(v)) for v in _listed(value)] if isinstance(value, list) else self._of(value)
        if name == "job_id" and isinstance(value, str):
            # Longest first, lest the hash of one id stand within another.
            for user in sorted(users, key=lambda u: (-len(u), u)):
                value = value.replace(user, self._hash(user)) if user else value
        return value

    def _of(self, value: Any) -> str | None:
        return None if value is None else self._hash(str(value))

    def _hash(self, value: str) -> str:
        return f"user-{hmac.new(self._key, value.encode(), hashlib.sha256).hexdigest()[:_DIGITS]}"


def _listed(value: Any) -> list[Any]:
    return [v for v in (value if isinstance(value, list) else [value]) if v is not None]


def _json(value: Any) -> Json:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Decimal):
        return exact(value)
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, list):
        return [_json(v) for v in value if v is not None]
    return str(value)
