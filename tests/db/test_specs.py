"""Specs print byte by byte what isolationtester prints: `tests/specs/expected` holds outputs of the real one."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from spec_runs import NAMES, expected, printed, text

from harness.cli.spec import EMBEDDED
from harness.driver.observer import Observer
from harness.errors import TargetError, UsageError
from harness.spec import printing, run, waits
from harness.spec.form import Spec, Turn
from harness.spec.run import limit_s
from harness.spec.sessions import Connection
from harness.spec.waits import PATIENCE_S, Waits, _whom
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget

SOON_S = 1.0
"""A limit for steps that are to reach it. Others are to end before it, on a busy machine too."""


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedTarget]:
    """A server as `harness spec` starts it."""
    with EmbeddedTarget(settings=EMBEDDED) as started:
        yield started


@pytest.fixture(scope="module")
def places(server: EmbeddedTarget) -> Iterator[Databases]:
    with Databases(server) as made:
        yield made


@pytest.mark.parametrize("name", NAMES)
def test_it_prints_what_isolationtester_prints(name: str, server: EmbeddedTarget, places: Databases) -> None:
    assert printed(server, places, name).decode() == expected(name).decode()


def backwards(spec: Spec) -> Iterator[tuple[Turn, ...]]:
    yield from reversed(list(spec._interleaved([0] * len(spec.sessions))))


def only_last(session: Connection) -> list[Any]:
    return list(iter(session.pq.get_result, None))[-1:]


def idle_only(looks: Waits, session: Connection, silent_s: float) -> bool:
    return silent_s > PATIENCE_S and looks._for_good(session)


def by_letters(names: list[bytes], rows: list[list[bytes]]) -> bytes:
    width = max(len(cell.decode()) for cell in [names[0], *(row[0] for row in rows)])
    return b"\n".join(cell.ljust(width) for cell in names)


PLANTS: dict[str, tuple[Any, str, Callable[..., Any], str]] = {
    "markers hold nothing": (run._Runner, "_held", lambda *_: False, "marker_other"),
    "notices are not awaited": (run._Runner, "_held", lambda *_: False, "marker_notices"),
    "(*) is passed over": (run, "Once", object, "marker_once"),
    "only idle sessions keep another waiting": (Waits, "waits", idle_only, "running_blocker"),
    "nobody looks who came through": (run._Runner, "_complete_waiting", lambda *_, **__: None, "table_lock_queue"),
    "only a step's last result is shown": (Connection, "results", only_last, "statements_together"),
    "notifications are lost": (Connection, "notifications", lambda _: (), "notifications"),
    "orders come the other way round": (Spec, "orders", backwards, "every_order"),
    "widths count letters": (printing, "aligned", by_letters, "widths_are_bytes"),
    "unused steps are not told": (printing.Printer, "trouble", lambda *_: None, "unused_steps"),
}  # fmt: skip


@pytest.mark.parametrize("plant", PLANTS)
def test_a_spec_shows_what_was_broken(
    plant: str, server: EmbeddedTarget, places: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    where, what, broken, name = PLANTS[plant]
    monkeypatch.setattr(where, what, broken)
    try:
        shown = printed(server, places, name)
    except UsageError:
        return
    assert shown != expected(name)


def test_a_step_that_takes_too_long_is_cancelled(server: EmbeddedTarget, places: Databases) -> None:
    spec = text("session s1 step sleep { SELECT pg_sleep(50); } step on { SELECT 1 AS one; } session s2 step b { }")
    shown = printed(server, places, spec, limit=SOON_S).decode()
    assert len(re.findall(r"^isolationtester: canceling step sleep after \d+ seconds$", shown, re.MULTILINE)) == 3
    assert shown.count("ERROR:  canceling statement due to user request\nstep ") == 3


def test_so_is_one_that_nobody_lets_go(server: EmbeddedTarget, places: Databases) -> None:
    spec = text(
        "setup { CREATE TABLE t (); } session s1 step lock { BEGIN; LOCK TABLE t; } step end { ROLLBACK; }"
        "session s2 step read { SELECT FROM t; } step on { SELECT 1 AS one; } permutation lock read on end"
    )
    shown = printed(server, places, spec, limit=SOON_S).decode()
    cancelled = r"step read: SELECT FROM t; <waiting \.\.\.>\nisolationtester: canceling step read after \d+ seconds\n"
    assert re.search(cancelled, shown)
    assert "step read: <... completed>\nERROR:  canceling statement due to user request\nstep on: " in shown


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("setup {\n SELECT nothing;\n} session s step a { }", "2:9: setup failed: column .nothing. does not exist"),
        ("session s setup { SELECT 1/0; } step a { }", "1:19: setup of session s failed: division by zero"),
        ("setup { COPY (SELECT 1) TO STDOUT; } session s step a { }", "1:9: setup failed: COPY from or to the client"),
        ("session s step a { COPY (SELECT 1) TO STDOUT; }", "1:16: step a: COPY from or to the client"),
        (
            "session s step a { SELECT pg_terminate_backend(pg_backend_pid()); } step b { }",
            "1:74: step b cannot be sent: no connection to the server",
        ),
        (
            "session s step a { } session t step b { } permutation a(*, b) b(a)",
            "1:16: failed to complete permutation due to mutually-blocking steps",
        ),
        (
            "session s step a { } step c { } session t step b { } permutation a(*, b) b(a) c",
            r"1:16: step a timed out after \d+ seconds active steps are: a b",
        ),
    ],
)
def test_what_cannot_work_out_is_told_with_its_place(
    written: str, told: str, server: EmbeddedTarget, places: Databases
) -> None:
    with pytest.raises(UsageError, match=f"^x.spec:{told}"):
        printed(server, places, text(written), limit=SOON_S)


@pytest.mark.parametrize(
    "killed", ["session s step a { SELECT pg_sleep(60); }", "setup { SELECT pg_sleep(60); } session s step a { }"]
)
def test_a_server_that_falls_is_told(killed: str) -> None:
    with EmbeddedTarget() as falling, ThreadPoolExecutor() as pool, Databases(falling) as there:
        shown = pool.submit(printed, falling, there, text(killed))
        with psycopg.connect(falling.conninfo("postgres"), autocommit=True) as conn:
            while not conn.execute("SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60);'").fetchone():
                pass
        os.kill(falling.pid, signal.SIGKILL)
        falling.close()
        with pytest.raises(TargetError):
            shown.result()


@pytest.mark.parametrize("value", ["0", "-1", "soon", "1.5", ""])
def test_the_limit_is_a_number_of_seconds(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGISOLATIONTIMEOUT", "7")
    assert limit_s() == 7.0
    monkeypatch.setenv("PGISOLATIONTIMEOUT", value)
    with pytest.raises(UsageError, match="give a number of seconds"):
        limit_s()


BLOCKED = "session s1 step hold { SELECT pg_advisory_lock(1); } session s2 step want { SELECT pg_advisory_lock(1); }"


@pytest.fixture(scope="module")
def observer(server: EmbeddedTarget) -> Iterator[Observer]:
    made = Observer(server.conninfo("postgres"))
    yield made
    made.close()


@pytest.fixture
def sessions(server: EmbeddedTarget, observer: Observer) -> Iterator[list[Connection]]:
    """Three of them; the second waits for the first one, which is idle."""
    conninfo = server.conninfo("postgres")
    made = [Connection(conninfo, f"s{i}", application="test", hear=lambda _: None) for i in (1, 2, 3)]
    made[0].run("SELECT pg_advisory_lock(1)")
    made[1].send("SELECT pg_advisory_lock(1)")
    while not observer.waits([made[1].pid])[made[1].pid]:
        pass
    yield made
    for session in made:
        session.close()


def seen(observer: Observer, sessions: list[Connection], spec: str, silent_s: float) -> bool:
    """Whether s2 is said to wait when nothing was heard of it for so long."""
    return Waits(observer, text(spec), sessions).waits(next(s for s in sessions if s.name == "s2"), silent_s)


def test_a_wait_for_an_idle_session_is_seen_at_once(observer: Observer, sessions: list[Connection]) -> None:
    assert seen(observer, sessions, BLOCKED, 0.001)


@pytest.mark.parametrize("word", ["SET lock_timeout = 1", "SET Statement_Timeout = 9", "SELECT pg_cancel_backend(1)"])
def test_where_it_may_end_by_itself_it_is_seen_when_isolationtester_looks(
    word: str, observer: Observer, sessions: list[Connection]
) -> None:
    spec = f"{BLOCKED} step more {{ {word}; }}"
    assert not seen(observer, sessions, spec, 0.001)
    assert seen(observer, sessions, spec, PATIENCE_S)


def test_so_it_is_while_the_other_session_runs(observer: Observer, sessions: list[Connection]) -> None:
    sessions[0].send("SELECT pg_sleep(30)")
    assert not seen(observer, sessions, BLOCKED, 0.001)
    assert seen(observer, sessions, BLOCKED, PATIENCE_S)
    sessions[0].cancel()


def test_but_not_for_whom_nobody_knows(observer: Observer, sessions: list[Connection]) -> None:
    assert not seen(observer, sessions[2:] + sessions[1:2], BLOCKED, PATIENCE_S)


def test_nothing_is_certain_in_a_circle_or_behind_one_that_runs() -> None:
    """Backends that wait, and for whom: 1 is idle."""
    assert _whom(2, {2: frozenset({1, 3}), 3: frozenset({1})}) == {1, 3}
    assert _whom(2, {2: frozenset({1, 3}), 3: frozenset({2})}) == frozenset()
    assert _whom(2, {2: frozenset({1, 3}), 3: frozenset()}) == frozenset()
    assert _whom(2, {2: frozenset({1})}) == {1}


def test_before_a_circle_may_close_the_waits_in_it_are_as_old_as_with_isolationtester(
    observer: Observer, sessions: list[Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(waits, "time", SimpleNamespace(monotonic=lambda: 7.0, sleep=slept.append))
    looks = Waits(observer, text(BLOCKED), sessions)
    assert looks.waits(sessions[1], 0.001)
    looks.before(sessions[0], "UPDATE t SET n = 1")  # s2 waits for s1, which may now come to wait for s2
    looks.before(sessions[2], "UPDATE t SET n = 1")
    looks.before(sessions[0], " commit; ")
    assert slept == [pytest.approx(PATIENCE_S), 0.0]
