"""From the start of the command to the verdict of the serial orders of a small function."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import psutil

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
GOALS = {"cold": 2.5, "warm": 0.8}


def measure(rounds: int) -> Part:
    """Cold: no data directory was ever made on this machine; warm: there is one to copy."""
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in GOALS}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "spend.sql").write_text(FUNCTION)
        for number in range(rounds):
            for state in GOALS:  # what the cold one leaves behind warms the other
                took[state].append(_once(folder, f"{folder}/cache{number}"))
    return Part(
        title="From start to verdict",
        figures=tuple(
            Figure(
                name=f"serial orders of a small function, {state} cache",
                value=median(w for w, _ in took[state]),
                unit="s",
                goal=goal,
                most=True,
                note=f"of which processor time {median(c for _, c in took[state]):.2f} s",
            )
            for state, goal in GOALS.items()
        ),
    )


def _once(folder: str, cache: str) -> tuple[float, float]:
    """(seconds, seconds of processor time of the command's own process) until it says what came of it. The report that
    it writes then is waited for, and not counted."""
    call = ["--call", "SELECT spend('ann', 10)"] * 2
    command = [sys.executable, "-m", "harness", "check", "--sql", "spend.sql", *call, "--schedules", "2", "-q"]
    environment = os.environ | {"XDG_CACHE_HOME": cache}
    begin = time.perf_counter()
    with subprocess.Popen(command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "spend" in line:
                took = time.perf_counter() - begin
                spent = psutil.Process(process.pid).cpu_times()
                process.stdout.read()
                return took, spent.user + spent.system
    raise SystemExit(f"harness check ended with {process.returncode} and said nothing")
