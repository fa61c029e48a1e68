"""Marks on what outlives a killed run: whose it is, and whether that process lives."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from harness.targets.marks import Mark


def marked(pid: int, host: str = "") -> Mark:
    """As it is read back from a comment or a label, where anything may stand."""
    found = Mark.read(str(Mark(pid=pid, host=host or Mark.own().host)))
    assert found is not None
    return found


@pytest.mark.parametrize("pid", [os.getpid(), 1], ids=["ours", "the first"])
def test_a_process_that_is_there_lives_whoever_it_belongs_to(pid: int) -> None:
    assert marked(pid).lives
    assert not marked(pid, "another-machine").lives


@pytest.mark.parametrize("pid", [2**22 + 1, 2**31, 2**63, 10**30])
def test_a_number_that_no_process_has_is_of_none_that_lives(pid: int) -> None:
    assert not marked(pid).lives


def test_a_process_that_has_ended_does_not_live() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert not marked(ended.pid).lives
