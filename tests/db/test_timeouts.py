"""The server's own timeouts strike where they are to: never too soon, and without a trace in the session."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest

from harness.driver import timeouts
from harness.driver.pool import WorkerPool
from harness.errors import UsageError
from harness.matrix.evidence import fired
from harness.model import (
    Action,
    Choice,
    Decision,
    Event,
    EventKind,
    Execution,
    Order,
    OrderStep,
    Scenario,
    Schedule,
    Script,
    Search,
    Worker,
)
from harness.stage import Stage
from harness.statements import make_statement, unique_names
from harness.strategies.faulted import Faulted
from harness.strategies.fixed import Fixed
from harness.strategies.protocol import Strategy
from harness.strategies.replay import Replay
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget

STATEMENT, LOCK = Action.STATEMENT_TIMEOUT, Action.LOCK_TIMEOUT
TABLES = """
CREATE TABLE a (id int PRIMARY KEY, n int NOT NULL); INSERT INTO a VALUES (1, 0);
CREATE TABLE log (who text);
CREATE FUNCTION adds() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM a FOR UPDATE;
  UPDATE a SET n = n + 1;
  INSERT INTO log VALUES ('added');
END $$;
CREATE FUNCTION survives() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  BEGIN
    UPDATE a SET n = n + 1;
  EXCEPTION WHEN query_canceled OR lock_not_available THEN
    INSERT INTO log VALUES ('first');
    INSERT INTO log VALUES ('second');
  END;
END $$;
CREATE FUNCTION takes_its_time() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO log VALUES ('before');
  PERFORM pg_sleep(0.05);
  INSERT INTO log VALUES ('after');
END $$;
CREATE FUNCTION waits(LIMIT_) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('lock_timeout', limit_, true);
  UPDATE a SET n = n + 1;
END $$;
CREATE PROCEDURE commits() LANGUAGE plpgsql AS $$
BEGIN
  UPDATE a SET n = n + 1;
  COMMIT;
  UPDATE a SET n = n + 1;
END $$;
""".replace("LIMIT_)", "limit_ text)")
SETTINGS = "SELECT current_setting('statement_timeout') AS s, current_setting('lock_timeout') AS l"
UPDATE = "UPDATE a SET n = n + 10"
OpenStage = Callable[..., Stage]


@pytest.fixture
def stage(target: EmbeddedTarget, databases: Databases, pool: WorkerPool) -> Iterator[OpenStage]:
    """``stage(w=["SELECT adds()"], …)``: workers from their statements, held inside functions."""
    made: list[Stage] = []

    def open_stage(*, inside: bool = True, keep_going: bool = False, **workers: Sequence[str]) -> Stage:
        scenario = Scenario(
            name="timeouts", about="", file="timeouts", text_hash="", install=(Script(name="tables", text=TABLES),),
            setup=(), workers=tuple(
                Worker(name=w, statements=tuple(unique_names(map(make_statement, sql))), keep_going=keep_going)
                for w, sql in workers.items()
            ),
            interleavings=(Search(strategy="auto"),), expect={}, expect_violation=(), invariants=(), state=(), users=(),
            jobs=(), fresh_database=False, restore=True,
        )  # fmt: skip
        made.append(Stage(scenario, target, databases, pool, inside=inside))
        return made[-1]

    yield open_stage
    for one in made:
        one.close()


def struck(stage: Stage, position: int, action: Action, *, strikes: bool = True) -> Execution:
    """Worker ``w`` is struck at that point of its run alone; and again when that is replayed."""
    strategy = Faulted("w", position, action)
    strategy.start()
    done = stage.execute(strategy, 0, seed=0)
    assert fired(done, "w", action, strategy.turn) is strikes, told(done)
    same_again(stage, done)
    return done


def same_again(stage: Stage, done: Execution) -> None:
    replay = Replay(done.schedule, exact=True)
    replay.start()
    again = stage.execute(replay, 1, seed=0)
    assert told(again) == told(done)
    assert again.history.closing == done.history.closing


def ordered(stage: Stage, text: str) -> Execution:
    steps = []
    for word in text.split():
        name, _, step = word.partition(".")
        fault = Action(step[1:]) if step.startswith("!") else None
        steps.append(OrderStep(choice=Choice(worker=name, action=fault) if fault else Choice(worker=name, step=step)))
    done = stage.execute(Fixed(Order(steps=tuple(steps))), 0, seed=0)
    same_again(stage, done)
    return done


def told(execution: Execution) -> list[tuple[object, ...]]:
    return [(e.kind, e.turn, e.worker, e.step, e.sqlstate, e.message, e.answer) for e in execution.history.events]


def of(execution: Execution, *kinds: EventKind, worker: str = "w") -> list[Event]:
    return [e for e in execution.history.events if e.kind in kinds and e.worker == worker]


def settings(execution: Execution) -> list[object]:
    """What the workers' sessions had, each time they looked."""
    return [e.answer[0] for e in of(execution, EventKind.OK) if e.answer and "l" in e.answer[0]]


def who(execution: Execution) -> list[object]:
    return [row["who"] for row in execution.history.closing["log"]]


def total(execution: Execution) -> object:
    return execution.history.closing["a"][0]["n"]


NONE = {"s": "0", "l": "0"}


@pytest.mark.parametrize("position", [1, 4, 5])
def test_a_statement_runs_out_of_time_at_every_point_inside(stage: OpenStage, position: int) -> None:
    done = struck(stage(w=["SELECT adds()"], v=[UPDATE]), position, STATEMENT)
    [failed] = of(done, EventKind.FAIL)
    assert (failed.sqlstate, failed.message) == ("57014", "canceling statement due to statement timeout")
    assert (total(done), who(done)) == (10, [])


def test_between_statements_there_is_no_time_to_run_out_of(stage: OpenStage) -> None:
    for position in (0, 6):
        done = struck(stage(w=["SELECT adds()"]), position, STATEMENT, strikes=False)
        [fault] = of(done, EventKind.FAULT)
        assert fault.message == "statement_timeout: no statement is under way; nothing was struck"
        assert total(done) == 1


@pytest.mark.parametrize(
    ("position", "message"),
    [
        (0, "lock_timeout: its next step touches no table; nothing was struck"),
        (1, "a stranger holds a (ACCESS EXCLUSIVE)"),
        (2, "a stranger holds a (SHARE)"),  # which its scan does not need
        (3, "a stranger holds a (SHARE)"),
        (4, "lock_timeout: no table that its next step touches is free; nothing was struck"),
        (5, "a stranger holds log (ACCESS EXCLUSIVE)"),
        (6, "lock_timeout: its next step touches no table; nothing was struck"),
    ],
)
def test_a_lock_is_not_to_be_had_where_one_is_needed_anew(stage: OpenStage, position: int, message: str) -> None:
    strikes = "stranger" in message and position != 2
    done = struck(stage(w=["SELECT adds()"], v=[UPDATE]), position, LOCK, strikes=strikes)
    assert [e.message for e in of(done, EventKind.FAULT)] == [message]
    failed = [(e.sqlstate, e.message) for e in of(done, EventKind.FAIL)]
    assert failed == ([("55P03", "canceling statement due to lock timeout")] if strikes else [])
    assert total(done) == (10 if strikes else 11)


def test_a_clients_own_statement_waits_for_its_table(stage: OpenStage) -> None:
    done = struck(stage(w=["BEGIN", UPDATE, "INSERT INTO log VALUES ('w')", "COMMIT"]), 2, LOCK)
    assert [e.step for e in of(done, EventKind.FAIL)] == ["insert"]
    assert total(done) == 0


@pytest.mark.parametrize("action", [STATEMENT, LOCK, Action.CANCEL])
def test_a_function_that_survives_stops_at_its_next_point(stage: OpenStage, action: Action) -> None:
    """And in the rest of its transaction there is no timeout."""
    w = ["BEGIN", "SELECT survives()", SETTINGS, "COMMIT", SETTINGS]
    done = struck(stage(w=w), 2, action, strikes=False)
    assert not of(done, EventKind.FAIL)
    assert who(done) == ["first", "second"]
    passed = [d.choice.step for d in done.schedule.decisions]
    assert [step for step in passed if step.startswith("survives")] == ["survives:6", "survives:7"]
    assert settings(done) == [NONE, NONE]


@pytest.mark.parametrize("action", [STATEMENT, LOCK])
def test_the_session_has_its_own_timeouts_again(stage: OpenStage, action: Action) -> None:
    w = ["SET statement_timeout = '50s'", "SET lock_timeout = '40s'", "SELECT adds()", SETTINGS]
    done = struck(stage(w=w, keep_going=True), 3, action)
    assert settings(done) == [{"s": "50s", "l": "40s"}]
    # Nor does the next one to be given that session find anything there.
    assert settings(ordered(stage(w=[SETTINGS]), "")) == [NONE]


@pytest.mark.parametrize("position", [1, 3])
@pytest.mark.parametrize("action", [STATEMENT, LOCK])
def test_a_procedure_that_commits_is_timed_and_can_still_commit(
    stage: OpenStage, action: Action, position: int
) -> None:
    one = stage(w=["CALL commits()", SETTINGS], keep_going=True)
    alone = [d.choice.step for d in ordered(one, "").schedule.decisions]
    at = [i for i, step in enumerate(alone) if step in ("commits:3", "commits:5")][position // 2]
    done = struck(one, at, action)
    assert total(done) == position // 2
    assert settings(done) == [NONE]


def test_a_timeout_that_comes_too_soon_is_made_longer(stage: OpenStage) -> None:
    """What runs before the point takes longer than the first timeout."""
    one = stage(w=["SELECT takes_its_time()"])
    done = struck(one, 2, STATEMENT)
    passed = [str(d.choice) for d in done.schedule.decisions]
    assert passed == ["w.select", "w.takes_its_time:3", "w.!statement_timeout"]
    assert (who(done), len(of(done, EventKind.FAIL))) == ([], 1)


@pytest.mark.parametrize("action", [STATEMENT, LOCK])
def test_whoever_was_not_known_to_be_struck_is_prepared_when_it_turns_out(stage: OpenStage, action: Action) -> None:
    done = struck(stage(w=["SELECT adds()"], v=[UPDATE]), 3, action)

    class Silent(Faulted):
        arms = {}  # noqa: RUF012

        def __init__(self) -> None:
            super().__init__("w", 3, Action.CANCEL)
            self.action = action

    other = stage(w=["SELECT adds()"], v=[UPDATE]).execute(Silent(), 0, seed=0)
    assert told(other) == told(done)


def test_a_functions_own_lock_timeout_is_the_one_that_counts(stage: OpenStage, monkeypatch: pytest.MonkeyPatch) -> None:
    assert total(struck(stage(w=["SELECT waits('30ms')"]), 1, LOCK)) == 0
    monkeypatch.setattr(timeouts, "LOCK_BOUND_S", 0.05)
    done = struck(stage(w=["SELECT waits('0')"]), 1, LOCK, strikes=False)
    assert total(done) == 1


@pytest.mark.parametrize(("action", "code"), [(STATEMENT, "57014"), (LOCK, "55P03")])
@pytest.mark.parametrize("inside", [False, True])
def test_a_wait_for_another_worker_ends(stage: OpenStage, inside: bool, action: Action, code: str) -> None:
    one = stage(w=["BEGIN", UPDATE, "COMMIT"], v=["BEGIN", UPDATE, "COMMIT"], inside=inside)
    done = ordered(one, f"v.begin v.update w.begin w.update w.!{action.value} v.commit")
    assert [(e.kind.value, e.sqlstate) for e in of(done, EventKind.BLOCKED, EventKind.FAIL)] == [
        ("blocked", None), ("fail", code),
    ]  # fmt: skip
    assert total(done) == 10


def test_a_wait_without_an_end_goes_on(stage: OpenStage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeouts, "LOCK_BOUND_S", 0.05)
    one = stage(w=["SELECT waits('0')"], v=["BEGIN", UPDATE, "COMMIT"])
    done = ordered(one, f"v.begin v.update w.select w.waits:4 w.waits:4~ w.!{LOCK.value} v.commit")
    assert of(done, EventKind.FAULT)[0].message == "lock_timeout: its function has set another one; nothing was struck"
    assert total(done) == 11


def test_a_row_that_another_worker_has_is_as_good_as_a_table(stage: OpenStage) -> None:
    one = stage(w=["SELECT adds()"], v=["BEGIN", "SELECT FROM a FOR UPDATE", "COMMIT"])
    done = ordered(one, "v.begin v.select w.select w.adds:3 w.!lock_timeout v.commit")
    assert [e.message for e in of(done, EventKind.FAULT)] == ["a stranger holds a (SHARE)"]
    assert [(e.turn, e.sqlstate) for e in of(done, EventKind.FAIL)] == [(4, "55P03")]


def test_two_workers_may_run_out_of_time(stage: OpenStage) -> None:
    one = stage(w=["SELECT adds()"], v=["SELECT adds()"])
    text = "w.select v.select w.adds:3 w.adds:3~ w.!statement_timeout v.adds:3 v.!lock_timeout"
    done = ordered(one, text)
    assert [e.sqlstate for name in "wv" for e in of(done, EventKind.FAIL, worker=name)] == ["57014"]
    assert total(done) == 1
    text = "w.select v.select w.adds:3 w.adds:3~ w.!statement_timeout v.!lock_timeout"
    done = ordered(one, text)
    assert [e.sqlstate for name in "wv" for e in of(done, EventKind.FAIL, worker=name)] == ["57014", "55P03"]


def test_one_statement_has_one_timeout(stage: OpenStage) -> None:
    strategy: Strategy = Replay(
        Schedule(seed=0, decisions=tuple(
            Decision(choice=c, enabled=()) for c in (
                Choice(worker="w", step="select"), Choice(worker="w", action=STATEMENT), Choice(worker="w", action=LOCK)
            )
        )), exact=False,
    )  # fmt: skip
    with pytest.raises(UsageError, match="a statement has only one timeout"):
        stage(w=["SELECT survives()"]).execute(strategy, 0, seed=0)
