"""Somebody's own functions as workers: how they are held, what becomes of their errors, and what they may use."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from programs import ACCOUNTS, Play, Played, stage_of
from tls_front import TlsFront

from harness.checks import judge
from harness.driver.client import Client
from harness.driver.names import Names
from harness.driver.observer import Reading
from harness.driver.plan import Plan
from harness.driver.programs import begin_programs
from harness.driver.recorder import Recorder
from harness.driver.troupe import Troupe
from harness.errors import NondeterminismError, UsageError
from harness.model import EventKind, Worker
from harness.strategies.registry import make
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget

Connection = psycopg.Connection[Any]
Stages = Callable[..., Play]
PLAN = Plan(number=0, names=Names((), (), 0), workers=(), setup=(), state=Reading.of({}, ()))


@pytest.fixture
def play(target: EmbeddedTarget, databases: Databases) -> Iterator[Stages]:
    """``play(one=…, two=…)``: a stage with these workers, closed after the test."""
    opened = []

    def make(setup: str = ACCOUNTS, **workers: Any) -> Play:
        made = stage_of(target, databases, workers, setup)
        opened.append(made)
        return made.__enter__()

    yield make
    for made in opened:
        made.__exit__(None, None, None)


def pay(conn: Connection) -> int:
    [(balance,)] = conn.execute("SELECT balance FROM accounts WHERE owner = %s", ["alice"])
    conn.execute("UPDATE accounts SET balance = %s WHERE owner = %s", [balance + 1000, "alice"])
    return int(balance) + 1000


def test_a_function_is_held_before_every_statement(play: Stages) -> None:
    stage = play(one=pay, two=pay)
    lost = stage.run("one.begin", "one.select_accounts", "two.begin", "two.select_accounts")
    assert lost.closing("accounts")[0] == ("alice", 5000)
    assert [a.returned for a in lost.answers.values()] == [5000, 5000]
    assert [e.sql for e in lost.of("one", EventKind.INVOKE)] == [
        "BEGIN",
        "SELECT balance FROM accounts WHERE owner = 'alice'",
        "UPDATE accounts SET balance = 5000 WHERE owner = 'alice'",
        "COMMIT",
    ]
    serial = stage.run()
    assert serial.closing("accounts")[0] == ("alice", 6000)
    assert [a.returned for a in serial.answers.values()] == [5000, 6000]


def test_a_transaction_begins_in_its_turn(play: Stages) -> None:
    """And not when its program has asked for it: else one that came first could be the younger."""

    def when(conn: Connection) -> str:
        [(begun,)] = conn.execute("SELECT now()::text FROM accounts LIMIT 1")
        return str(begun)

    played = play(one=when, two=when).run("two.begin", "two.select_accounts", "two.commit")
    assert played.answers["two"].returned < played.answers["one"].returned


def test_it_waits_for_a_lock_as_anybody_does(play: Stages) -> None:
    def update(conn: Connection) -> None:
        conn.execute("UPDATE accounts SET balance = balance + 1 WHERE owner = 'alice'")

    played = play(one=update, two=update).run("one.begin", "one.update_accounts", "two.begin", "two.update_accounts")
    [blocked] = [e for e in played.events if e.kind is EventKind.BLOCKED]
    assert (blocked.worker, blocked.blockers) == ("two", ("one",))
    assert played.closing("accounts")[0] == ("alice", 4002)


def test_it_is_held_inside_the_functions_that_it_calls(play: Stages) -> None:
    setup = (
        ACCOUNTS
        + """
    CREATE FUNCTION refund() RETURNS integer LANGUAGE plpgsql AS $$
    DECLARE old integer;
    BEGIN
      SELECT balance INTO old FROM accounts WHERE owner = 'alice';
      UPDATE accounts SET balance = old + 1000 WHERE owner = 'alice';
      RETURN old + 1000;
    END $$;
    """
    )

    def call(conn: Connection) -> int:
        [(new,)] = conn.execute("SELECT refund()")
        return int(new)

    stage = play(setup, one=call, two="SELECT refund()")
    played = stage.run("one.begin", "one.select_refund", "one.refund:4", "two.select", "two.refund:4", "two.refund:5")
    assert "one.refund:5" in played.steps
    assert played.closing("accounts")[0] == ("alice", 5000)


def test_the_commit_of_a_single_statement_is_a_step(play: Stages) -> None:
    def single(url: str) -> int:
        with psycopg.connect(url, autocommit=True) as conn:
            conn.execute("UPDATE accounts SET balance = balance + 1 WHERE owner = %s", ["alice"])
            [(seen,)] = conn.execute("SELECT balance FROM accounts WHERE owner = %s", ["alice"])
            return int(seen)

    stage = play(one=single, two="SELECT balance FROM accounts WHERE owner = 'alice'")
    played = stage.run("one.update_accounts", "two.select", "one.update_accounts:commit")
    [before] = [e for e in played.of("two", EventKind.OK) if e.answer]
    assert before.answer == ({"balance": 4000},)
    assert played.answers["one"].returned == 4001


def test_a_commit_that_the_server_refuses_is_the_error_of_its_statement(play: Stages) -> None:
    setup = "CREATE TABLE seats (n integer UNIQUE DEFERRABLE INITIALLY DEFERRED); INSERT INTO seats VALUES (1)"

    def take(url: str) -> str:
        with psycopg.connect(url, autocommit=True) as conn:
            try:
                conn.execute("INSERT INTO seats VALUES (%s)", [1])
            except psycopg.errors.UniqueViolation as error:
                return str(error.diag.constraint_name)
            return "taken"

    played = play(setup, one=take).run()
    assert played.steps == ["one.insert_seats", "one.insert_seats:commit"]
    assert played.answers["one"].returned == "seats_n_key"


def test_a_function_goes_on_after_an_error_that_it_expects(play: Stages) -> None:
    def insert(conn: Connection) -> str:
        try:
            with conn.transaction():
                conn.execute("INSERT INTO orders VALUES ('o1', 'new')")
        except psycopg.errors.UniqueViolation:
            conn.execute("UPDATE orders SET status = 'twice' WHERE id = 'o1'")
            return "twice"
        return "once"

    played = play(one=insert).run()
    assert played.answers["one"].returned == "twice"
    assert played.closing("orders") == [("o1", "twice")]


def test_an_exception_ends_it_and_says_where(play: Stages) -> None:
    def unknown(conn: Connection) -> None:
        conn.execute("UPDATE orders SET status = 'gone'")
        conn.execute("SELECT * FROM nowhere")

    def refuse(conn: Connection) -> None:
        conn.execute("UPDATE orders SET status = 'gone'")
        raise ValueError("no more of these")

    played = play(one=unknown, two=refuse).run()
    one, two = played.answers["one"], played.answers["two"]
    assert one.sqlstate == "42P01"
    assert one.raised.startswith('psycopg.errors.UndefinedTable: relation "nowhere" does not exist (')
    assert "test_programs.py:" in one.raised
    assert two.sqlstate is None
    assert two.raised.startswith("ValueError: no more of these (")
    assert played.closing("orders") == [("o1", "paid")]


def broken(stage: Play, played: Played) -> set[str]:
    """The checks that an execution violates."""
    results = judge(stage.stage.context(played.execution, None))
    return {v.check for result in results for v in result.violations}


def test_what_a_function_had_committed_before_an_exception_is_compared_with_a_serial_run(play: Stages) -> None:
    """w1 commits, reads what w2 has committed meanwhile, and gives up: as if it had come first and stopped there."""

    def stops(connect: Callable[..., Connection]) -> None:
        with connect(autocommit=True) as conn:
            conn.execute("UPDATE accounts SET balance = balance - 1 WHERE owner = 'alice'")
            [(seen,)] = conn.execute("SELECT balance FROM accounts WHERE owner = 'bob'")
            if seen:
                raise RuntimeError("bob has money")
            conn.execute("UPDATE accounts SET balance = balance + 1 WHERE owner = 'alice'")

    stage = play(one=stops, two="UPDATE accounts SET balance = 7 WHERE owner = 'bob'")
    played = stage.run("one.update_accounts", "one.update_accounts:commit", "two.update", "two.update:commit")
    assert played.answers["one"].raised.startswith("RuntimeError: bob has money")
    assert played.closing("accounts") == [("alice", 3999), ("bob", 7)]
    assert broken(stage, played) == set()


def test_what_two_functions_are_told_is_compared_with_serial_runs(play: Stages) -> None:
    """Both are told that they were the first, though the tables look as they should."""

    def first(conn: Connection) -> str:
        [(status,)] = conn.execute("SELECT status FROM orders WHERE id = 'o1'")
        conn.execute("UPDATE orders SET status = 'taken' WHERE id = 'o1'")
        return "mine" if status == "paid" else "taken"

    stage = play(one=first, two=first)
    both = stage.run("one.begin", "one.select_orders", "two.begin", "two.select_orders")
    assert [a.returned for a in both.answers.values()] == ["mine", "mine"]
    [note] = [n for result in judge(stage.stage.context(both.execution, None)) for n in result.notes]
    assert note.check == "serial_answers"
    assert broken(stage, stage.run()) == set()


def test_a_process_that_ends_by_itself_is_reported(play: Stages) -> None:
    def leave(conn: Connection) -> None:
        conn.execute("UPDATE orders SET status = 'gone'")
        os._exit(3)

    played = play(one=leave).run()
    assert played.answers["one"].raised == "its process left with exit code 3"
    assert played.steps[-1] == "one.rollback"
    assert played.closing("orders") == [("o1", "paid")]


def test_nothing_of_one_execution_is_left_for_the_next(play: Stages) -> None:
    seen: list[int] = []

    def remember(conn: Connection) -> int:
        conn.execute("SET application_name = 'mine'")
        conn.execute("PREPARE p AS SELECT 1")
        seen.append(1)
        return len(seen)

    stage = play(one=remember)
    assert [stage.run().answers["one"].returned for _ in range(2)] == [1, 1]


def test_one_connection_after_the_other_is_as_good_as_new(play: Stages) -> None:
    def twice(connect: Callable[[], Connection]) -> Any:
        conn = connect()
        conn.execute("SET search_path = pg_temp")
        conn.execute("UPDATE public.orders SET status = 'gone'")
        conn.close()  # without a commit
        with connect() as again:
            return again.execute("SELECT status, current_setting('search_path') FROM orders").fetchone()

    played = play(one=twice).run()
    assert "one.rollback" in played.steps
    assert played.answers["one"].returned == ["paid", '"$user", public']


def test_a_second_connection_at_the_same_time_is_refused(play: Stages) -> None:
    def both(connect: Callable[[], Connection]) -> None:
        with connect(), connect():
            pass

    assert "has a connection already" in play(one=both).run().answers["one"].raised


def test_asynchronous_functions(play: Stages) -> None:
    async def pay_later(conn: psycopg.AsyncConnection[Any]) -> int:
        cursor = await conn.execute("SELECT balance FROM accounts WHERE owner = %s", ["alice"])
        [(balance,)] = await cursor.fetchall()
        await asyncio.sleep(0)
        await conn.execute("UPDATE accounts SET balance = %s WHERE owner = %s", [balance + 1000, "alice"])
        return int(balance) + 1000

    async def by_url(url: str) -> int:
        async with await psycopg.AsyncConnection.connect(url) as conn:
            return await pay_later(conn)

    played = play(one=pay_later, two=by_url).run("one.begin", "one.select_accounts", "two.begin", "two.select_accounts")
    assert played.closing("accounts")[0] == ("alice", 5000)
    assert [a.returned for a in played.answers.values()] == [5000, 5000]


def test_what_drivers_do_beside_plain_statements(play: Stages) -> None:
    def much(conn: Connection) -> dict[str, Any]:
        found: dict[str, Any] = {}
        with conn.cursor().copy("COPY orders FROM STDIN") as copy:
            copy.write_row(("o2", "new"))
        with conn.cursor().copy("COPY (SELECT id FROM orders ORDER BY id) TO STDOUT") as copy:
            found["copied"] = [row[0] for row in copy.rows()]
        with conn.pipeline():
            cursors = [conn.execute("SELECT %s::int + 1", [n]) for n in range(3)]
        found["piped"] = [c.fetchone()[0] for c in cursors]  # type: ignore[index]
        for n in range(7):
            conn.execute("SELECT count(*) FROM orders WHERE id <> %s", [str(n)])  # prepared in the end
        with conn.cursor("named") as cursor:
            cursor.execute("SELECT id FROM orders ORDER BY id")
            found["named"] = [row[0] for row in cursor]
        found["binary"] = conn.cursor(binary=True).execute("SELECT 7, true, 'x', 1.5::float8").fetchone()
        with conn.transaction():
            conn.execute("LISTEN news")
        conn.execute("NOTIFY news, 'hello'")
        conn.commit()
        found["heard"] = next(conn.notifies(timeout=5)).payload
        return found

    answer = play(one=much).run().answers["one"]
    assert answer.raised == ""
    assert answer.returned == {
        "copied": ["o1", "o2"], "piped": [1, 2, 3], "named": ["o1", "o2"], "binary": [7, True, "x", 1.5],
        "heard": "hello",
    }  # fmt: skip


def test_a_deadlock_is_met_and_tried_again(play: Stages) -> None:
    def transfer(first: str, second: str) -> Callable[[Connection], int]:
        def move(conn: Connection) -> int:
            for attempt in (1, 2):
                try:
                    with conn.transaction():
                        conn.execute("UPDATE accounts SET balance = balance - 1 WHERE owner = %s", [first])
                        conn.execute("UPDATE accounts SET balance = balance + 1 WHERE owner = %s", [second])
                    return attempt
                except psycopg.errors.DeadlockDetected:
                    continue
            return 0

        return move

    stage = play(one=transfer("alice", "bob"), two=transfer("bob", "alice"))
    played = stage.run(
        "one.begin", "one.update_accounts", "two.begin", "two.update_accounts", "one.update_accounts_2",
        "two.update_accounts_2",
    )  # fmt: skip
    [deadlock] = [e for e in played.events if e.kind is EventKind.DEADLOCK]
    assert set(deadlock.blockers) == {"one", "two"}
    assert {w: a.returned for w, a in played.answers.items()} == {"one": 1, "two": 2}
    assert played.closing("accounts") == [("alice", 4000), ("bob", 0)]
    results = judge(stage.stage.context(played.execution, None))
    [violation] = [v for r in results for v in r.violations]
    assert violation.check == "deadlock"  # and nothing else: both transfers took place, as in a serial order
    assert violation.message.startswith("two and one waited for each other: two.update_accounts_2 closed the cycle")


def test_what_depends_on_the_clock_is_told_from_a_bug(play: Stages) -> None:
    def now(conn: Connection) -> None:
        conn.execute("UPDATE accounts SET balance = %s WHERE owner = 'alice'", [time.monotonic_ns() % 1_000_000_007])

    stage = play(one=now)
    stage.run()
    with pytest.raises(NondeterminismError, match=r"T1: after the same choices one.update_accounts: .* was sent once"):
        stage.run()


def test_draws_are_the_same_in_every_execution(play: Stages) -> None:
    def draw(conn: Connection) -> float:
        import random

        conn.execute("SELECT 1")
        return random.random()

    stage = play(one=draw)
    assert len({stage.run().answers["one"].returned for _ in range(2)}) == 1


@pytest.mark.parametrize("name", ["preemption_bounded", "pct"])
def test_every_strategy_finds_a_lost_update_and_the_same_one_again(play: Stages, name: str) -> None:
    def found() -> tuple[str, ...]:
        strategy = make(name, seed=1, limit=30, workers=["one", "two"])
        while strategy.start():
            execution = stage.stage.execute(strategy, next(numbers), seed=1)
            context = stage.stage.context(execution, None)
            if broken := {v.check for result in judge(context) for v in result.violations}:
                assert broken == {"serial_equivalence"}
                return tuple(str(d) for d in execution.schedule.decisions)
        return ()

    numbers = count(1)
    stage = play(one=pay, two=pay)
    first = found()
    assert first != ()
    assert found() == first


def test_roles(target: EmbeddedTarget, databases: Databases) -> None:
    def read(conn: Connection) -> None:
        conn.execute("SELECT * FROM accounts")

    with stage_of(target, databases, {"one": read}, roles={"one": "clerk_of_programs"}) as stage:
        assert stage.run().answers["one"].sqlstate == "42501"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the program openssl")
def test_where_the_connection_is_encrypted_one_line_says_what_to_do(target: EmbeddedTarget, tmp_path: Path) -> None:
    with TlsFront(f"{target.folder}/.s.PGSQL.5432", tmp_path) as front, Troupe({"one": pay}) as pool:
        [process] = pool.take(1)
        session = {"conninfo": front.conninfo(target.conninfo("postgres")), "role": None, "wipe": False}
        assert "ready" in process.ask({"do": "begin", **session, "sigterm": "exit", "owned": False})
        [client] = [Client(worker=Worker(name="one", statements=(), program="one"), process=process, backend=1)]
        with pytest.raises(UsageError, match=r"^one cannot begin: a program needs a connection without TLS: sslmode="):
            begin_programs(PLAN, [client], Recorder(PLAN.names))
