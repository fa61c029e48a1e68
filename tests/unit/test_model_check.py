"""Histories that some order of the plain Python ledger explains, each beside one that none does."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from histories import run
from hypothesis import given
from hypothesis import strategies as st

from harness.checks import judge, model
from harness.checks.linearizability import Interval, linearize
from harness.checks.model import ledger_model
from harness.checks.protocol import Context
from harness.checks.refund_model import INT4_MAX, Entry, Job, Ledger, perform
from harness.errors import ScenarioError
from harness.model import Call, CheckResult, StatementKind, Verdict
from harness.model import Ledger as Rows
from harness.scenario import load_scenario
from harness.scenario.names import ALL_CHECKS

OK, BAD, NOTHING = Verdict.PASS, Verdict.VIOLATION, Verdict.INCONCLUSIVE
After = Callable[[Ledger], object]


def start() -> Ledger:
    """alice has 4000 of 5000 left, j1 cost her 1000; so has bob, for j2."""
    opened = {u: [Entry("initial", 5000, 0, 5000), Entry("generation", -1000, 5000, 4000, j)]
              for u, j in (("alice", "j1"), ("bob", "j2"))}  # fmt: skip
    return Ledger({"alice": 4000, "bob": 4000}, {"j1": Job("alice"), "j2": Job("bob")}, opened)


def rows(ledger: Ledger) -> Rows:
    """The ledger as the queries of sql/state give it."""
    numbers = itertools.count(1)
    return {
        "user_balances": tuple({"user_id": u, "balance": b} for u, b in ledger.balances.items()),
        "story_jobs": tuple(
            {
                "job_id": name,
                "user_id": job.user,
                "status": job.status,
                "story_id": job.words if job.status == "completed" else None,
                "error": job.words if job.status == "failed" else None,
            }
            for name, job in ledger.jobs.items()
        ),
        "balance_transactions": tuple(
            {
                "seq": next(numbers),
                "user_id": user,
                "type": e.type,
                "amount": e.amount,
                "balance_before": e.before,
                "balance_after": e.after,
                "metadata": {"job_id": e.job} if e.job else {},
            }
            for user, entries in ledger.entries.items()
            for e in entries
        ),
    }


CALLS = {
    "refund": Call(kind="refund", job="j1", user="alice", amount=1000),
    "refunds": Call(kind="refund", job="j1", user="alice", amount=1000),
    "more": Call(kind="refund", job="j1", user="alice", amount=1300),
    "charge": Call(kind="charge", job="j9", user="alice", amount=300),
    "again": Call(kind="charge", job="j9", user="alice", amount=300),
    "recharge": Call(kind="charge", job="j1", user="alice", amount=300),
    "complete": Call(kind="complete", job="j1", user="alice"),
    "bobs": Call(kind="refund", job="j2", user="bob", amount=1000),
    "huge": Call(kind="refund", job="j1", user="alice", amount=INT4_MAX + 1),
}
SQL = {
    "refund": "SELECT refund_job_atomic(:'j1', :'alice', 1000, 'no story') AS answer",
    "refunds": "SELECT refund_job_atomic(:'j1', :'alice', 1000, 'other words') AS answer",
    "more": "SELECT refund_job_atomic(:'j1', :'alice', 1300, 'no story') AS answer",
    "complete": "SELECT complete_job_atomic(:'j1', :'alice', 'it''s done', jsonb_build_object('story_id', 'x'::text))",
    "bobs": "SELECT refund_job_atomic(:'j2', :'bob', 1000, 'no story') AS answer",
    "huge": "SELECT refund_job_atomic(:'j1', :'alice', 2147483648, 'no story') AS answer",
}


def refunds(balance: int) -> Mapping[str, Any]:
    return {"success": True, "refunded": True, "job_id": "j1", "amount": 1000, "new_balance": balance}


def charges(before: int) -> Mapping[str, Any]:
    return {"success": True, "amount": 300, "old_balance": before, "new_balance": before - 300}


def refuses(error: str, key: str = "refunded") -> Mapping[str, Any]:
    return {"success": False, key: False, "job_id": "j1", "error": error}


SAYS: Mapping[str, Mapping[str, Any]] = {
    "PAID": refunds(5000),
    "PAID_AGAIN": refunds(6000),
    "PAID_4700": refunds(4700),
    "PAID_BOB": {**refunds(5000), "job_id": "j2"},
    "FAILED": refuses("Job already failed and refunded"),
    "COMPLETED": refuses("Job already completed"),
    "DIFFERS": refuses("Amount differs from the charge"),
    "DONE": {"success": True, "completed": True, "job_id": "j1", "story_id": "it's done"},
    "DONE_OTHER": {"success": True, "completed": True, "job_id": "j1", "story_id": "other"},
    "TOO_LATE": refuses("Job already failed", "completed"),
    "ONE": {**refunds(5000), "success": 1},
    "FROM_5000": charges(5000),
    "FROM_4000": charges(4000),
    "FROM_3700": charges(3700),
    "FROM_3400": charges(3400),
}


def told(log: str) -> str:
    """``a refund: PAID`` for a line ``a refund answers {"answer": …}``."""
    lines = []
    for line in log.split(" / "):
        found = re.fullmatch(r"(\w+ \w+): (\w+)", line)
        lines.append(f"{found[1]} answers {json.dumps({'answer': SAYS[found[2]]})}" if found else line)
    return "\n".join(lines)


def context(
    log: str,
    closing: Ledger,
    *,
    opening: Ledger | None = None,
    roles: Mapping[str, str] | None = None,
    sql: Mapping[str, str] | None = None,
    calls: Mapping[str, Call] = CALLS,
) -> Context:
    made = run(told(log), opening=rows(opening or start()), closing=rows(closing))
    texts = {**SQL, **(sql or {})}
    workers = tuple(
        replace(
            w,
            role=(roles or {}).get(w.name, "service_role"),
            statements=tuple(replace(s, call=calls.get(s.name), sql=texts.get(s.name, s.sql)) for s in w.statements),
        )
        for w in made.scenario.workers
    )
    return replace(made, scenario=replace(made.scenario, workers=workers, model="refunds"))


def judged(log: str, *after: After, **more: Any) -> CheckResult:
    """What the model says of ``log`` when the ledger ends as ``after`` leaves it."""
    closing = start()
    for change in after:
        change(closing)
    [result] = ledger_model(context(log, closing, **more))
    return result


def refunded(ledger: Ledger) -> None:
    assert ledger.refund("j1", "alice", 1000, "no story")["success"]


def charged(ledger: Ledger) -> None:
    assert ledger.charge("alice", "j9", 300)["success"]


def recharged(ledger: Ledger) -> None:
    assert ledger.charge("alice", "j1", 300)["success"]


def completed(ledger: Ledger) -> None:
    assert ledger.complete("j1", "alice", "it's done")["success"]


def twice(ledger: Ledger) -> None:
    refunded(ledger)
    ledger.jobs["j1"] = Job("alice")
    refunded(ledger)


def bobs(ledger: Ledger) -> None:
    assert ledger.refund("j2", "bob", 1000, "no story")["success"]


def story_over_failure(ledger: Ledger) -> None:
    refunded(ledger)
    ledger.jobs["j1"] = Job("alice", "completed", "it's done")


def other_words(ledger: Ledger) -> None:
    refunded(ledger)
    ledger.jobs["j1"] = Job("alice", "failed", "other words")


def chain_broken(ledger: Ledger) -> None:
    refunded(ledger)
    *first, last = ledger.entries["alice"]
    ledger.entries["alice"] = (*first, replace(last, before=3000, after=4000))


PAIRS: dict[str, tuple[str, Sequence[After], str, Sequence[After]]] = {
    # what: (a log, what it leaves) that is explained, and (a log, what it leaves) that is not
    "a refund": ("a refund: PAID", [refunded], "a refund: PAID", []),
    "a refund nobody asked for": ("a look", [], "a look", [refunded]),
    "a refusal": ("a more: DIFFERS", [], "a more: DIFFERS", [refunded]),
    "another answer": ("a refund: PAID", [refunded], "a refund: PAID_AGAIN", [refunded]),
    "true is not 1": ("a refund: PAID", [refunded], "a refund: ONE", [refunded]),
    "a double refund": (
        "a refund sent / b refund sent / a refund: PAID / b refund: FAILED", [refunded],
        "a refund sent / b refund sent / a refund: PAID / b refund: PAID_AGAIN", [twice]),
    "a double refund that both say was the first": (
        "a refund sent / b refund sent / a refund: PAID / b refund: FAILED", [refunded],
        "a refund sent / b refund sent / a refund: PAID / b refund: PAID", [refunded]),
    "who is refused ended first": (
        "b refund sent / a refund: PAID / b refund: FAILED", [refunded],
        "b refund: FAILED / a refund: PAID", [refunded]),
    "a worker's own order": (
        "a refund: PAID / a complete: TOO_LATE", [refunded],
        "a complete: TOO_LATE / a refund: PAID", [refunded]),
    "a stale balance": (
        "a refund: PAID / b charge: FROM_5000", [refunded, charged],
        "a refund: PAID / b charge: FROM_4000", [refunded, charged]),
    "an old balance, of calls that overlap": (
        "b charge sent / a refund sent / b charge: FROM_4000 / a refund: PAID_4700", [charged, refunded],
        "b charge sent / a refund sent / b charge: FROM_4000 / a refund: PAID", [charged, refunded]),
    "a lost update": (
        "b charge sent / a refund: PAID / b charge: FROM_5000", [refunded, charged],
        "b charge sent / a refund: PAID / b charge: FROM_4000", [refunded]),
    "completed and refunded": (
        "a complete sent / b refund: COMPLETED / a complete: DONE", [completed],
        "a complete sent / b refund: PAID / a complete: DONE", [story_over_failure]),
    "a broken chain": ("a refund: PAID", [refunded], "a refund: PAID", [chain_broken]),
    "two users do not wait for each other": (
        "a refund sent / b bobs: PAID_BOB / a refund: PAID", [bobs, refunded],
        "a refund sent / b bobs: PAID_BOB / a refund: PAID", [refunded]),
    "rows of two users have no order": (
        "a refund: PAID / b bobs: PAID_BOB", [bobs, refunded], "a refund: PAID / b bobs: PAID", [bobs, refunded]),
    "whose error message it is": ("a refunds: PAID", [other_words], "a refunds: PAID", [refunded]),
    "which of two error messages": (
        "a refund sent / b refunds: FAILED / a refund: PAID", [refunded],
        "a refund sent / b refunds: FAILED / a refund: PAID", [other_words]),
    "which story": ("a complete: DONE", [completed], "a complete: DONE_OTHER", [completed]),
    "an unknown outcome that never was": ("a refund lost / a dies", [], "a refund lost / a dies", [twice]),
    "an unknown outcome that was": (
        "a refund lost / a dies", [refunded], "a refund lost / a dies", [completed]),
    "an unknown outcome that somebody saw": (
        "a refund lost / a dies / b refund: FAILED", [refunded], "a refund lost / a dies / b refund: FAILED", []),
    "an unknown outcome that came to nothing": (
        "a refund lost / a dies / b refund: PAID", [refunded], "a refund lost / a dies / b refund: PAID", [twice]),
    "an unknown outcome that took its time": (
        "a refund lost / a dies / b charge: FROM_4000", [charged, refunded],
        "a refund lost / a dies / b charge: FROM_4000", [refunded, charged]),
    "an unknown outcome did not begin before it began": (
        "b charge sent / a refund lost / a dies / b charge: FROM_5000", [refunded, charged],
        "b charge: FROM_5000 / a refund lost / a dies", [refunded, charged]),
    "an unknown COMMIT of an answer that was read": (
        "a begin / a refund: PAID / a commit lost / a dies", [refunded],
        "a begin / a refund: PAID_AGAIN / a commit lost / a dies", [refunded]),
    "an unknown COMMIT takes all or nothing": (
        "a begin / a charge: FROM_4000 / a refund: PAID_4700 / a commit lost / a dies", [charged, refunded],
        "a begin / a charge: FROM_4000 / a refund: PAID_4700 / a commit lost / a dies", [charged]),
    "a transaction": (
        "a begin / a refund: PAID / a commit", [refunded], "a begin / a refund: PAID / a commit", []),
    "nobody comes between": (
        "a charge: FROM_4000 / b charge: FROM_3700 / a again: FROM_3400", [charged, charged, charged],
        "a begin / a charge: FROM_4000 / b charge: FROM_3700 / a again: FROM_3400 / a commit",
        [charged, charged, charged]),
    "a transaction takes effect when it is committed, or before": (
        "a begin / a refund: PAID / b more: DIFFERS / a commit", [refunded],
        "a begin / a refund: PAID / a commit / b more: DIFFERS", [refunded]),
    "a rollback": (
        "a begin / a refund: PAID / a rollback", [], "a begin / a refund: PAID / a rollback", [refunded]),
    "answers that were rolled back are not judged": (
        "a begin / a refund: ONE / a rollback", [], "a begin / a refund: ONE / a commit", [refunded]),
    "no end": ("a begin / a refund: PAID", [], "a begin / a refund: PAID", [refunded]),
    "back to a savepoint": (
        "a begin / a charge: FROM_4000 / a mark / a refund: PAID_4700 / a back / a commit", [charged],
        "a begin / a charge: FROM_4000 / a mark / a refund: PAID_4700 / a back / a commit", [charged, refunded]),
    "one transaction after the other": (
        "a begin / a charge: FROM_4000 / a chain / b charge: FROM_3700 / a again: FROM_3400 / a commit_2",
        [charged, charged, charged],
        "a begin / a look / a chain / a charge: FROM_4000 / b charge: FROM_3700 / a again: FROM_3400 / a commit_2",
        [charged, charged, charged]),
    "a statement and its commit, each a step": (
        "held refund: PAID / b more: DIFFERS / held refund:commit", [refunded],
        "held refund: PAID / held refund:commit / b more: DIFFERS", [refunded]),
    "a statement whose commit never came": (
        "held refund: PAID / held dies", [], "held refund: PAID / held refund:commit / held dies", []),
    "a statement that failed before its commit": (
        "held more fail 23514 / held stops", [], "held refund fail 23514 / held stops", []),
    "a snapshot older than the call": (
        "a begin / a look / b recharge: FROM_4000 / a more: DIFFERS / a commit", [recharged],
        "a begin / b recharge: FROM_4000 / a more: DIFFERS / a commit", [recharged]),
    "a serialization failure": ("a refund fail 40001", [], "a refund fail 40001", [refunded]),
    "a victim of a deadlock": ("a refund fail 40P01", [], "a refund fail 40P01", [refunded]),
    "NOWAIT": ("a refund fail 55P03", [], "a refund fail 55P03", [refunded]),
    "cancelled": ("a refund fail 57014", [], "a refund fail 57014", [refunded]),
    "an error no function of ours gives": ("a more fail 23514", [], "a refund fail 23514", []),
    "an error in a transaction": (
        "a begin / a refund: PAID / a refunds fail 23514 / a commit fail", [],
        "a begin / a charge: FROM_4000 / a refund fail 23514 / a commit fail", []),
    "an error behind a savepoint is not judged": (
        "a begin / a mark / a refund fail 23514 / a back / a rollback", [],
        "a begin / a refund fail 23514 / a rollback", []),
    "an error of what is no call is not judged": (
        "a begin / a refund: PAID / a look fail 23514 / a rollback", [],
        "a begin / a charge: FROM_4000 / a refund fail 23514 / a rollback", []),
    "an error of what had been refused by then": (
        "b refund sent / a refund: PAID / b refund fail 23505", [refunded],
        "b refund fail 23505 / a refund: PAID", [refunded]),
    "a COMMIT that fails": (
        "a begin / a refund: PAID / a commit fail 40001", [], "a begin / a refund: PAID / a commit fail 23514", []),
    "an amount that is no integer of the server": ("a huge fail 42883", [], "a huge: DIFFERS", []),
}  # fmt: skip
MORE_SQL = {"mark": "SAVEPOINT one", "back": "ROLLBACK TO one", "chain": "COMMIT AND CHAIN", "look": "SELECT 1"}
NO_JSON = {
    "another column": 'a refund answers {"n": 1}',
    "two columns": f"a refund answers {json.dumps({'answer': refunds(5000), 'n': 1})}",
    "two rows": f"a refund answers {json.dumps([{'answer': refunds(5000)}] * 2)}",
    "no row": "a refund",
    "nothing": 'a refund answers {"answer": null}',
}


def with_commits(found: Context) -> Context:
    """``chain`` ends a transaction and begins the next; statements of ``held`` have commits of their own."""
    workers = []
    for w in found.scenario.workers:
        made = [
            replace(s, kind=StatementKind.COMMIT)
            if s.name == "chain" or s.name.endswith(":commit")
            else replace(s, opens=w.name == "held")
            for s in w.statements
        ]
        workers.append(replace(w, statements=tuple(made)))
    return replace(found, scenario=replace(found.scenario, workers=tuple(workers)))


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS.keys())
def test_what_an_order_explains_and_what_none_does(pair: tuple[str, Sequence[After], str, Sequence[After]]) -> None:
    for log, after, verdict in ((pair[0], pair[1], OK), (pair[2], pair[3], BAD)):
        closing = start()
        for change in after:
            change(closing)
        made = with_commits(context(log, closing, sql=MORE_SQL))
        [result] = ledger_model(made)
        calls = sum(op.statement.call is not None for op in made.operations)
        if verdict is OK and not calls:
            assert (result.verdict, result.examined) == (NOTHING, 0)
        else:
            assert result.verdict is verdict, (log, result)
            assert result.examined == calls
        assert bool(result.violations) == (verdict is BAD)


@pytest.mark.parametrize("log", NO_JSON.values(), ids=NO_JSON.keys())
def test_an_answer_is_one_json_object(log: str) -> None:
    assert message(judged(log, refunded)).startswith(
        "no order of the calls explains their answers: a.refund answered ["
    )


ROLES = {
    "refused": (OK, "anon", "a refund fail 42501", []),
    "refused, and paid all the same": (BAD, "anon", "a refund fail 42501", [refunded]),
    "paid": (BAD, "anon", "a refund: PAID", [refunded]),
    "politely refused": (BAD, "authenticated", "a more: DIFFERS", []),
    "lost, and paid": (BAD, "public", "a refund lost / a dies", [refunded]),
    "lost, and nothing": (OK, "public", "a refund lost / a dies", []),
    "the worker's role is refused": (BAD, "service_role", "a refund fail 42501", []),
    "the owner": (OK, None, "a refund: PAID", [refunded]),
    "a role nobody knows": (NOTHING, "app", "a refund: PAID", [refunded]),
    "a role nobody knows, refused": (NOTHING, "app", "a refund fail 42501", []),
}


@pytest.mark.parametrize(("verdict", "role", "log", "after"), ROLES.values(), ids=ROLES.keys())
def test_roles(verdict: Verdict, role: str | None, log: str, after: Sequence[After]) -> None:
    assert judged(log, *after, roles={"a": role}).verdict is verdict


OTHERS = {
    "SELECT balance FROM user_balances WHERE user_id = :'alice' FOR UPDATE": OK,
    "SELECT count(*) FROM story_jobs WHERE job_id IN (:'j1')": OK,
    "SELECT pg_sleep(0)": OK,
    "TABLE story_jobs": OK,
    "SHOW lock_timeout": OK,
    "SET LOCAL lock_timeout = '1s'": OK,
    "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE": OK,
    "SET ROLE anon": NOTHING,
    "SET search_path = elsewhere": NOTHING,
    "SELECT refund_balance_atomic(:'alice', 1000, 'x', '{}')": NOTHING,
    'SELECT "Pays" (1)': NOTHING,
    "SELECT pays/**/(1)": NOTHING,
    "SELECT 1 AS n INTO copies": NOTHING,
    "UPDATE user_balances SET balance = 0": NOTHING,
    "WITH gone AS (DELETE FROM story_jobs RETURNING 1) SELECT 1 FROM gone": NOTHING,
    "CALL settle()": NOTHING,
    "DO $$ BEGIN NULL; END $$": NOTHING,
    "LOCK TABLE story_jobs": NOTHING,
}


@pytest.mark.parametrize(("sql", "verdict"), OTHERS.items(), ids=OTHERS.keys())
def test_statements_that_are_no_calls(sql: str, verdict: Verdict) -> None:
    result = judged("b other / a refund: PAID", refunded, sql={"other": sql})
    assert result.verdict is verdict
    said = [n.message for n in result.notes]
    assert said == (
        [] if verdict is OK else ["not judged by the model: b.other may change what the model does not see"]
    )
    assert judged("b other fail 42501 / a refund: PAID", refunded, sql={"other": sql}).verdict is OK


def test_a_deploy_makes_another_system() -> None:
    result = judged("b ddl / a refund: PAID", refunded)
    assert (result.verdict, result.examined) == (NOTHING, 0)


def test_another_ledger_is_not_judged() -> None:
    made = context("a refund: PAID", start())
    for other in ({}, {**rows(start()), "story_jobs": ({"job_id": "j1"},)}):
        history = replace(made.execution.history, opening=other, closing=other)
        [result] = ledger_model(replace(made, execution=replace(made.execution, history=history)))
        assert result.examined == 0
        assert "the tables are not those of the refund system" in result.notes[0].message


def test_without_a_model_there_is_no_result() -> None:
    made = context("a refund: PAID", start())
    without = replace(made, scenario=replace(made.scenario, model=""))
    assert ledger_model(without) == ()
    assert "ledger_model" not in [r.check for r in judge(without)]
    assert [r.verdict for r in judge(made) if r.check == "ledger_model"] == [BAD]
    assert "ledger_model" in ALL_CHECKS


def test_an_impolite_refusal_is_a_note() -> None:
    result = judged("b refund sent / a refund: PAID / b refund fail 23505", refunded)
    assert (result.verdict, result.examined) == (OK, 2)
    [note] = result.notes
    assert note.message.startswith("b.refund failed with 23505 (failed) where the model answers")
    assert not judged("a refund fail 42501", roles={"a": "anon"}).notes


def test_words_that_nobody_knows_are_not_compared() -> None:
    for sql in ("SELECT retired($1)", "SELECT refund_job_atomic(:'j1', :'alice', 1000, E'a\\\\b')"):
        assert judged("a refund: PAID", other_words, sql={"refund": sql}).verdict is OK
    assert judged("a complete: DONE_OTHER", completed, sql={"complete": "SELECT done()"}).verdict is OK


# ------------------------------------------------------------------------------------------------------- in words


def message(result: CheckResult) -> str:
    [violation] = result.violations
    assert violation.check == "ledger_model"
    return violation.message


def test_the_message_names_the_balance_that_no_order_ends_with() -> None:
    result = judged("a refund sent / b refund sent / a refund: PAID / b refund: PAID_AGAIN", twice)
    expected = (
        "no order of the calls explains it: the ledger ends with alice 6000; the model ends with 5000 in every order"
    )
    assert message(result) == expected
    [violation] = result.violations
    assert violation.turn == 1
    assert violation.witness == (
        {"call": "a.refund", "answered": refunds(5000), "model": refunds(5000), "explained": True},
        {
            "call": "b.refund",
            "answered": refunds(6000),
            "model": refuses("Job already failed and refunded"),
            "explained": False,
        },
    )


DIFFERENCES = {
    "a job": ("a refund: PAID", story_over_failure, "j1 completed; the model ends with failed in every order"),
    "a row": (
        "a refund: PAID", chain_broken, "the ledger ends with alice's row 3: refund +1000 (3000 → 4000) for j1; "
        "the model ends with refund +1000 (4000 → 5000) for j1 in every order"),
    "words": ("a refund: PAID", other_words, "the words of j1 'other words'; the model ends with 'no story'"),
    "neither of two ends": (
        "a refund sent / b complete sent / a refund: PAID / b complete: DONE", charged,
        "the ledger ends with alice 3700; the model ends with 5000 or 4000 in every order"),
    "parts of two ends": (
        "a refund sent / b complete sent / a refund: PAID / b complete: DONE", story_over_failure,
        "each part of the ledger is what some order ends with; no order ends with all of it"),
    "the end of an order that the answers rule out": (
        "b refund lost / b dies / a complete: TOO_LATE", completed,
        "no order that explains the answers explains the ledger: the ledger ends with alice 4000; the model ends with"),
}  # fmt: skip


@pytest.mark.parametrize(("log", "after", "words"), DIFFERENCES.values(), ids=DIFFERENCES.keys())
def test_the_message_names_the_plainest_difference(log: str, after: After, words: str) -> None:
    assert words in message(judged(log, after))


def test_the_message_names_the_answer_when_the_ledger_is_right() -> None:
    found = message(judged("a refund: PAID / b charge: FROM_4000", refunded, charged))
    assert found == (
        "no order of the calls explains their answers: after a.refund b.charge answered "
        + json.dumps(charges(4000)) + "; the model answers " + json.dumps(charges(5000))
    )  # fmt: skip


def test_the_message_names_the_commit_that_failed() -> None:
    found = message(judged("a begin / a refund: PAID / a commit fail 23514"))
    assert "a.commit failed with 23514 (failed); the model answers" in found


def test_too_many_ends_leave_only_the_answers_to_talk_about(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "MAX_BLIND_STEPS", 1)
    result = judged("a refund sent / b refund sent / a refund: PAID / b refund: PAID_AGAIN", twice)
    assert message(result).startswith("no order of the calls explains their answers: after a.refund b.refund answered")


# ------------------------------------------------------------------------------------------------------ the search


def test_twelve_calls_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """All twelve overlap, and the last is told what nobody can be told."""
    monkeypatch.setattr(model, "MAX_STEPS", 78)
    names = [f"w{i:02}" for i in range(12)]
    log = [f"{w} charge sent" for w in names]
    opening = start()
    opening.balances["alice"] = 12 * 300
    closing = opening.copy()
    for i, w in enumerate(reversed(names)):
        answer = charges(3600 - 300 * i) if i < 11 else charges(1)
        log.append(f"{w} charge answers {json.dumps({'answer': answer})}")
        charged(closing)
    made = context(" / ".join(log), closing, opening=opening)
    [result] = ledger_model(made)
    assert (result.verdict, result.examined) == (BAD, 12)
    assert [w["explained"] for w in result.violations[0].witness] == [True] * 11 + [False]


def test_a_set_of_operations_is_tried_once_for_each_state_it_leaves() -> None:
    at_once = [Interval(worker=str(i), began=0, ended=1) for i in range(10)]
    found = linearize(at_once, 0, lambda state, _: state + 1, lambda _: False, limit=10 * 2**10)
    assert (found.order, found.complete, found.ends) == (None, True, (10,))
    assert not linearize(at_once, 0, lambda state, _: state + 1, lambda _: False, limit=10 * 2**9 - 1).complete


def test_too_many_orders_are_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "MAX_STEPS", 3)
    log = "a refund sent / b refund sent / c charge sent / a refund: PAID / b refund: PAID / c charge: FROM_4000"
    result = judged(log, refunded)
    assert (result.verdict, result.examined) == (NOTHING, 0)
    assert "have more orders than were tried" in result.notes[0].message
    assert judged("a refund: PAID", refunded).verdict is OK


def read_or_write(state: int, operation: tuple[str, int]) -> int | None:
    """A register: a write is always possible, a read only of what is there."""
    kind, value = operation
    return value if kind == "write" or state == value else None


intervals = st.lists(
    st.tuples(
        st.integers(0, 8), st.integers(1, 5), st.sampled_from(["a", "b", "c"]), st.booleans(),
        st.tuples(st.sampled_from(["read", "write"]), st.integers(0, 2)),
    ),
    max_size=5,
)  # fmt: skip


@given(intervals, st.integers(0, 2))
def test_the_search_finds_an_order_exactly_when_trying_all_of_them_does(drawn: list[Any], last: int) -> None:
    operations = [
        Interval(worker=w, began=b, ended=None if optional and n % 2 else b + n, optional=optional)
        for b, n, w, optional, _ in drawn
    ]
    acts = [d[4] for d in drawn]

    def explained(order: Sequence[int]) -> bool:
        state: int | None = 0
        for place, i in enumerate(order):
            mine = operations[i]
            for j in order[:place]:
                if mine.ended is not None and mine.ended < operations[j].began:
                    return False
                if mine.worker == operations[j].worker and i < j:
                    return False
            state = read_or_write(state, acts[i])
            if state is None:
                return False
        return state == last

    needed = {i for i, op in enumerate(operations) if not op.optional}
    every = (
        order
        for size in range(len(operations) + 1)
        for order in itertools.permutations(range(len(operations)), size)
        if needed <= set(order)
    )
    found = linearize(operations, 0, lambda s, i: read_or_write(s, acts[i]), lambda s: s == last, limit=10_000)
    assert found.complete
    assert (found.order is not None) == any(map(explained, every))
    if found.order is not None:
        assert explained(found.order)
        assert needed <= set(found.order)


def test_what_must_come_first_is_not_left_out_of_the_longest_part() -> None:
    in_turn = [Interval(worker=w, began=began, ended=began + 1) for w, began in (("a", 0), ("b", 5), ("c", 9))]
    found = linearize(in_turn, 0, lambda state, i: state + 1 if i != 1 else None, lambda _: True, limit=100)
    assert (found.order, found.longest, found.ends) == (None, (0,), ())


def test_an_optional_operation_of_a_worker_is_not_placed_behind_its_next_one() -> None:
    mine = [Interval(worker="a", began=0, optional=True), Interval(worker="a", began=5, ended=6)]
    seen = []

    def step(state: tuple[int, ...], i: int) -> tuple[int, ...]:
        seen.append((*state, i))
        return (*state, i)

    assert linearize(mine, (), step, lambda _: False, limit=100).order is None
    assert sorted(seen) == [(0,), (0, 1), (1,)]


# ------------------------------------------------------------------------------------------------------ the ledger


def test_ledgers_are_equal_when_they_hold_the_same() -> None:
    one, other = start(), start()
    assert one == other
    assert hash(one) == hash(other)
    assert one != "ledger"
    copied = one.copy()
    assert copied.refund("j1", "alice", 1000, "no story") == refunds(5000)
    assert one == other != copied
    assert (one.balances["alice"], one.jobs["j1"].status, len(one.entries["alice"])) == (4000, "processing", 2)
    assert Ledger.read(rows(copied)) == copied
    assert len({one, other, copied}) == 2
    assert copied.without_words().jobs["j1"] == Job("alice", "failed")
    assert copied.jobs["j1"].words == "no story"
    assert "'alice': 5000" in repr(copied)


def test_equal_whoever_of_two_users_was_first() -> None:
    one, other = start(), start()
    refunded(one)
    bobs(one)
    bobs(other)
    refunded(other)
    assert one == other
    assert hash(one) == hash(other)


def test_a_balance_may_be_as_large_as_the_server_can_say() -> None:
    full = Ledger({"alice": INT4_MAX - 1000}, {"j1": Job("alice")}, {"alice": [Entry("generation", -1000, 0, 0, "j1")]})
    fuller = full.copy()
    fuller.balances["alice"] += 1
    assert full.refund("j1", "alice", 1000)["new_balance"] == INT4_MAX
    before = fuller.copy()
    assert fuller.refund("j1", "alice", 1000) == refuses("Balance would overflow")
    assert fuller == before


def test_a_role_without_the_right_changes_nothing() -> None:
    ledger = start()
    assert perform(ledger, CALLS["refund"], role="anon", words="") == {"sqlstate": "42501"}
    assert perform(ledger, CALLS["huge"], role="anon", words="") == {"sqlstate": "42883"}
    assert ledger == start()


# ------------------------------------------------------------------------------------------------ the scenario key

GOOD = """\
version: 1
name: good
model: refunds
workers:
  one:
    statements:
      - refund: {job: j1, user: alice, amount: -1000, error: "it's 'over'"}
      - complete: {job: j1, user: alice, story: s-1}
      - charge: {job: j1, user: alice, amount: 5}
      - refund: {job: j1, user: alice, amount: 5, error: 'a\\b'}
"""


def test_a_scenario_names_its_model_and_its_calls_their_words(tmp_path: Path) -> None:
    path = tmp_path / "good.yaml"
    path.write_text(GOOD)
    loaded = load_scenario(path)
    assert loaded.model == "refunds"
    steps = " / ".join(f"one {s.name} lost" for s in loaded.workers[0].statements)
    made = run(told(steps))
    found = replace(made, scenario=replace(made.scenario, workers=loaded.workers)).operations
    assert [model._words(op) for op in found] == ["it's 'over'", "s-1", "", None]
    path.write_text(GOOD.replace("model: refunds\n", ""))
    assert load_scenario(path).model == ""


@pytest.mark.parametrize("name", ["refund", "Refunds", "''", "[refunds]", "true"])
def test_an_unknown_model_is_refused_with_its_place(tmp_path: Path, name: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(GOOD.replace("model: refunds", f"model: {name}"))
    with pytest.raises(ScenarioError) as error:
        load_scenario(path)
    assert (error.value.line, error.value.column) == (3, 1)
    assert "'model' must be 'refunds', found " in str(error.value)
