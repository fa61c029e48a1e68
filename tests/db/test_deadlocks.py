"""A deadlock is explained: who held what, since which step, and who waited for it; also when a function swallows it."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from crossings import CROSSINGS, FORTH, SETUP, TABLES
from plans import order, plan, words, worker
from psycopg.conninfo import make_conninfo
from races import append, locker

from harness.checks.cycles import deadlock_message
from harness.driver.controller import Controller
from harness.driver.names import Names
from harness.driver.plan import Watch
from harness.driver.pool import WorkerPool
from harness.model import Event, EventKind
from harness.strategies.fixed import Fixed
from harness.targets.embedded import EmbeddedTarget


@pytest.fixture(scope="module")
def tables() -> str:
    return TABLES


def deadlocks(controller: Controller, case: str, watch: Watch, number: int = 0) -> list[Event]:
    workers, steps, _ = CROSSINGS[case]
    made = replace(plan(*workers, setup=SETUP, number=number), watch=watch)
    return [e for e in controller.execute(made, Fixed(steps)).history.events if e.kind is EventKind.DEADLOCK]


@pytest.mark.parametrize("case", CROSSINGS)
def test_every_word_of_it(controller: Controller, case: str) -> None:
    for number in range(3):
        [event] = deadlocks(controller, case, Watch.TOLD, number)
        assert deadlock_message(event) == CROSSINGS[case][2]


@pytest.mark.parametrize("case", ["rows", "rows, and the other one closes the cycle", "three", "whole tables"])
def test_without_the_server_s_own_words_the_lock_table_and_the_error_tell_the_same(
    controller: Controller, case: str
) -> None:
    [event] = deadlocks(controller, case, Watch.HELD)
    # How strong a lock a waiting UPDATE asks for is all that its place in the queue tells.
    said = deadlock_message(event).replace("FOR NO KEY UPDATE", "UPDATE")
    assert said == CROSSINGS[case][2]


def test_an_execution_that_is_not_watched_tells_what_the_error_says(controller: Controller) -> None:
    [event] = deadlocks(controller, "whole tables", Watch.PLAIN)
    assert event.cycle == (
        {
            "worker": "b",
            "waits_for": "table t",
            "held_by": "a",
            "mode": "ACCESS SHARE",
            "turn": "T5",
            "step": "s2",
            "statement": "SELECT count(*) FROM t",
            "holds": "table u",
            "victim": "failed with 40P01",
        },
        {
            "worker": "a",
            "waits_for": "table u",
            "held_by": "b",
            "mode": "SHARE",
            "turn": "T4",
            "step": "s2",
            "statement": "LOCK u IN SHARE MODE",
            "holds": "table t",
        },
    )


@pytest.mark.parametrize("case", CROSSINGS)
def test_watching_changes_nothing_that_happens(controller: Controller, case: str) -> None:
    workers, steps, _ = CROSSINGS[case]
    made = plan(*workers, setup=SETUP)
    plain, held, told = (words(controller.execute(replace(made, watch=w), Fixed(steps))) for w in Watch)
    assert held == told
    # Who is in a cycle is known where the server tells; an execution that is not watched may name bystanders.
    assert [w for w in plain if " deadlock " not in w] == [w for w in told if " deadlock " not in w]


def test_nothing_of_the_server_s_own_numbers_is_told(controller: Controller) -> None:
    """Other places, transactions and backends in every execution: the same words."""
    for case in ("rows, swallowed", "keys"):
        found = {repr(e.cycle) for n in range(4) for e in deadlocks(controller, case, Watch.TOLD, n)}
        assert len(found) == 1


def test_ids_of_the_execution_go_by_their_names(controller: Controller) -> None:
    said = set()
    for number in (3, 4):
        names = Names(("alice",), ("j1",), number)
        alice, job = names.values["alice"], names.values["j1"]
        setup = f"""
        DROP TABLE IF EXISTS jobs; CREATE TABLE jobs (owner uuid, job text, n int, PRIMARY KEY (job, owner));
        INSERT INTO jobs VALUES ('{alice}', '{job}', 0), ('{alice}', 'other', 0)
        """
        one, other = (f"UPDATE jobs SET n = 1 WHERE job = '{j}'" for j in (job, "other"))
        made = plan(
            worker("a", "BEGIN", one, other, "COMMIT"),
            worker("b", "BEGIN", other, one, "COMMIT"),
            setup=f"{SETUP}; {setup}",
            number=number,
        )
        history = controller.execute(replace(made, names=names, watch=Watch.TOLD), Fixed(order(FORTH))).history
        [event] = [e for e in history.events if e.kind is EventKind.DEADLOCK]
        said.add(deadlock_message(event))
    [message] = said
    assert "a held row (owner alice, job j1) of jobs (since T2 s1: UPDATE jobs SET n = 1 WHERE job = 'j1')" in message
    assert "and waited for row (owner alice, job other) of jobs" in message


def test_a_table_that_may_not_be_read_hides_nothing_of_the_others(
    controller: Controller, target: EmbeddedTarget
) -> None:
    run = controller.observer.connection.execute
    run(
        "CREATE ROLE clerk LOGIN; CREATE TABLE secret (n int);"
        "GRANT ALL ON t TO clerk; GRANT SELECT ON u TO clerk; GRANT INSERT ON secret TO clerk"
    )
    [(name,)] = run("SELECT current_database()").fetchall()
    workers = [
        worker("a", "BEGIN", f"WITH s AS (INSERT INTO secret VALUES (1)) {append('a', 1)}", append("a", 2), "COMMIT"),
        locker("b", 2, 1),
    ]
    steps = order(FORTH)
    setup = "TRUNCATE t; INSERT INTO t VALUES (1, ''), (2, '')"
    try:
        with WorkerPool() as pool:
            made = Controller(pool, make_conninfo(target.conninfo(name), user="clerk"), owned=True)
            events = made.execute(replace(plan(*workers, setup=setup), watch=Watch.HELD), Fixed(steps)).history.events
            made.close()
    finally:
        run("DROP OWNED BY clerk; DROP ROLE clerk; DROP TABLE secret")
    [event] = [e for e in events if e.kind is EventKind.DEADLOCK]
    rows = {row["worker"]: (row["holds"], row["held_since"]) for row in event.cycle}
    assert rows == {"a": ("row (id 1) of t", "T2"), "b": ("row (id 2) of t", "T3")}


def test_a_session_that_has_told_of_its_waits_is_as_it_was_before(controller: Controller) -> None:
    """Whatever role it had: as that it may set none of it."""
    show = (
        "SELECT current_user, current_setting('client_min_messages'), current_setting('log_lock_waits'),"
        " current_setting('log_min_messages')"
    )

    def shown(watch: Watch, role: str | None) -> set[str]:
        made = replace(plan(*(worker(n, show, role=role) for n in "ab"), setup=SETUP), watch=watch)
        events = controller.execute(made, Fixed(order("a.s0 b.s0"))).history.events
        return {" ".join(map(str, row.values())) for e in events for row in e.answer or ()}

    assert shown(Watch.PLAIN, "pg_monitor") == {"pg_monitor notice off log"}
    assert shown(Watch.TOLD, "pg_monitor") == {"pg_monitor log on fatal"}
    assert shown(Watch.TOLD, None) == {"postgres log on fatal"}
    assert shown(Watch.PLAIN, "pg_monitor") == {"pg_monitor notice off log"}
    assert shown(Watch.HELD, None) == {"postgres notice off log"}


def test_released_together_the_victim_tells_who_was_in_it(controller: Controller) -> None:
    other_s = "EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = {})"
    meet = f"DO $$ BEGIN WHILE NOT {other_s} LOOP PERFORM pg_sleep(0.001); END LOOP; END $$"
    workers = [
        worker(
            name, "BEGIN", f"SELECT pg_advisory_xact_lock({mine})", meet.format(other),
            f"SELECT pg_advisory_xact_lock({other})", "COMMIT",
        )
        for name, mine, other in (("a", 1, 2), ("b", 2, 1))
    ]  # fmt: skip
    history = controller.release(plan(*workers, worker("c", "SELECT 1"), setup=SETUP)).history
    [event] = [e for e in history.events if e.kind is EventKind.DEADLOCK]
    victim, other = (event.worker, "ab".replace(event.worker, ""))
    locks = {"a": ("advisory lock 1", "advisory lock 2"), "b": ("advisory lock 2", "advisory lock 1")}
    assert set(event.blockers) == {"a", "b"}
    assert re.fullmatch(
        re.escape(
            f"{victim} and {other} waited for each other: {victim}.s3 closed the cycle and failed with 40P01; "
            f"{victim} held {locks[victim][0]} and waited for {locks[victim][1]} (EXCLUSIVE, T~ s3:"
            f" SELECT pg_advisory_xact_lock({locks[victim][1][-1]})); "
            f"{other} held {locks[other][0]} and waited for {locks[other][1]} (EXCLUSIVE)"
        ).replace("T\\~", r"T\d+"),
        deadlock_message(event),
    )
