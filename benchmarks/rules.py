"""Whether who wakes first, and who falls victim to a deadlock, is a rule: one schedule each, executed again and again.

python benchmarks/rules.py [EXECUTIONS]      (default 1000)
"""

from __future__ import annotations

import sys
import time
from collections import Counter

from harness.driver.pool import WorkerPool
from harness.model import Choice, Decision, Scenario, Schedule, Script, Search, Worker
from harness.stage import Stage
from harness.statements import make_statement
from harness.strategies.replay import Replay
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget

SQL = """
CREATE TABLE a (id int PRIMARY KEY, n int NOT NULL); INSERT INTO a VALUES (1, 0);
CREATE TABLE b (id int PRIMARY KEY, n int NOT NULL); INSERT INTO b VALUES (1, 0);
CREATE TABLE log (id int GENERATED ALWAYS AS IDENTITY, who text);
CREATE FUNCTION one(who text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE a SET n = n + 1;
  INSERT INTO log (who) VALUES (who);
END $$;
CREATE FUNCTION forth() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE a SET n = n + 1;
  UPDATE b SET n = n + 1;
END $$;
CREATE FUNCTION back() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE b SET n = n + 1;
  UPDATE a SET n = n + 1;
END $$;
"""
CASES = {
    "three workers on one row": (
        ["SELECT one('x')", "SELECT one('y')", "SELECT one('z')"],
        "w1.select w1.one:3 w1.one:3~ w3.select w3.one:3 w3.one:3~ w2.select w2.one:3 w2.one:3~ "
        "w1.one:4 w1.select:commit",
    ),
    "a cycle of two locks": (
        ["SELECT forth()", "SELECT back()"],
        "w1.select w1.forth:3 w1.forth:3~ w2.select w2.back:3 w2.back:3~ w1.forth:4 w1.forth:4~ w2.back:4 w2.back:4~",
    ),
}


def main() -> None:
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with EmbeddedTarget() as target, Databases(target) as databases, WorkerPool() as pool:
        for name, (calls, order) in CASES.items():
            workers = tuple(Worker(name=f"w{i}", statements=(make_statement(call),)) for i, call in enumerate(calls, 1))
            scenario = Scenario(
                name="rules", about="", file="rules", text_hash="", install=(Script(name="rules.sql", text=SQL),),
                setup=(), workers=workers, interleavings=(Search(strategy="auto"),), expect={}, expect_violation=(),
                invariants=(), state=(), users=(), jobs=(), fresh_database=False, restore=True,
            )  # fmt: skip
            stage = Stage(scenario, target, databases, pool, inside=True)
            words = [word.partition(".") for word in order.split()]
            decisions = tuple(Decision(choice=Choice(worker=w, step=s), enabled=()) for w, _, s in words)
            outcomes: Counter[str] = Counter()
            begin = time.perf_counter()
            for number in range(times):
                strategy = Replay(Schedule(seed=0, decisions=decisions), exact=False)
                strategy.start()
                history = stage.execute(strategy, number, seed=0).history
                logged = [row["who"] for row in sorted(history.closing["log"], key=lambda row: int(row["id"]))]
                failed = [f"{e.worker} {e.sqlstate}" for e in history.events if e.sqlstate]
                outcomes[" ".join([*logged, *failed])] += 1
            stage.close()
            print(f"{name}: {dict(outcomes)} in {time.perf_counter() - begin:.1f} s")
        print("processes of the workers: " + ", ".join(str(w.pid) for w in pool.take(3)))


if __name__ == "__main__":
    main()
