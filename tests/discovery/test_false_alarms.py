"""What is right must stay green: a harness that cries wolf is switched off."""

from __future__ import annotations

from typing import Any

import pytest
from plants import (
    BOTH_JOBS,
    COMPLETED,
    LOCKED_ORDER,
    ONE_JOB,
    RETRIED,
    TWO_JOBS,
    RunCampaign,
    autocommit,
    charge,
    refund,
    transaction,
    words,
)

from harness.model import Verdict

LEVELS = ("read committed", "repeatable read", "serializable")
COMBINATIONS = {
    "refund and refund": (ONE_JOB, RETRIED),
    "refund and complete": (ONE_JOB, COMPLETED),
    "refund and charge": (ONE_JOB, {"a": transaction(refund()), "b": transaction(charge(300))}),
    "two jobs of one user": (TWO_JOBS, BOTH_JOBS),
    "refund, complete and charge": (ONE_JOB, {**COMPLETED, "c": transaction(charge(300))}),
}


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", COMBINATIONS)
def test_the_shipped_functions_at_every_isolation_level(name: str, level: str, campaign: RunCampaign) -> None:
    setup, workers = COMBINATIONS[name]
    isolated = {w: {**spec, "isolation": level} for w, spec in workers.items()}
    search = {"strategy": "random_walk", "schedules": 25}
    result = campaign({"setup": setup, "workers": isolated, "invariants": ["ledger"], "orders": [search]})
    assert (result.verdict, result.schedules) == (Verdict.PASS, 25), words(result)
    assert not [n for c in result.checks for n in c.notes]


HOLDS_ON = {"a": RETRIED["a"], "b": {**RETRIED["b"], "on_sigterm": "finish"}}
OWN_LEDGER = """
CREATE TABLE account (name text PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE movement (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(), account text, amount integer,
  made timestamptz DEFAULT clock_timestamp(), seen timestamptz DEFAULT clock_timestamp()
);
CREATE TABLE receipt (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), movement uuid REFERENCES movement);
INSERT INTO account VALUES ('x', 0);
CREATE FUNCTION move(p_amount integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE v_id uuid;
BEGIN
  UPDATE account SET balance = balance + p_amount WHERE name = 'x';
  INSERT INTO movement (account, amount) VALUES ('x', p_amount) RETURNING id INTO v_id;
  INSERT INTO receipt (movement) VALUES (v_id), (v_id);
  RETURN p_amount;
END $$;
"""
OWN = {"statements": ["BEGIN", "SELECT move(1)", "SELECT move(2)", "COMMIT"]}
SAVEPOINT = autocommit("BEGIN", refund(), "SAVEPOINT s", "SELECT 1/0", "ROLLBACK TO s", refund(), "COMMIT")
DESPITE: dict[str, dict[str, Any]] = {
    "a signal reaches a worker that waits and finishes": {
        "setup": ONE_JOB, "workers": HOLDS_ON,
        "orders": [[*LOCKED_ORDER[:4], "b.term", *LOCKED_ORDER[4:]]]},
    "an own ledger whose rows are ordered by random ids": {
        "install": ["planted.sql"], "workers": {"a": OWN, "b": {"statements": ["SELECT move(5)"]}}},
    "an error behind a savepoint, in a transaction that commits": {
        "setup": ONE_JOB, "workers": {"a": {**SAVEPOINT, "keep_going": True}, "b": RETRIED["b"]},
        "invariants": ["ledger"]},
    "a worker that goes on after a failed transaction": {
        "setup": TWO_JOBS, "invariants": ["ledger"], "orders": [{"strategy": "auto", "schedules": 120}],
        "workers": {
            "a": {**autocommit("BEGIN", refund(), "SELECT 1/0", "COMMIT", refund()), "keep_going": True},
            "b": BOTH_JOBS["b"]}},
    "a worker whose own `if` stops it": {
        "setup": ONE_JOB, "invariants": ["ledger"],
        "workers": {w: autocommit(
            {"sql": "SELECT status FROM story_jobs WHERE job_id = :'j1'", "continue_if": {"status": "processing"}},
            refund()) for w in "ab"}},
    "a backend ended from outside": {
        "setup": ONE_JOB, "invariants": ["ledger"],
        "workers": {
            "a": autocommit("BEGIN", refund(), "COMMIT"),
            "b": {"statements": [
                "SELECT pg_terminate_backend(pid, 20000) FROM pg_stat_activity WHERE datname = current_database() "
                "AND state = 'idle in transaction'", "UPDATE story_jobs SET payload = '{}' WHERE job_id = :'j1'"]},
        }},
}  # fmt: skip


@pytest.mark.parametrize("scenario", DESPITE.values(), ids=DESPITE.keys())
def test_green_despite(scenario: dict[str, Any], campaign: RunCampaign) -> None:
    result = campaign(scenario, OWN_LEDGER if "install" in scenario else "")
    assert result.verdict is Verdict.PASS, words(result)
