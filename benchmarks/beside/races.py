"""Two double refunds: between a client's statements, and inside a function."""

from __future__ import annotations

from inside import TABLES as FUNCTION

TABLES = FUNCTION
JOB = "INSERT INTO jobs VALUES ('j{n}', 'u{n}', 'processing'); INSERT INTO balances VALUES ('u{n}', 4000)"
CALL = "SELECT refund('j{n}', 1000)"
LEGACY = (
    "SELECT status = 'processing' AS todo FROM jobs WHERE job = 'j{n}'",
    "INSERT INTO ledger VALUES ('u{n}', 'j{n}', 1000, NULL)",
    "UPDATE jobs SET status = 'failed' WHERE job = 'j{n}'",
)
"""What a client does by itself: the second and third only if the first says so."""
DOUBLES = "SELECT job FROM ledger WHERE job = 'j{n}' GROUP BY job HAVING count(*) > 1"
FIRST = {"client": 1_000_000, "function": 2_000_000}
"""Frontrun's jobs are numbered from here: apart from everybody else's."""
