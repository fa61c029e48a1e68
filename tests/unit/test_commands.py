"""A command that is forked is like any other."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import commands
import pytest
from commands import harness


@pytest.mark.parametrize("arguments", [("list",), ("run", "nowhere"), ("nonsense",)])
def test_it_says_what_a_fresh_one_does(arguments: tuple[str, ...]) -> None:
    forked, fresh = harness(*arguments), harness(*arguments, fresh=True)
    assert (forked.returncode, forked.stdout, forked.stderr) == (fresh.returncode, fresh.stdout, fresh.stderr)
    assert forked.returncode == (0 if arguments == ("list",) else 2)


def test_it_runs_where_and_with_what_it_is_told(tmp_path: Path) -> None:
    (tmp_path / "here.yaml").write_text("version: 2\n")
    assert harness("run", "here.yaml", cwd=tmp_path).stderr.startswith("harness: here.yaml:1:1: ")
    asked = ("audit", "--target", "env:SHOP", "--out", str(tmp_path))
    assert "the variable 'SHOP' is not set" in harness(*asked).stderr
    assert "the variable 'SHOP' is not set" not in harness(*asked, SHOP="nothing that is a target").stderr
    assert "the variable 'SHOP' is not set" in harness(*asked).stderr


def test_one_that_hangs_is_ended_and_the_next_one_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        where = f"postgresql://x@127.0.0.1:{silent.getsockname()[1]}/x"
        monkeypatch.setattr(commands, "BOUND_S", 0.5)
        with pytest.raises(subprocess.TimeoutExpired):
            harness("audit", "--target", where, "--out", str(tmp_path))
    monkeypatch.undo()
    assert harness("nonsense").returncode == 2
