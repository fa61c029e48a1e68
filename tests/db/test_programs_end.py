"""However a test with programs ends, no process of it is left."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from servers import lives, within

ROOT = Path(__file__).parents[2]
BOUND_S = 20.0
# Its program says which processes there are, by a file, and then: waits in Python, or lets the search go on.
CODE = """
import os, pathlib, signal, sys, time
import harness

place, end = pathlib.Path(sys.argv[1]), sys.argv[2]
main = os.getpid()

def work(conn):
    conn.execute("UPDATE t SET n = n + 1")
    place.with_suffix(".new").write_text(f"{os.getpid()} {os.getppid()}")
    place.with_suffix(".new").rename(place)
    if end == "killed":
        os.kill(main, signal.SIGKILL)
        time.sleep(600)
    if end == "interrupted":
        os.kill(main, signal.SIGINT)
        time.sleep(600)

try:
    result = harness.check(calls=[work, work], setup="CREATE TABLE t (n int); INSERT INTO t VALUES (0)")
    print(result.verdict.value)
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.parametrize(("end", "said"), [("killed", ""), ("interrupted", "interrupted")])
def test_no_process_is_left(tmp_path: Path, end: str, said: str) -> None:
    script = tmp_path / "script.py"
    script.write_text(CODE)
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "pids"), end],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.strip() == said, done.stderr
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    assert len(pids) == 2
    assert within(BOUND_S, lambda: not any(lives(pid) for pid in pids))
