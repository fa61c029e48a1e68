"""What may not be broken off is not, and the signal is answered right after it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

import pytest

from harness.unbroken import put_off, unbroken


@pytest.fixture(autouse=True)
def answers() -> Iterator[None]:
    """SIGUSR1 raises, unless it is put off."""

    def answer(number: int, _: FrameType | None) -> None:
        if not put_off(number):
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGUSR1, answer)
    yield
    signal.signal(signal.SIGUSR1, before)


def strike() -> None:
    signal.raise_signal(signal.SIGUSR1)


def struck(done: list[str], then: Exception | None = None) -> None:
    with unbroken():
        strike()
        with unbroken():
            strike()
        done.append("all of it")
        if then is not None:
            raise then


def test_it_comes_after_the_block_and_after_the_outer_one() -> None:
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        struck(done)
    assert done == ["all of it"]
    with pytest.raises(KeyboardInterrupt):
        strike()


def test_what_the_block_raises_is_not_lost() -> None:
    with pytest.raises(KeyboardInterrupt) as caught:
        struck([], ValueError())
    assert isinstance(caught.value.__context__, ValueError)


def test_without_a_signal_nothing_happens() -> None:
    with unbroken():
        pass
    assert not put_off(signal.SIGUSR1)


def in_a_thread(do: Callable[[], None]) -> None:
    thread = threading.Thread(target=do)
    thread.start()
    thread.join()


def test_handlers_do_not_run_in_other_threads() -> None:
    seen: list[bool] = []

    def block() -> None:
        with unbroken():
            seen.append(put_off(signal.SIGUSR1))

    in_a_thread(block)
    assert seen == [False]
