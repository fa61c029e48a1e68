"""Drivers that have nothing to do with libpq: their messages come in other portions, and in binary."""

from __future__ import annotations

import asyncpg
from programs import stage_of

from harness.model import EventKind
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget


async def pay(url: str) -> int:
    conn = await asyncpg.connect(url)
    async with conn.transaction():
        balance = await conn.fetchval("SELECT balance FROM accounts WHERE owner = $1", "alice")
        await conn.execute("UPDATE accounts SET balance = $1 WHERE owner = $2", balance + 1000, "alice")
    await conn.close()
    return int(balance) + 1000


async def pooled(url: str) -> int:
    async with asyncpg.create_pool(url, min_size=1, max_size=1) as pool:
        await pool.execute("UPDATE accounts SET balance = balance + 1 WHERE owner = 'alice'")
        return int(await pool.fetchval("SELECT balance FROM accounts WHERE owner = 'alice'"))


def test_asyncpg(target: EmbeddedTarget, databases: Databases) -> None:
    with stage_of(target, databases, {"one": pay, "two": pooled}) as stage:
        played = stage.run(
            "one.begin", "one.select_accounts", "two.update_accounts", "two.update_accounts:commit", "two.statements"
        )
    assert {w: a.raised for w, a in played.answers.items()} == {"one": "", "two": ""}
    assert [a.returned for a in played.answers.values()] == [5000, 5000]
    assert [e.answer for e in played.of("one", EventKind.OK)][1] == ({"balance": 4000},)
    assert "UPDATE accounts SET balance = 5000 WHERE owner = 'alice'" in [e.sql for e in played.events]
