"""From the start of the command to its end, the report included: the serial orders of a small function."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from beside.figures import Figure, Part

FUNCTION = """
CREATE TABLE wallets (owner text PRIMARY KEY, balance int);
INSERT INTO wallets VALUES ('ann', 100);
CREATE FUNCTION spend(p_owner text, p_amount int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE v_balance int;
BEGIN
  UPDATE wallets SET balance = balance - p_amount WHERE owner = p_owner RETURNING balance INTO v_balance;
  RETURN v_balance;
END $$;
"""
_START = """
import pathlib, platformdirs, sys
cache = pathlib.Path(sys.argv.pop(1))
platformdirs.site_cache_path = platformdirs.user_cache_path = lambda app: cache
from harness.cli import main
main()
"""
"""The command line, with a cache of our own: no variable says where root's is."""
GOALS = {"cold": 2.5, "warm": 0.8}


def measure(rounds: int) -> Part:
    """Cold: no data directory was ever made on this machine; warm: there is one to copy. In both Python has compiled
    all modules before, as after an installation."""
    took: dict[str, list[tuple[float, float, float]]] = {name: [] for name in GOALS}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # root's server runs under another account
        (Path(folder) / "spend.sql").write_text(FUNCTION)
        _once(folder, f"{folder}/compiles")
        for number in range(rounds):
            for state in GOALS:  # what the cold one leaves behind warms the other
                took[state].append(_once(folder, f"{folder}/cache{number}"))
    return Part(
        title="From start to verdict and report",
        figures=tuple(
            Figure(
                name=f"serial orders of a small function, {state} cache",
                value=median(whole for whole, _, _ in took[state]),
                unit="s",
                goal=goal,
                most=True,
                note=f"the verdict after {median(verdict for _, verdict, _ in took[state]):.2f} s; processor time of "
                f"all its processes {median(spent for _, _, spent in took[state]):.2f} s",
            )
            for state, goal in GOALS.items()
        ),
    )


def _once(folder: str, cache: str) -> tuple[float, float, float]:
    """Seconds until it has ended, until it says what came of it, and of processor time: its own, and that of the server
    and all else that it has started and waited for."""
    call = ["--call", "SELECT spend('ann', 10)"] * 2
    command = [sys.executable, "-c", _START, cache, "check", "--sql", "spend.sql", *call, "--schedules", "2", "-q"]
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": ""}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.perf_counter()
    with subprocess.Popen(command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        verdict = next((time.perf_counter() - begin for line in process.stdout if "spend" in line), None)
        process.stdout.read()
    whole = time.perf_counter() - begin
    if verdict is None:
        raise SystemExit(f"harness check ended with {process.returncode} and said nothing")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return whole, verdict, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
