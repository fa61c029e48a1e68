"""The parts of a soak that need no server: what is drawn, what is kept, what is handed over."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.cli.soak import Asked, read_faults, soak_options
from harness.errors import UsageError
from harness.model import Json, Scenario
from harness.scenario import load_scenario
from harness.soak.calls import call, migrations, user_id
from harness.soak.handover import MOST_WORKERS, chosen, scenario_text
from harness.soak.histogram import Histogram
from harness.soak.log import Log
from harness.soak.queue import Queue
from harness.soak.slices import findings
from harness.soaked import Broken, Fault, Job, Kind, Operation

REFUNDED: Json = {"success": True, "refunded": True}
REFUSED: Json = {"success": False, "refunded": False, "error": "Job already failed and refunded"}


def job(name: str = "j1", user: int = 0) -> Job:
    return Job(job=name, user=user_id(user), amount=10)


def operation(
    kind: Kind, of: Job, begin: float, end: float, answer: Json = None, *, number: int = 1, outcome: str = "ok",
    sqlstate: str = "", fault: Fault | None = None,
) -> Operation:  # fmt: skip
    return Operation(
        number=number, worker=1, kind=kind, job=of, begin_s=begin, end_s=end, outcome=outcome, answer=answer,
        sqlstate=sqlstate, fault=fault,
    )  # fmt: skip


def broken(check: str, of: Job | None = None, *, user: str = "", **row: Json) -> Broken:
    return Broken(
        check=check, job=of.job if of else "", user=of.user if of else user, row=tuple(row.items())
    )  # fmt: skip


def log_of(*operations: Operation) -> Log:
    log = Log()
    for o in operations:
        log.add(o)
    return log


@pytest.mark.parametrize("percent", [50, 95, 99, 100])
def test_a_percentile_is_right_to_two_hundredths_whatever_the_scale(percent: int) -> None:
    histogram = Histogram()
    for n in range(1, 1001):
        histogram.add(n / 1e6)
    assert histogram.percentile_ms(percent) == pytest.approx(percent * 10 / 1000, rel=0.02)
    assert histogram.count == 1000


def test_of_nothing_there_is_no_percentile() -> None:
    assert Histogram().percentile_ms(50) is None


def drawn(queue: Queue, count: int) -> list[tuple[Kind, str, Fault | None]]:
    """What one worker does, when everything is answered at once."""
    found = []
    for n in range(count):
        kind, of, fault = queue.next(0)
        found.append((kind, of.job, fault))
        answer: Json = {"success": True} if kind is not Kind.RETRY else REFUSED
        queue.done(operation(kind, of, n, n + 1, answer))
    return found


def test_the_seed_decides_what_is_drawn() -> None:
    def once(seed: int) -> list[tuple[Kind, str, Fault | None]]:
        return drawn(Queue(seed=seed, workers=1, users=5, faults=tuple(Fault)), 500)

    assert once(1) == once(1) != once(2)


def test_everything_is_drawn_and_refunds_are_handed_out_twice() -> None:
    found = drawn(Queue(seed=0, workers=1, users=5, faults=tuple(Fault)), 2000)
    assert {kind for kind, _, _ in found} == set(Kind)
    assert {fault for _, _, fault in found} == {None, *Fault}
    refunds = {name for kind, name, _ in found if kind is Kind.REFUND}
    assert refunds & {name for kind, name, _ in found if kind is Kind.RETRY}


def test_without_faults_none_is_drawn() -> None:
    assert {fault for _, _, fault in drawn(Queue(seed=0, workers=1, users=5, faults=()), 500)} == {None}


def test_draining_asks_until_a_job_is_known_to_have_ended_or_has_been_tried_often_enough() -> None:
    queue = Queue(seed=0, workers=1, users=1, faults=())
    kind, of, _ = queue.next(0)
    assert kind is Kind.CHARGE
    queue.done(operation(kind, of, 0, 1, 990))
    tries = 0
    while (asked := queue.to_drain()) is not None:
        assert asked == of
        queue.done(operation(Kind.REFUND, asked, 0, 1, "gone", outcome="info"))
        tries += 1
    assert tries > 1

    kind, of, _ = queue.next(0)
    queue.done(operation(Kind.CHARGE, of, 0, 1, 990))
    assert queue.to_drain() == of
    queue.done(operation(Kind.REFUND, of, 0, 1, REFUNDED))
    assert queue.to_drain() is None


def test_a_charge_that_failed_made_no_job_and_one_of_which_nobody_knows_may_have() -> None:
    queue = Queue(seed=0, workers=1, users=1, faults=())
    _, failed, _ = queue.next(0)
    queue.done(operation(Kind.CHARGE, failed, 0, 1, "no", outcome="fail"))
    assert queue.to_drain() is None
    _, unknown, _ = queue.next(0)
    queue.done(operation(Kind.CHARGE, unknown, 0, 1, "gone", outcome="info"))
    assert queue.to_drain() == unknown


def test_the_log_counts_what_workers_were_told() -> None:
    told = log_of(
        operation(Kind.REFUND, job("a"), 0, 1, REFUNDED),
        operation(Kind.RETRY, job("a"), 0, 1, REFUNDED),
        operation(Kind.RETRY, job("b"), 0, 1, REFUSED),
        operation(Kind.COMPLETE, job("c"), 0, 1, {"success": True, "completed": True}),
        operation(Kind.REFUND, job("d"), 0, 1, "gone", outcome="info"),
    ).told_now()
    assert told.refunds == {"a": 2}
    assert told.completed == {"c"}


def test_only_errors_that_no_fault_explains_are_told() -> None:
    log = Log()
    log.fault(Fault.CANCEL, 0.5)
    log.add(operation(Kind.REFUND, job(), 0, 1, "canceling", outcome="fail", sqlstate="57014", fault=Fault.CANCEL))
    log.add(operation(Kind.REFUND, job(), 1, 2, "deadlock detected", outcome="fail", sqlstate="40P01"))
    assert log.errors == {"40P01 deadlock detected": 1}
    assert log.deadlocks == 1
    assert [o.sqlstate for o in log.deadlocked] == ["40P01"]


def test_the_log_stays_within_its_bounds() -> None:
    log = Log()
    for n in range(50_010):
        log.add(operation(Kind.CHARGE, job(f"j{n}"), n, n + 1, 1))
    for n in range(3_000):
        log.sample(n + 1.0, 0)
    assert log.of_job("j0") == ()
    assert len(log.of_job("j50009")) == 1
    assert len(log.samples) <= 1_200
    assert log.samples[-1].at_s == 3_000


def test_what_is_wrong_about_one_job_is_one_finding_with_its_history() -> None:
    log = log_of(
        operation(Kind.REFUND, job(), 2, 4, REFUNDED, number=2),
        operation(Kind.CHARGE, job(), 0, 1, 990, number=1),
        operation(Kind.REFUND, job("other"), 2, 4, REFUNDED, number=3),
    )
    [found] = findings(
        [broken("one_refund_per_job", job()), broken("refund_matches_charge", job()), broken("money_conserved")], log
    )
    assert found.checks == ("one_refund_per_job", "refund_matches_charge", "money_conserved")
    assert [o.number for o in found.history] == [1, 2]


def test_what_is_wrong_about_a_balance_shows_what_overlapped_the_call_that_wrote_the_row() -> None:
    first, second = job("j1"), job("j2")
    log = log_of(
        operation(Kind.CHARGE, first, 0, 1, 990, number=1),
        operation(Kind.CHARGE, second, 2, 4, 980, number=2),
        operation(Kind.REFUND, first, 3, 5, REFUNDED, number=3),
        operation(Kind.RETRY, first, 3, 5, REFUSED, number=4),
        operation(Kind.COMPLETE, second, 3, 5, {"success": True, "completed": True}, number=5),
        operation(Kind.CHARGE, job("j3", user=1), 3, 5, 990, number=6),
    )
    row = broken("ledger_chain", second, type="generation")
    [found] = findings([broken("balance_matches_ledger", user=second.user), row], log)
    assert [o.number for o in found.history] == [2, 3]


def test_a_finding_about_the_whole_ledger_alone_has_no_history() -> None:
    [found] = findings([broken("execute_privilege")], log_of(operation(Kind.CHARGE, job(), 0, 1, 1)))
    assert found.history == ()
    assert chosen(found.history) == ()


def test_those_who_were_told_of_a_refund_are_handed_over_first() -> None:
    history = [
        operation(Kind.CHARGE, job(), 0, 1, 990, number=1),
        operation(Kind.REFUND, job(), 1, 2, REFUSED, number=2),
        *(operation(Kind.RETRY, job(), 5, 6, REFUNDED, number=n) for n in (3, 4)),
        operation(Kind.RETRY, job(), 5.5, 7, REFUSED, number=5),
    ]
    assert [o.number for o in chosen(history)] == [3, 4, 5]
    assert len(chosen(history)) == MOST_WORKERS


def load(tmp_path: Path, calls: tuple[Operation, ...]) -> Scenario:
    path = tmp_path / "soak_1.yaml"
    path.write_text(scenario_text("soak_1", calls, ()), encoding="utf-8")
    return load_scenario(path)


def test_the_scenario_of_one_job_is_charged_before(tmp_path: Path) -> None:
    history = [
        operation(Kind.CHARGE, job(), 0, 1, 990),
        operation(Kind.REFUND, job(), 1, 2, REFUNDED),
        operation(Kind.COMPLETE, job(), 1, 2, {"success": True, "completed": True}),
    ]
    scenario = load(tmp_path, chosen(history))
    assert [[s.name for s in w.statements] for w in scenario.workers] == [["refund"], ["complete"]]
    assert {w.role for w in scenario.workers} == {"service_role"}
    assert (scenario.users, scenario.jobs) == (("user1",), ("job1",))
    assert "deduct_balance_atomic" in scenario.setup[1].text


def test_the_scenario_of_a_balance_charges_in_its_workers(tmp_path: Path) -> None:
    history = [
        operation(Kind.CHARGE, job("a"), 0, 2, 990),
        operation(Kind.CHARGE, job("b"), 1, 3, 980),
        operation(Kind.REFUND, job("c"), 1, 2, REFUNDED),
    ]
    scenario = load(tmp_path, chosen(history))
    assert [[s.name for s in w.statements] for w in scenario.workers] == [["charge"], ["charge"], ["refund"]]
    assert scenario.users == ("user1",)
    assert len(scenario.jobs) == 3


def test_a_call_is_one_statement_with_its_values_quoted() -> None:
    text = call(Kind.REFUND, Job(job="it's", user=user_id(0), amount=7))
    assert "refund_job_atomic('it''s', '00000001-0000-0000-0000-000000000000', '7'" in text
    assert call(Kind.REFUND, job()) == call(Kind.RETRY, job())
    assert "complete_job_atomic('j1'" in call(Kind.COMPLETE, job())
    assert "INSERT INTO public.story_jobs" in call(Kind.CHARGE, job())


def test_extra_sql_comes_last_and_must_be_sql(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.sql", tmp_path / "bad.sql"
    good.write_text("SELECT 1;")
    bad.write_text("SELEKT 1;")
    assert migrations([good])[-1].text == "SELECT 1;"
    with pytest.raises(UsageError, match="bad SQL"):
        migrations([bad])
    with pytest.raises(UsageError, match="No such file"):
        migrations([tmp_path / "none.sql"])


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("kill,terminate,cancel", tuple(Fault)),
        ("cancel, cancel", (Fault.CANCEL,)),
        ("none", ()),
    ],
)
def test_faults_are_named(text: str, faults: tuple[Fault, ...]) -> None:
    assert read_faults(text) == faults


@pytest.mark.parametrize(("text", "said"), [("kil", "did you mean|kill"), ("none,kill", "stands alone"), ("", "''")])
def test_other_faults_are_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read_faults(text)


def asked(seconds: float | None, operations: int | None, workers: int | None = None) -> Asked:
    return Asked(
        target="embedded", pg_bin=None, workers=workers, users=3, seconds=seconds, operations=operations,
        faults="none", sql=(), seed=0, json=None, quiet=False, verbose=False,
    )  # fmt: skip


def test_a_soak_ends_by_time_or_by_count() -> None:
    assert soak_options(asked(None, None)).seconds == 60
    assert soak_options(asked(None, 10)).seconds is None
    assert soak_options(asked(5.0, None, workers=3)).workers == 3
    assert soak_options(asked(5.0, None)).workers % 4 == 0
    with pytest.raises(UsageError, match="one of them"):
        soak_options(asked(5.0, 10))
