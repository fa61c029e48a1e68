"""Refunds, as they were and as they are."""

from __future__ import annotations

from typing import Any

import psycopg

Connection = psycopg.Connection[Any]


class NotPaid(Exception):
    """There is nothing to give back."""


def old_refund(conn: Connection, order: str) -> int:
    """Give the price of ``order`` back; the new balance. Two of these at once pay twice."""
    owner, price = _paid(conn, order, "")
    return _give_back(conn, order, owner, price)


def refund(conn: Connection, order: str) -> int:
    """The same; who comes second waits for the first, and then sees what that has done."""
    owner, price = _paid(conn, order, " FOR UPDATE")
    return _give_back(conn, order, owner, price)


def _paid(conn: Connection, order: str, lock: str) -> tuple[str, int]:
    query = f"SELECT owner, price, status FROM orders WHERE id = %s{lock}"
    row = conn.execute(query, [order]).fetchone()
    if row is None or row[2] != "paid":
        raise NotPaid(order)
    return row[0], row[1]


def _give_back(conn: Connection, order: str, owner: str, price: int) -> int:
    conn.execute("INSERT INTO entries (owner, order_id, amount) VALUES (%s, %s, %s)", [owner, order, price])
    conn.execute("UPDATE orders SET status = 'refunded' WHERE id = %s", [order])
    row = conn.execute(
        "UPDATE accounts SET balance = balance + %s WHERE owner = %s RETURNING balance", [price, owner]
    ).fetchone()
    assert row is not None
    return int(row[0])
