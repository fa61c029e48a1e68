"""What `harness init` makes of SQL that is not simple: calls that need more than values, and what ought to hold."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from proposed import found, proposed

from harness.driver.pool import WorkerPool
from harness.model import Verdict
from harness.scaffold import search
from harness.scaffold.init import Done
from harness.scaffold.write import Proposal
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget

ROUGH = """\
CREATE SCHEMA shop; SET search_path = shop, public;
CREATE TYPE pair AS (a int, b int);
CREATE TABLE item (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, stock int NOT NULL CHECK (stock >= 0), note text);
CREATE FUNCTION take(p_item int, p_count smallint) RETURNS void LANGUAGE sql AS
  'UPDATE item SET stock = stock - p_count WHERE id = p_item';
CREATE FUNCTION take(p_item int) RETURNS void LANGUAGE sql AS 'UPDATE item SET stock = stock - 1 WHERE id = p_item';
CREATE FUNCTION each_of(VARIADIC ids int[]) RETURNS void LANGUAGE sql AS
  'UPDATE item SET stock = stock - 1 WHERE id = ANY (ids)';
CREATE PROCEDURE in_parts(p_item int) LANGUAGE plpgsql AS $$
BEGIN UPDATE item SET stock = stock - 1 WHERE id = p_item; COMMIT; UPDATE item SET note = 'x' WHERE id = p_item; END $$;
CREATE PROCEDURE told(p_item int, OUT left_over int) LANGUAGE plpgsql AS $$
BEGIN UPDATE item SET stock = stock - 1 WHERE id = p_item RETURNING stock INTO left_over; END $$;
CREATE FUNCTION mine() RETURNS void LANGUAGE plpgsql AS $$
BEGIN UPDATE item SET stock = stock - 1 WHERE id = current_setting('app.item')::int; END $$;
CREATE FUNCTION ends() RETURNS void LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); UPDATE item SET note = 'x'; END $$;
CREATE FUNCTION composite(p pair) RETURNS void LANGUAGE sql AS 'UPDATE item SET stock = p.a';
CREATE FUNCTION "Odd name"("the item" int) RETURNS void LANGUAGE sql AS
  'UPDATE item SET stock = stock - 1 WHERE id = $1';
"""
BOOK = """\
CREATE TABLE events (id int PRIMARY KEY, capacity int NOT NULL, taken int NOT NULL DEFAULT 0, state text NOT NULL);
CREATE TABLE bookings (id bigserial PRIMARY KEY, event_id int NOT NULL REFERENCES events, request_key text NOT NULL);
CREATE FUNCTION book(p_event int, p_request_key text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE e events;
BEGIN
  SELECT * INTO e FROM events WHERE id = p_event;
  IF e.state <> 'open' OR EXISTS (SELECT FROM bookings WHERE request_key = p_request_key) THEN RETURN 'no'; END IF;
  IF e.taken >= e.capacity THEN RETURN 'full'; END IF;
  UPDATE events SET taken = taken + 1, state = CASE WHEN taken + 1 = capacity THEN 'full' ELSE state END
    WHERE id = p_event;
  INSERT INTO bookings (event_id, request_key) VALUES (p_event, p_request_key);
  RETURN 'booked';
END $$;
"""
LEDGER = """\
CREATE TABLE points (member int PRIMARY KEY, balance int NOT NULL);
CREATE TABLE moves (id bigserial PRIMARY KEY, member int NOT NULL, amount int NOT NULL, balance_before int NOT NULL,
  balance_after int NOT NULL, request_id text NOT NULL);
CREATE FUNCTION spend(p_member int, p_amount int, p_request text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE had int;
BEGIN
  UPDATE points SET balance = balance - p_amount WHERE member = p_member RETURNING balance + p_amount INTO had;
  INSERT INTO moves (member, amount, balance_before, balance_after, request_id)
    VALUES (p_member, p_amount, had, had - p_amount, p_request);
END $$;
"""
ORDERS = """\
CREATE TABLE customers (id int PRIMARY KEY, credit int NOT NULL);
CREATE TABLE orders (id int PRIMARY KEY, customer int NOT NULL REFERENCES customers, total int NOT NULL,
  paid boolean NOT NULL DEFAULT false);
CREATE FUNCTION pay(p_order int) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE o orders; had int;
BEGIN
  SELECT * INTO o FROM orders WHERE id = p_order AND NOT paid FOR UPDATE;
  SELECT credit INTO had FROM customers WHERE id = o.customer;
  IF o.id IS NULL OR had < o.total THEN RETURN false; END IF;
  UPDATE customers SET credit = had - o.total WHERE id = o.customer;
  UPDATE orders SET paid = true WHERE id = p_order;
  RETURN true;
END $$;
"""


def of(done: Done, title: str) -> tuple[Proposal, ...]:
    return next(a.proposals for a in done.answers if a.title == title)


def test_calls_that_are_not_simple(
    target: EmbeddedTarget, databases: Databases, pool: WorkerPool, tmp_path: Path
) -> None:
    (tmp_path / "rough.sql").write_text(ROUGH)
    done, scenarios = proposed([str(tmp_path / "rough.sql")], target, databases, tmp_path)
    called = {p.name: p.calls[0].sql for a in done.answers for p in a.proposals if p.variant != "both"}
    assert called["take"] == "SELECT shop.take(1001)"
    assert called["take_2"].endswith("::smallint)")
    assert called["each_of"] == "SELECT shop.each_of(VARIADIC ARRAY[1001, 1002]::integer[])"
    assert called["told"] == "CALL shop.told(1001, NULL)"
    assert called["Odd_name"] == 'SELECT shop."Odd name"(1001)'
    said = {a.title: a.lines[0] for a in done.answers if not a.proposals}
    assert said == {
        "shop.ends()": "no call was found that changes rows: a call ends its session",
        "shop.composite()": "no call was found that changes rows: no value of type shop.pair could be guessed",
    }
    assert len({s.name for s in scenarios}) == len(scenarios)
    told = found([s for s in scenarios if s.name in ("in_parts", "mine")], target, databases, pool)
    assert {name: verdict for name, (verdict, _) in told.items()} == {"in_parts": Verdict.PASS, "mine": Verdict.PASS}


def test_a_call_that_never_ends_is_tried_once(
    target: EmbeddedTarget, databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.scaffold.bench.ALONE_S", 0.2)
    monkeypatch.setattr(search, "ALONE_S", 0.2)
    (tmp_path / "a.sql").write_text(
        "CREATE TABLE t (a int); CREATE FUNCTION f(n int) RETURNS void LANGUAGE plpgsql AS\n"
        "'BEGIN LOOP UPDATE t SET a = n; END LOOP; END';\n"
    )
    done, _ = proposed([str(tmp_path / "a.sql")], target, databases, tmp_path)
    assert [a.lines[0] for a in done.answers] == [
        "no call was found that changes rows: a call does not end within 0.2 s"
    ]
    assert done.written == {}


def test_what_ought_to_hold_is_guessed_and_trips(
    target: EmbeddedTarget, databases: Databases, pool: WorkerPool, tmp_path: Path
) -> None:
    (tmp_path / "book.sql").write_text(BOOK)
    done, scenarios = proposed([str(tmp_path / "book.sql")], target, databases, tmp_path)
    guessed = {i.name: i.holds for p in of(done, "book()") for i in p.invariants}
    assert guessed["events_taken_within_capacity"]
    assert guessed["bookings_request_key_once"]
    assert guessed["events_taken_and_bookings"]
    by_name = {s.name: s for s in scenarios}
    apart, again = (found([by_name[name]], target, databases, pool)[name][1] for name in ("book", "book_retry"))
    assert "events_taken_within_capacity" in apart
    assert "bookings_request_key_once" in again


def test_what_does_not_hold_is_left_to_the_person(target: EmbeddedTarget, databases: Databases, tmp_path: Path) -> None:
    (tmp_path / "ledger.sql").write_text(LEDGER)
    done, scenarios = proposed([str(tmp_path / "ledger.sql")], target, databases, tmp_path)
    guessed = {i.name: i.holds for p in of(done, "spend()") for i in p.invariants}
    assert guessed["moves_chain"]
    assert guessed["moves_request_id_once"] is False
    text = next(text for path, text in done.written.items() if path.name == "spend.yaml")
    assert '  # - "invariants/spend/moves_request_id_once.sql"' in text.splitlines()
    named = re.findall(r'"(invariants/.*)"', "".join(done.written.values()))
    assert named
    assert all((tmp_path / "concurrency" / name).is_file() for name in named)
    assert all("moves_request_id_once" not in {i.name for i in s.invariants} for s in scenarios)


def test_different_rows_that_have_something_in_common(
    target: EmbeddedTarget, databases: Databases, pool: WorkerPool, tmp_path: Path
) -> None:
    (tmp_path / "orders.sql").write_text(ORDERS)
    _, scenarios = proposed([str(tmp_path / "orders.sql")], target, databases, tmp_path)
    by_name = {s.name: s for s in scenarios}
    told = found([by_name["pay"], by_name["pay_apart"]], target, databases, pool)
    assert [verdict for verdict, _ in told.values()] == [Verdict.PASS, Verdict.VIOLATION]
