"""Two workers cancel the same order: in any interleaving alice gets her money back, once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
from shop.refunds import old_refund, refund

from harness import Harness

MIGRATIONS = Path(__file__).parent.parent / "migrations"


def an_order(conn: psycopg.Connection[Any]) -> None:
    """One order, paid for."""
    conn.execute("INSERT INTO accounts VALUES ('alice', 4000)")
    conn.execute("INSERT INTO orders VALUES ('o1', 'alice', 1000, 'paid')")


def paid_back_once(conn: psycopg.Connection[Any]) -> None:
    [(balance,)] = conn.execute("SELECT balance FROM accounts WHERE owner = 'alice'")
    assert balance == 5000, f"alice has {balance} and should have 5000"


def one_is_told_that_it_has_paid(answers: dict[str, Any]) -> None:
    assert sorted(a.returned or 0 for a in answers.values()) == [0, 5000]


SHOP: dict[str, Any] = {
    "sql": MIGRATIONS,
    "setup": an_order,
    "invariants": {
        "paid_back_once": paid_back_once,
        "one_is_told": one_is_told_that_it_has_paid,
        "entries": "SELECT order_id, count(*) FROM entries GROUP BY order_id HAVING count(*) > 1",
    },
}


def test_an_order_is_paid_back_once(refund_harness: Harness) -> None:
    def cancel(conn: psycopg.Connection[Any]) -> int:
        return refund(conn, "o1")

    refund_harness.assert_holds(workers={"web": cancel, "queue": cancel}, **SHOP)


def test_the_old_refund_pays_twice(refund_harness: Harness) -> None:
    """Known to be bad: should it ever hold, this test fails."""

    def cancel(conn: psycopg.Connection[Any]) -> int:
        return old_refund(conn, "o1")

    refund_harness.assert_holds(workers={"web": cancel, "queue": cancel}, expect_violation="paid_back_once", **SHOP)
