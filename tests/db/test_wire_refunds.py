"""A refund whose connection is lost, and its retry: through the proxy, by clients that know nothing of it.

Whatever happened to the first call, after the retry the job is refunded exactly once: that is what the shipped
functions promise. A function that forgets to look at the status does as well until a COMMIT takes effect whose answer
is lost.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from wire_shop import (
    ALREADY,
    ARGUMENTS,
    BOUND_S,
    COMMIT,
    COMMITTED,
    JOB,
    REFUND,
    REFUNDED,
    SQL,
    Connection,
    Lost,
    Shop,
    open_shop,
    refund,
    refund_or_lost,
    worker,
)

from harness.targets.embedded import EmbeddedTarget
from harness.wire import Drop, Fault, LoseAnswer, Proxy, Side, Trigger


@pytest.fixture
def shop(new_database: Callable[..., Connection], target: EmbeddedTarget) -> Shop:
    return open_shop(new_database, target)


def forgets_to_look(shop: Shop) -> None:
    """Plant a refund that is not idempotent: it pays whatever the job's status is."""
    text = (SQL / "migrations/migration_atomic_job_refund.sql").read_text()
    planted = text.replace("IF v_status = 'failed' THEN", "IF false THEN")
    assert planted != text
    shop.db.execute(planted.encode(), prepare=False)


@pytest.mark.parametrize(
    ("fault", "retried"),
    [
        pytest.param(Drop(when=COMMIT), REFUNDED, id="a-before-it-reached-the-server"),
        pytest.param(LoseAnswer(when=COMMIT), ALREADY, id="b-took-effect-no-answer"),
        pytest.param(Drop(when=COMMITTED), ALREADY, id="b-took-effect-answer-stopped"),
        pytest.param(Drop(when=COMMITTED, passed=7), ALREADY, id="b-took-effect-half-an-answer"),
        pytest.param(Drop(when=COMMIT, passed=None), ALREADY, id="b-reached-the-server-client-gone"),
        pytest.param(Drop(when=COMMIT, passed=1), REFUNDED, id="c-type-only"),
        pytest.param(Drop(when=COMMIT, passed=5), REFUNDED, id="c-header-only"),
        pytest.param(Drop(when=COMMIT, passed=11), REFUNDED, id="c-all-but-one-byte"),
    ],
)
def test_a_lost_commit_and_its_retry_refund_once(shop: Shop, fault: Fault, retried: dict[str, Any]) -> None:
    with Proxy(shop.conninfo, [fault]) as proxy:
        with pytest.raises(Lost):
            refund_or_lost(proxy.conninfo)
        (strike,) = proxy.log.strikes()
        assert strike.fault == fault
        assert refund(proxy.conninfo) == retried
    assert shop.one_refund()


def test_before_the_retry_the_two_worlds_differ(shop: Shop) -> None:
    """The worker sees the same error in both: that is why it must ask again, and why asking must be safe."""
    with Proxy(shop.conninfo, [Drop(when=COMMIT), LoseAnswer(when=replace(COMMIT, nth=2))]) as proxy:
        with pytest.raises(Lost):
            refund_or_lost(proxy.conninfo)
        assert shop.refunds() == []
        with pytest.raises(Lost):
            refund_or_lost(proxy.conninfo)
    assert shop.refunds() == [1000]


def test_a_refund_that_does_not_look_pays_twice_when_the_answer_is_lost(shop: Shop) -> None:
    forgets_to_look(shop)
    with Proxy(shop.conninfo, [LoseAnswer(when=COMMIT)]) as proxy:
        with pytest.raises(Lost):
            refund_or_lost(proxy.conninfo)
        (strike,) = proxy.log.strikes()
        assert strike.detail == "COMMIT"
        assert refund(proxy.conninfo) == REFUNDED | {"new_balance": 6000}
    (row,) = shop.violated()["one_refund_per_job"]
    assert (row["job_id"], row["refunds"], row["refunded"]) == (JOB, 2, 2000)


def test_a_refund_that_does_not_look_survives_what_never_arrived(shop: Shop) -> None:
    """A test that only cuts connections before the COMMIT would find nothing."""
    forgets_to_look(shop)
    with Proxy(shop.conninfo, [Drop(when=COMMIT)]) as proxy:
        with pytest.raises(Lost):
            refund_or_lost(proxy.conninfo)
        assert refund(proxy.conninfo) == REFUNDED
    assert shop.one_refund()


def test_an_autocommit_call_commits_after_its_command_tag(shop: Shop) -> None:
    """In the extended protocol a statement of its own commits when the Sync is read, after its CommandComplete: only
    the ReadyForQuery tells that it took effect. `LoseAnswer` waits for that one."""
    call = Trigger(side=Side.CLIENT, kind="Execute", sql="refund_job_atomic")
    with Proxy(shop.conninfo, [LoseAnswer(when=call)]) as proxy:
        with worker(proxy.conninfo) as conn:
            conn.autocommit = True
            with pytest.raises(psycopg.OperationalError):
                conn.execute(REFUND, ARGUMENTS)
        (strike,) = proxy.log.strikes()
        assert (strike.kind, strike.detail) == ("ReadyForQuery", "SELECT 1")
        assert shop.refunds() == [1000]
        assert refund(proxy.conninfo) == ALREADY
    assert shop.one_refund()


def send_all(conn: Connection) -> None:
    with conn.pipeline():
        conn.execute("BEGIN")
        conn.execute(REFUND, ARGUMENTS)
        conn.execute("COMMIT")


COMMIT_IN_PIPELINE = Trigger(side=Side.CLIENT, kind="Execute", sql="^commit")


@pytest.mark.parametrize(
    ("fault", "retried"),
    [
        (Drop(when=COMMIT_IN_PIPELINE), REFUNDED),
        (Drop(when=COMMIT_IN_PIPELINE, passed=5), REFUNDED),
        (LoseAnswer(when=COMMIT_IN_PIPELINE), ALREADY),
    ],
    ids=["before", "part", "answer"],
)
def test_a_pipeline_is_lost_as_a_whole(shop: Shop, fault: Fault, retried: dict[str, Any]) -> None:
    """BEGIN, call and COMMIT leave in one piece; the client reads nothing before it has sent them all."""
    with Proxy(shop.conninfo, [fault]) as proxy:
        with worker(proxy.conninfo) as conn:
            conn.autocommit = True
            with pytest.raises(psycopg.OperationalError):
                send_all(conn)
        (strike,) = proxy.log.strikes()
        assert strike.fault == fault
        assert refund(proxy.conninfo) == retried
    assert shop.one_refund()


def psql(target: EmbeddedTarget, conninfo: str) -> subprocess.CompletedProcess[str]:
    program = target.binaries.folder / "psql"
    if not program.exists():
        pytest.skip(f"no psql in {target.binaries.folder}")
    script = f"BEGIN; SET LOCAL ROLE service_role;\n{REFUND % tuple(map(repr, ARGUMENTS))};\nCOMMIT;\n"
    return subprocess.run(
        [program, "-X", "-w", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", conninfo],
        input=script,
        capture_output=True,
        text=True,
        timeout=BOUND_S,
        check=False,
    )


@pytest.mark.parametrize(
    ("fault", "retried"),
    [(Drop(when=COMMIT), REFUNDED), (LoseAnswer(when=COMMIT), ALREADY), (Drop(when=COMMIT, passed=6), REFUNDED)],
    ids=["before", "answer", "part"],
)
def test_psql_loses_its_connection_too(
    shop: Shop, target: EmbeddedTarget, fault: Fault, retried: dict[str, Any]
) -> None:
    with Proxy(shop.conninfo, [fault]) as proxy:
        lost = psql(target, proxy.conninfo)
        assert lost.returncode == 2
        assert "server closed the connection unexpectedly" in lost.stderr
        (strike,) = proxy.log.strikes()
        assert strike.fault == fault
        again = psql(target, proxy.conninfo)
    assert (again.returncode, again.stderr) == (0, "")
    assert (f'"error": "{retried["error"]}"' if "error" in retried else '"new_balance": 5000') in again.stdout
    assert shop.one_refund()
