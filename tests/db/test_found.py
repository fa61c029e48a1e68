"""A counterexample that was made smaller must still be one when it is carried out again."""

from __future__ import annotations

from harness.checks import judge
from harness.driver.pool import WorkerPool
from harness.errors import NondeterminismError
from harness.found import confirmed, shrunk
from harness.model import Scenario, Script, Search, Worker
from harness.stage import Stage
from harness.statements import make_statement
from harness.strategies.serial import Serial
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget

# Each session counts its calls, where nobody puts anything back: after so many it does no wrong any more.
SQL = """
CREATE TABLE t (n int);
INSERT INTO t VALUES (0);
CREATE FUNCTION f(most int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  counter text := 'my.calls_' || most;
  calls int := 1 + coalesce(current_setting(counter, true), '0')::int;
BEGIN
  PERFORM set_config(counter, calls::text, false);
  UPDATE t SET n = n + (calls <= most)::int;
END $$;
"""


def scenario(most: int) -> Scenario:
    statement = make_statement(f"SELECT f({most})")
    return Scenario(
        name="counting", about="", file="", text_hash="", install=(Script(name="t.sql", text=SQL),), setup=(),
        workers=tuple(Worker(name=w, statements=(statement,)) for w in ("a", "b")),
        interleavings=(Search(strategy="auto"),), expect={}, expect_violation=(),
        invariants=(Script(name="none", text="SELECT n FROM t WHERE n > 0"),), state=(), users=(), jobs=(),
        fresh_database=False, restore=True,
    )  # fmt: skip


def test_whenever_it_ceases_to_violate_nothing_is_claimed(target: EmbeddedTarget, databases: Databases) -> None:
    said: list[str] = []
    with WorkerPool() as pool:
        stage = Stage(scenario(0), target, databases, pool, inside=True, everywhere=True)
        for most in range(1, 20):
            stage.play(scenario(most))
            strategy = Serial(["a", "b"])
            strategy.start()
            execution = stage.execute(strategy, most, seed=0)
            violations = [v for r in judge(stage.context(execution, None)) for v in r.violations]
            assert "none" in {v.check for v in violations}
            try:
                found = shrunk(stage, confirmed(stage, execution, None, violations), {"none"})
            except NondeterminismError as e:
                said.append(str(e))
            else:
                assert "none" in {v.check for v in found.violations}
        stage.close()
    assert any("made smaller, schedule" in message for message in said), said
    assert any("its replay violated" in message for message in said)
