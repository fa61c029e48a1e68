"""The same schedule gives the same history, event for event, whoever is faster: also on a busy machine."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator

import pytest
from plans import plan, words
from races import ALL, MANY

from harness.driver.controller import Controller
from harness.model import EventKind
from harness.strategies.fixed import Fixed


@pytest.fixture
def busy_machine() -> Iterator[None]:
    hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(3)]
    yield
    for hog in hogs:
        hog.kill()
        hog.wait()


def histories(controller: Controller, case: str, times: int) -> Counter[tuple[str, ...]]:
    workers, steps, _ = ALL[case]
    return Counter(tuple(words(controller.execute(plan(*workers, number=n), Fixed(steps)))) for n in range(times))


@pytest.mark.parametrize("case", ALL)
def test_one_schedule_one_history(controller: Controller, case: str) -> None:
    found = histories(controller, case, 60 if case in MANY else 20)
    assert len(found) == 1, "\n\n".join("\n".join(h) for h in found)


@pytest.mark.usefixtures("busy_machine")
@pytest.mark.parametrize("case", ALL)
def test_one_schedule_one_history_on_a_busy_machine(controller: Controller, case: str) -> None:
    found = histories(controller, case, 20 if case in MANY else 8)
    assert len(found) == 1, "\n\n".join("\n".join(h) for h in found)


@pytest.mark.parametrize("case", ALL)
def test_the_outcome_is_the_one_that_the_rule_says(controller: Controller, case: str) -> None:
    workers, steps, expected = ALL[case]
    closing = controller.execute(plan(*workers), Fixed(steps)).history.closing
    assert closing["t"][0]["v"] + "".join(row["v"] for row in closing["u"]) == expected


@pytest.mark.parametrize("case", [case for case in ALL if "cycle" in case or "deadlock" in case])
def test_a_deadlock_is_noted_once_and_the_closer_named(controller: Controller, case: str) -> None:
    workers, steps, _ = ALL[case]
    events = controller.execute(plan(*workers), Fixed(steps)).history.events
    [deadlock] = [e for e in events if e.kind is EventKind.DEADLOCK]
    failed = [e.worker for e in events if e.sqlstate == "40P01"]
    assert deadlock.worker in deadlock.blockers
    assert failed == [deadlock.worker] or "swallow" in case
