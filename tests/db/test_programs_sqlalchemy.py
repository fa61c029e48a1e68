"""An application that reaches its database by SQLAlchemy: what that asks for itself is no step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
from programs import stage_of
from sqlalchemy import create_engine, select, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget

Connect = Callable[[], psycopg.Connection[Any]]
URL = "postgresql+psycopg://"


class Base(DeclarativeBase):
    pass


class Account(Base):
    __tablename__ = "accounts"
    owner: Mapped[str] = mapped_column(primary_key=True)
    balance: Mapped[int]


def mapped(connect: Connect) -> int:
    engine = create_engine(URL, creator=connect)
    with Session(engine) as session, session.begin():
        account = session.scalars(select(Account).where(Account.owner == "alice")).one()
        account.balance += 1000
        new = account.balance
    engine.dispose()
    return new


def plain(url: str) -> None:
    engine = create_engine(url.replace("postgresql://", URL))
    with engine.begin() as conn:
        conn.execute(text("UPDATE accounts SET balance = balance + 1 WHERE owner = :owner"), {"owner": "alice"})


async def later(url: str) -> None:
    engine = create_async_engine(url.replace("postgresql://", URL))
    async with engine.begin() as conn:
        await conn.execute(text("UPDATE accounts SET balance = balance + 1 WHERE owner = 'bob'"))
    await engine.dispose()


def test_sqlalchemy(target: EmbeddedTarget, databases: Databases) -> None:
    with stage_of(target, databases, {"one": mapped, "two": plain, "three": later}) as stage:
        played = stage.run("one.begin", "one.select_accounts", "two.begin", "two.update_accounts", "two.commit")
    assert {w: a.raised for w, a in played.answers.items()} == {"one": "", "two": "", "three": ""}
    assert played.steps == [
        "one.begin", "one.select_accounts", "two.begin", "two.update_accounts", "two.commit",
        "one.update_accounts", "one.commit", "three.begin", "three.update_accounts", "three.commit",
    ]  # fmt: skip
    assert played.answers["one"].returned == 5000
    assert played.closing("accounts") == [("alice", 5000), ("bob", 1)]
