"""A command's server starts and goes beside other work, and whatever that comes to, nothing of it stays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from harness.cli.meanwhile import started
from harness.errors import TargetError, UsageError
from harness.targets.embedded import EmbeddedTarget


def servers() -> list[psutil.Process]:
    return [p for p in psutil.Process().children() if "-D" in arguments(p)]


def arguments(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:  # it has just ended
        return []


@pytest.fixture(autouse=True)
def _no_other_one() -> Iterator[None]:
    before = servers()
    yield
    assert servers() == before


def test_parts_are_done_while_it_starts_and_it_goes_while_others_work() -> None:
    done: list[int] = []
    with started("embedded", None, *(lambda n=n: done.append(n) for n in range(6))) as held:
        server = held.server
        assert isinstance(server, EmbeddedTarget)
        assert done == list(range(6))
        with psycopg.connect(server.conninfo("postgres")) as conn:
            assert conn.execute("SELECT 1").fetchone() == (1,)
        held.let_go()
    assert not server.folder.exists()


def test_the_first_parts_are_done_before_there_is_a_server() -> None:
    before, seen = servers(), []
    with started("embedded", None, lambda: seen.append(servers())):
        assert len(servers()) == len(before) + 1
    assert seen == [before]


def test_a_part_that_fails_ends_it_and_no_other_part_is_done() -> None:
    def fail() -> None:
        raise UsageError("no such file")

    done: list[int] = []
    with pytest.raises(UsageError, match="no such file"), started("embedded", None, fail, lambda: done.append(1)):
        done.append(2)
    assert done == []


def test_what_was_asked_wrongly_is_told_before_what_is_wrong_with_the_server(tmp_path: Path) -> None:
    def fail() -> None:
        raise UsageError("no such file")

    with pytest.raises(UsageError, match="--pg-bin"), started("embedded", tmp_path):
        pass
    with pytest.raises(UsageError, match="no such file"), started("embedded", tmp_path, fail):
        pass
    nobody = "postgresql://u@127.0.0.1:1/x"
    with pytest.raises(TargetError, match="cannot connect"), started(nobody, None):
        pass
    with pytest.raises(UsageError, match="no such file"), started(nobody, None, fail):
        pass


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError])
@pytest.mark.parametrize("let_go", [True, False])
def test_whatever_ends_the_work_it_is_gone(error: type[BaseException], let_go: bool) -> None:
    folders: list[Path] = []

    def work() -> None:
        with started("embedded", None) as held:
            assert isinstance(held.server, EmbeddedTarget)
            folders.append(held.server.folder)
            if let_go:
                held.let_go()
            raise error

    with pytest.raises(error):
        work()
    assert not folders[0].exists()


def test_what_its_end_raises_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    def work() -> None:
        with started("embedded", None) as held:
            close = held.server.close

            def stuck() -> None:
                close()
                monkeypatch.undo()
                raise TargetError("stuck")

            monkeypatch.setattr(held.server, "close", stuck)
            held.let_go()

    with pytest.raises(TargetError, match="stuck"):
        work()
