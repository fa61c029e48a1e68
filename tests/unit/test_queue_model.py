"""The model of the queue: hand-written timelines, and what holds of every one."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.queue.bull import deliveries
from harness.queue.precedence import predecessors
from harness.queue.settings import Delivery, Happening, JobState, Outcome, Run, Settings

S = 1_000


def told(run: Run) -> list[str]:
    """Each delivery as "job worker began–ended outcome", in seconds."""
    return [
        f"{d.job} {d.worker} {d.began / S:g}–{'' if d.ended is None else f'{d.ended / S:g}'} {d.outcome or 'held'}"
        for d in run.deliveries
    ]


def play(*happenings: Happening, workers: Sequence[str] = ("w1", "w2", "w3"), **settings: int | bool) -> Run:
    return deliveries(Settings(**settings), ["j"], workers, happenings)  # type: ignore[arg-type]


def test_a_job_goes_well_once() -> None:
    run = play()
    assert told(run) == ["j w1 0–1 completed"]
    assert run.jobs == {"j": JobState.COMPLETED}


def test_a_renewed_lock_is_kept_however_long_the_job_takes() -> None:
    assert told(play(Happening(worker="w1", takes=600 * S))) == ["j w1 0–600 completed"]


def test_without_renewals_it_stalls_at_the_first_check_that_finds_it_marked_and_unlocked() -> None:
    # Taken at 0, after that instant's check: marked at 30, when its lock has just expired; found at 60.
    run = play(Happening(worker="w1", takes=None, silent_from=0))
    assert told(run) == ["j w1 0– zombie", "j w2 60–61 completed"]
    assert run.deliveries[0].owned_until == 60 * S
    assert run.jobs == {"j": JobState.COMPLETED}


def test_a_lock_lost_later_is_found_at_the_next_check_after_it_expired() -> None:
    # Renewed at 15, 30, …, 90 for the last time; expires at 120; the check at 120 finds it, the one at 90 marked it.
    run = play(Happening(worker="w1", takes=None, silent_from=91 * S))
    assert told(run) == ["j w1 0– zombie", "j w2 120–121 completed"]
    # Renewed at 105 for the last time, which takes the mark of the check at 90 off; expires at 135; marked at 120.
    run = play(Happening(worker="w1", takes=None, silent_from=106 * S))
    assert told(run) == ["j w1 0– zombie", "j w2 150–151 completed"]


def test_a_renewal_between_two_checks_takes_the_mark_off() -> None:
    # Locks of 10 s, checks at 30, 60, 90: the last renewal at 55 leaves no lock at 60 and no mark either.
    run = play(Happening(worker="w1", takes=None, silent_from=56 * S), lock_duration=10 * S)
    assert run.deliveries[0].owned_until == 90 * S


def test_the_end_of_a_zombie_counts_for_nothing() -> None:
    run = play(Happening(worker="w1", takes=70 * S, silent_from=0), Happening(worker="w2", takes=5 * S))
    assert told(run) == ["j w1 0–70 unheard", "j w2 60–65 completed"]


def test_work_that_was_done_without_the_lock_is_done_again() -> None:
    # It ends between the expiry (30) and the check that finds it (60): the queue refuses the answer.
    run = play(Happening(worker="w1", takes=40 * S, silent_from=0))
    assert told(run) == ["j w1 0–40 unheard", "j w2 60–61 completed"]
    assert predecessors(run.deliveries) == ((), (0,))


def test_work_that_ends_before_its_lock_expires_is_heard_though_nothing_was_renewed() -> None:
    assert told(play(Happening(worker="w1", takes=29 * S, silent_from=0))) == ["j w1 0–29 completed"]
    assert told(play(Happening(worker="w1", takes=30 * S, silent_from=0)))[0] == "j w1 0–30 unheard"


def test_renewals_too_far_apart_lose_every_lock() -> None:
    run = play(Happening(worker="w1", takes=100 * S), lock_renew_time=30 * S)
    assert told(run) == ["j w1 0–100 unheard", "j w2 60–61 completed"]


def test_a_process_that_dies_is_replaced_and_takes_nothing_any_more() -> None:
    run = play(Happening(worker="w1", dies_at=200), workers=("w1", "w2"))
    assert told(run) == ["j w1 0–0.2 died", "j w2 60–61 completed"]
    alone = play(Happening(worker="w1", dies_at=200), workers=("w1",))
    assert alone.jobs == {"j": JobState.WAITING}


@pytest.mark.parametrize("most", [0, 1, 2])
def test_after_so_many_stalls_it_has_failed(most: int) -> None:
    zombies = [Happening(worker=w, takes=None, silent_from=0) for w in ("w1", "w2", "w3")]
    run = play(*zombies, max_stalled_count=most)
    assert len(run.deliveries) == most + 1
    assert run.jobs == {"j": JobState.FAILED}
    assert predecessors(run.deliveries) == ((),) * (most + 1)


def test_who_has_waited_longest_takes_the_job_next() -> None:
    run = play(Happening(worker="w1", fails=True), attempts=2, workers=("w1", "w2"))
    assert told(run) == ["j w1 0–1 failed", "j w2 1–2 completed"]
    run = play(Happening(worker="w1", fails=True), attempts=2, workers=("w1",))
    assert told(run) == ["j w1 0–1 failed", "j w1 1–2 completed"]


FAILURES = [Happening(worker="w", delivery=n, fails=True) for n in range(1, 9)]


def test_attempts_are_used_up() -> None:
    assert play(*FAILURES, workers=("w",)).jobs == {"j": JobState.FAILED}
    run = play(*FAILURES, workers=("w",), attempts=3)
    assert [d.outcome for d in run.deliveries] == [Outcome.FAILED] * 3
    assert run.jobs == {"j": JobState.FAILED}


def test_backoff() -> None:
    run = play(*FAILURES, workers=("w",), attempts=4, backoff=2 * S)
    assert [d.began // S for d in run.deliveries] == [0, 3, 6, 9]
    run = play(*FAILURES, workers=("w",), attempts=4, backoff=2 * S, exponential=True)
    assert [d.began // S for d in run.deliveries] == [0, 3, 10, 25]  # after 2, 6, 14 s


def test_stalls_are_no_attempts() -> None:
    run = play(
        Happening(worker="w1", takes=None, silent_from=0), Happening(worker="w2", fails=True), attempts=2
    )  # fmt: skip
    assert told(run) == ["j w1 0– zombie", "j w2 60–61 failed", "j w3 61–62 completed"]
    assert predecessors(run.deliveries) == ((), (), (1,))


def test_a_stalled_job_comes_before_those_that_wait() -> None:
    first = [Happening(worker="w1", dies_at=0), Happening(worker="w2", takes=60 * S)]
    run = deliveries(Settings(), ["a", "b", "c"], ["w1", "w2"], first)
    assert told(run) == ["a w1 0–0 died", "b w2 0–60 completed", "a w2 60–61 completed", "c w2 61–62 completed"]
    assert predecessors(run.deliveries) == ((), (), (0, 1), (0, 1, 2))


def test_nobody_looks_for_stalled_jobs() -> None:
    run = play(Happening(worker="w1", dies_at=200), stalled_interval=0)
    assert run.jobs == {"j": JobState.ACTIVE}
    assert run.deliveries[0].owned_until is None


def test_a_lock_that_is_held_for_ever() -> None:
    run = play(Happening(worker="w1", takes=None))
    assert run.jobs == {"j": JobState.ACTIVE}
    assert told(run) == ["j w1 0– held"]


@pytest.mark.parametrize(
    ("happenings", "message"),
    [
        ([Happening(worker="w1"), Happening(worker="w1", fails=True)], "two happenings for one delivery"),
        ([Happening(worker="w9")], "no worker is called w9"),
    ],
)
def test_what_makes_no_sense(happenings: list[Happening], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        deliveries(Settings(), ["j"], ["w1"], happenings)
    with pytest.raises(ValueError, match="a name stands twice"):
        deliveries(Settings(), ["j", "j"], ["w1"])
    with pytest.raises(ValueError, match="at least 1 ms"):
        Settings(lock_duration=0)
    with pytest.raises(ValueError, match="attempts at least 1"):
        Settings(attempts=0)


# ------------------------------------------------------------------------------------------------- every timeline

TIMES = st.integers(0, 120)
SETTINGS = st.builds(
    Settings,
    lock_duration=st.integers(1, 40),
    lock_renew_time=st.none() | st.integers(1, 50),
    stalled_interval=st.integers(1, 40),
    max_stalled_count=st.integers(0, 3),
    attempts=st.integers(1, 4),
    backoff=st.integers(0, 20),
    exponential=st.booleans(),
)
WORKERS = ("w1", "w2", "w3")


@st.composite
def befallen(draw: st.DrawFn) -> list[Happening]:
    keys = draw(st.lists(st.tuples(st.sampled_from(WORKERS), st.integers(1, 3)), unique=True, max_size=9))
    return [
        Happening(
            worker=worker,
            delivery=n,
            takes=draw(st.none() | TIMES),
            fails=draw(st.booleans()),
            silent_from=draw(st.none() | TIMES),
            dies_at=draw(st.none() | TIMES),
        )
        for worker, n in keys
    ]


JOBS = st.integers(1, 3).map(lambda n: [f"j{i}" for i in range(n)])


def owned(delivery: Delivery) -> tuple[int, float]:
    return delivery.began, float("inf") if delivery.owned_until is None else delivery.owned_until


@given(SETTINGS, JOBS, befallen())
def test_a_job_never_has_two_owners(settings: Settings, jobs: list[str], happenings: list[Happening]) -> None:
    run = deliveries(settings, jobs, WORKERS, happenings)
    for i, one in enumerate(run.deliveries):
        for other in run.deliveries[i + 1 :]:
            if one.job == other.job:
                assert owned(one)[1] <= owned(other)[0]


@given(SETTINGS, JOBS, befallen())
def test_a_worker_never_has_two_jobs(settings: Settings, jobs: list[str], happenings: list[Happening]) -> None:
    run = deliveries(settings, jobs, WORKERS, happenings)
    for i, one in enumerate(run.deliveries):
        for other in run.deliveries[i + 1 :]:
            if one.worker == other.worker:
                assert one.ended is not None
                assert one.ended <= other.began
                assert one.outcome is not Outcome.DIED


@given(SETTINGS, JOBS, befallen())
def test_once_nobody_stalls_every_job_is_done(settings: Settings, jobs: list[str], happenings: list[Happening]) -> None:
    # One more worker, whom nothing befalls, in place of all that died or live on as zombies; its locks hold.
    sound = Settings(
        lock_duration=settings.lock_duration + 1_001, stalled_interval=settings.stalled_interval,
        max_stalled_count=settings.max_stalled_count, attempts=settings.attempts, backoff=settings.backoff,
        exponential=settings.exponential,
    )  # fmt: skip
    ending = [h for h in happenings if h.takes is not None or h.silent_from is not None or h.dies_at is not None]
    run = deliveries(sound, jobs, (*WORKERS, "sound"), ending)
    assert set(run.jobs.values()) <= {JobState.COMPLETED, JobState.FAILED}
    for job in jobs:
        found = [d for d in run.deliveries if d.job == job]
        assert sum(d.outcome is Outcome.COMPLETED for d in found) == (run.jobs[job] is JobState.COMPLETED)
        assert len(found) <= sound.attempts + sound.max_stalled_count


@given(SETTINGS, JOBS, befallen())
def test_who_comes_before_is_an_order(settings: Settings, jobs: list[str], happenings: list[Happening]) -> None:
    found = deliveries(settings, jobs, WORKERS, happenings).deliveries
    before = predecessors(found)
    for i, mine in enumerate(before):
        assert all(j < i and {*before[j]} <= {*mine} for j in mine)
        for j in mine:
            ended = found[j].ended
            assert ended is not None
            assert ended <= found[i].began


@given(SETTINGS, JOBS, befallen())
def test_the_same_again_is_the_same(settings: Settings, jobs: list[str], happenings: list[Happening]) -> None:
    assert deliveries(settings, jobs, WORKERS, happenings) == deliveries(settings, jobs, WORKERS, happenings[::-1])
