"""Causes read off histories: each kind where it is, and none where a quick look would see one."""

from __future__ import annotations

import samples
from hypothesis import given, settings
from hypothesis import strategies as st
from played import Played

from harness.causes import reasons_of
from harness.model import Event, EventKind, History, Reason, ReasonKind, Remedy, Violation
from harness.report.reasons import reason_line

OPEN, FAILED = {"id": "j1", "status": "open"}, {"id": "j1", "status": "failed"}


def jobs(first: str, second: str = "open") -> list[dict[str, str]]:
    return [{"id": "j1", "status": first}, {"id": "j2", "status": second}]


def paid(amount: int, key: str = "a") -> list[dict[str, object]]:
    return [{"id": key, "balance": amount}]


LOOKS = "SELECT status FROM jobs WHERE id = 'j1'"
MARKS = "UPDATE jobs SET status = 'failed' WHERE id = 'j1'"
PAYS = "UPDATE accounts SET balance = balance + 10 WHERE id = 'a'"

# ------------------------------------------------------------------------------------------------ what there is


def test_a_value_that_changed_between_read_and_write() -> None:
    played = (
        Played(jobs=jobs("open"), accounts=paid(0))
        .sends("a", LOOKS)
        .sends("b", LOOKS)
        .sends("b", PAYS, accounts=paid(10))
        .sends("b", MARKS, jobs=jobs("failed"))
        .sends("a", PAYS, accounts=paid(20))
    )
    assert played.why() == (
        Reason(
            kind=ReasonKind.STALE_READ, worker="a", other="b", table="jobs", columns=("status",), read_turn=0,
            changed_turn=3, acted_turn=4, before="open", after="failed", remedy=Remedy.TOGETHER,
        ),
    )  # fmt: skip


def inside(read: str, write: str, middle: int, end: int) -> Played:
    """Both read inside a function, then b writes and commits, then a does."""
    return (
        Played(accounts=paid(100))
        .calls("a", "SELECT take('a', 30)")
        .runs("a", "take:3", read)
        .calls("b", "SELECT take('a', 40)")
        .runs("b", "take:3", read)
        .runs("b", "take:4", write)
        .answers("b")
        .commits("b", accounts=paid(middle))
        .runs("a", "take:4", write)
        .answers("a")
        .commits("a", accounts=paid(end))
    )


READS = "SELECT balance INTO v_left FROM accounts WHERE id = p_account"


def test_a_value_computed_from_an_old_one_is_written_over_a_new_one() -> None:
    played = inside(READS, "UPDATE accounts SET balance = v_left - p_amount WHERE id = p_account", 60, 70)
    assert played.why() == (
        Reason(
            kind=ReasonKind.OVERWRITTEN, worker="a", other="b", table="accounts", columns=("balance",), read_turn=1,
            changed_turn=5, acted_turn=6, before=100, after=60, remedy=Remedy.LOCK_HOLDS,
        ),
    )  # fmt: skip


def test_a_row_that_came_after_the_look() -> None:
    played = (
        Played(refunds=[])
        .calls("a", "SELECT refund('j1')")
        .runs("a", "refund:3", "IF EXISTS (SELECT FROM refunds WHERE job = p_job) THEN")
        .sends("b", "INSERT INTO refunds VALUES ('j1', 10)", step="insert")
        .commits("b", "insert", refunds=[{"job": "j1", "amount": 10}])
        .runs("a", "refund:6", "INSERT INTO refunds VALUES (p_job, 10)")
        .answers("a")
        .commits("a", refunds=[{"job": "j1", "amount": 10}, {"job": "j1", "amount": 10}])
    )
    [reason] = played.why()
    assert (reason.kind, reason.read_turn, reason.changed_turn, reason.acted_turn) == (ReasonKind.UNSEEN, 1, 3, 4)
    assert reason.remedy is Remedy.NO_ROW


def test_a_row_that_went_after_the_look() -> None:
    played = (
        Played(vouchers=[{"code": "v", "amount": 5}], accounts=paid(0))
        .sends("a", "SELECT amount FROM vouchers WHERE code = 'v'")
        .sends("b", "DELETE FROM vouchers WHERE code = 'v'", vouchers=[])
        .sends("b", PAYS, accounts=paid(5))
        .sends("a", PAYS, accounts=paid(10))
    )
    [reason] = played.why()
    assert (reason.kind, reason.table, reason.before, reason.after) == (ReasonKind.GONE, "vouchers", None, None)


def test_each_misses_what_the_other_has_not_committed() -> None:
    """Both act before either commits: the second one to write is the one to look at."""
    rows = [{"id": "x", "owner": "o", "left": 50}, {"id": "y", "owner": "o", "left": 50}]
    sums = "IF (SELECT sum(left) FROM accounts WHERE owner = p_owner) < p_amount THEN"
    takes = "UPDATE accounts SET left = left - p_amount WHERE id = p_id"
    both = [{**row, "left": -30} for row in rows]
    played = (
        Played(accounts=rows)
        .calls("a", "SELECT take('o', 'x', 80)")
        .runs("a", "take:3", sums.replace("left", '"left"'))
        .runs("a", "take:6", takes.replace("left", '"left"'))
        .answers("a")
        .calls("b", "SELECT take('o', 'y', 80)")
        .runs("b", "take:3", sums.replace("left", '"left"'))
        .runs("b", "take:6", takes.replace("left", '"left"'))
        .answers("b")
        .commits("b", accounts=[rows[0], both[1]])
        .commits("a", accounts=both)
    )
    [reason] = played.why()
    assert (reason.worker, reason.other, reason.columns) == ("b", "a", ("left",))
    assert (reason.read_turn, reason.acted_turn, reason.changed_turn) == (4, 5, 7)
    assert reason_line(reason).startswith("b read accounts.left at T4 (50) and acted on it at T5, before a changed it")


def test_a_snapshot_of_the_whole_transaction_is_older_than_the_read() -> None:
    played = (
        Played(jobs=jobs("open"), accounts=paid(0))
        .sends("a", "BEGIN ISOLATION LEVEL REPEATABLE READ")
        .sends("a", "SELECT 1 FROM accounts WHERE id = 'z'")
        .sends("b", MARKS, jobs=jobs("failed"))
        .sends("b", PAYS, accounts=paid(10))
        .sends("a", LOOKS)
        .sends("a", "INSERT INTO accounts VALUES ('n', 1)")
        .sends("a", "COMMIT", accounts=[*paid(10), *paid(1, "n")])
    )
    assert [(r.table, r.read_turn, r.changed_turn) for r in played.why()][:1] == [("jobs", 1, 2)]
    weaker = Played(jobs=jobs("open"), accounts=paid(0))
    weaker.events, weaker.decisions = played.events, played.decisions
    begin = samples.did(0, "a", weaker.events[0].step, "BEGIN")
    weaker.events = [*begin, *played.events[2:]]
    assert [r for r in weaker.why() if r.table == "jobs"] == []
    assert [(r.table, r.read_turn) for r in weaker.why(isolation="repeatable_read")][:1] == [("jobs", 1)]


def test_calls_one_after_the_other() -> None:
    played = Played(jobs=jobs("open")).sends("a", MARKS, jobs=jobs("failed")).sends("b", PAYS)
    assert played.why() == (Reason(kind=ReasonKind.ALONE, worker=""),)
    assert Played(jobs=jobs("open")).sends("a", MARKS).why() == (Reason(kind=ReasonKind.ALONE, worker="a"),)


def test_a_retry_does_again_what_was_done() -> None:
    played = (
        Played(accounts=paid(0), jobs=jobs("open"))
        .sends("a", PAYS, accounts=paid(10))
        .dies("a")
        .sends("a_retry", PAYS, accounts=paid(20))
        .sends("a_retry", MARKS, jobs=jobs("failed"))
    )
    assert played.why() == (
        Reason(
            kind=ReasonKind.RETRIED, worker="a_retry", other="a", table="accounts", columns=("balance",),
            changed_turn=0, acted_turn=2,
        ),
    )  # fmt: skip


def test_a_fault_between_two_writes() -> None:
    played = Played(accounts=paid(0), jobs=jobs("open")).sends("a", PAYS, accounts=paid(10)).dies("a").sends("b", LOOKS)
    [reason] = played.why()
    assert (reason.kind, reason.worker, reason.acted_turn) == (ReasonKind.INTERRUPTED, "a", 1)
    done = Played(accounts=paid(0)).sends("a", PAYS, accounts=paid(10)).dies("a", more=False).sends("b", LOOKS)
    assert done.why() == ()


def test_a_worker_goes_on_after_an_error() -> None:
    played = (
        Played(accounts=paid(0), jobs=jobs("open"))
        .sends("b", LOOKS)
        .sends("a", "SELECT amount FROM jobs WHERE id = 'j1' FOR UPDATE", fails="40001")
        .sends("a", MARKS, jobs=jobs("failed"))
        .sends("b", LOOKS)
    )
    [reason] = played.why()
    assert (reason.kind, reason.changed_turn, reason.acted_turn) == (ReasonKind.FAILED, 1, 2)


# ------------------------------------------------------------------------------------------- what only seems so


def test_a_read_after_the_change_is_not_old() -> None:
    played = (
        Played(jobs=jobs("open"), accounts=paid(0))
        .sends("b", MARKS, jobs=jobs("failed"))
        .sends("a", LOOKS)
        .sends("b", PAYS, accounts=paid(10))
        .sends("a", PAYS, accounts=paid(20))
    )
    assert played.why() == ()


def test_a_change_of_another_row_is_none_of_this_one() -> None:
    played = (
        Played(jobs=jobs("open"), accounts=paid(0))
        .sends("a", LOOKS)
        .sends("b", "UPDATE jobs SET status = 'failed' WHERE id = 'j2'", jobs=jobs("open", "failed"))
        .sends("b", PAYS, accounts=paid(10))
        .sends("a", PAYS, accounts=paid(20))
    )
    assert played.why() == ()


def test_which_of_two_rows_was_read_is_not_guessed() -> None:
    """The client has named both; the function's text does not tell which one it looks at."""
    played = (
        Played(jobs=jobs("open"), accounts=paid(0))
        .calls("a", "SELECT move('j1', 'j2')")
        .runs("a", "move:3", "SELECT status INTO v_status FROM jobs WHERE id = p_from")
        .sends("b", "UPDATE jobs SET status = 'failed' WHERE id = 'j2'", jobs=jobs("open", "failed"))
        .sends("b", PAYS, accounts=paid(10))
        .runs("a", "move:9", "UPDATE accounts SET balance = balance + 10 WHERE id = 'a'")
        .answers("a")
        .commits("a", accounts=paid(20))
    )
    assert played.why() == ()


def test_a_change_of_another_column_is_none_of_this_one() -> None:
    before, after = {"id": "j1", "status": "open", "note": ""}, {"id": "j1", "status": "open", "note": "seen"}
    played = (
        Played(jobs=[before], accounts=paid(0))
        .sends("a", LOOKS)
        .sends("b", "UPDATE jobs SET note = 'seen' WHERE id = 'j1'", jobs=[after])
        .sends("b", PAYS, accounts=paid(10))
        .sends("a", PAYS, accounts=paid(20))
    )
    assert played.why() == ()


def test_what_is_added_to_the_value_of_the_moment_is_not_old() -> None:
    """Whatever was read before. Were the balance itself wrong, the read would have decided that something is added."""
    added = "UPDATE accounts SET balance = balance - p_amount WHERE id = p_account"
    played = inside(READS, added, 60, 30)
    assert played.why("2 rows in log; every serial order ends with 1") == ()
    assert [r.kind for r in played.why("balance 30; every serial order ends with 60")] == [ReasonKind.STALE_READ]


def test_an_old_value_that_is_handed_on_is_one_whatever_else_is_added() -> None:
    added = "UPDATE accounts SET balance = balance - p_amount WHERE id = p_account"
    for values, kinds in (("v_left, p_amount", [ReasonKind.STALE_READ]), ("p_account, p_amount", [])):
        played = (
            Played(accounts=paid(100), log=[])
            .calls("a", "SELECT take('a', 30)")
            .runs("a", "take:3", READS)
            .calls("b", "SELECT take('a', 40)")
            .runs("b", "take:4", added)
            .answers("b")
            .commits("b", accounts=paid(60))
            .runs("a", "take:4", added)
            .runs("a", "take:5", f"INSERT INTO log VALUES ({values})")
            .answers("a")
            .commits("a", accounts=paid(30), log=[{"before": 100, "amount": 30}])
        )
        told = played.why("a ledger row does not start where the last one ended")
        assert [r.kind for r in told] == kinds
        assert all(r.acted_turn == 6 for r in told)


def test_a_row_that_is_locked_when_it_is_read_stays_as_it_is() -> None:
    """b waits for a's lock; the value that a reads is the one that it writes over."""
    locks = f"{READS} FOR UPDATE"
    write = "UPDATE accounts SET balance = v_left - p_amount WHERE id = p_account"
    played = (
        Played(accounts=paid(100), log=[])
        .calls("a", "SELECT take('a', 30)")
        .runs("a", "take:3", locks)
        .calls("b", "SELECT take('a', 40)")
        .runs("b", "take:3", locks, waits_for="a")
        .runs("a", "take:4", write)
        .answers("a")
        .commits("a", accounts=paid(70))
        .wakes("b")
        .runs("b", "take:4", write)
        .answers("b")
        .commits("b", accounts=paid(30))
    )
    assert played.why("balance 30; every serial order ends with 60") == ()


def test_a_row_that_the_look_would_not_have_found_is_not_missed() -> None:
    played = (
        Played(refunds=[], accounts=paid(0))
        .sends("a", "SELECT count(*) FROM refunds WHERE job = 'j1'")
        .sends("b", "INSERT INTO refunds VALUES ('j2', 10)", refunds=[{"job": "j2", "amount": 10}])
        .sends("b", PAYS, accounts=paid(10))
        .sends("a", PAYS, accounts=paid(20))
    )
    assert played.why() == ()


def test_who_reads_and_comes_first_is_not_to_blame() -> None:
    """a read what b changed later, and did nothing after: a simply came first."""
    played = (
        Played(jobs=jobs("open"), accounts=paid(0))
        .sends("a", LOOKS)
        .sends("b", MARKS, jobs=jobs("failed"))
        .sends("b", PAYS, accounts=paid(10))
        .sends("a", "SELECT 1")
    )
    assert played.why() == ()


def test_what_was_rolled_back_did_not_act() -> None:
    played = (
        Played(jobs=jobs("open"), accounts=paid(0))
        .sends("a", LOOKS)
        .sends("b", MARKS, jobs=jobs("failed"))
        .sends("a", "BEGIN")
        .sends("a", PAYS)
        .sends("a", "ROLLBACK")
        .sends("b", PAYS, accounts=paid(10))
    )
    assert played.why() == ()


def test_checks_that_say_all_themselves_get_no_reason() -> None:
    played = Played(jobs=jobs("open")).sends("a", MARKS, jobs=jobs("failed"))
    assert reasons_of(played.execution(), (Violation(check="deadlock", message="a and b"),)) == ()


def test_histories_without_texts_give_nothing() -> None:
    for history in (samples.double_workers_history(), samples.crash_history(), samples.hostile_history()):
        reasons_of(samples.execution(history), (Violation(check="x", message="y"),))


TEXTS = st.sampled_from(
    [
        *(LOOKS, MARKS, PAYS, READS, "BEGIN", "BEGIN ISOLATION LEVEL SERIALIZABLE", "COMMIT", "COMMIT AND CHAIN"),
        *("ROLLBACK", "DELETE FROM jobs WHERE id = 'j1'", "INSERT INTO jobs VALUES ('j1', NULL)", "no SQL", "", None),
        *("OPEN c FOR SELECT balance FROM accounts", "FETCH c INTO v_left"),
        "SELECT * INTO r FROM jobs WHERE status = 'open' ORDER BY id DESC LIMIT 1 FOR UPDATE SKIP LOCKED",
        "UPDATE accounts SET balance = v_left WHERE id = 'a'",
    ]
)
ROW = st.dictionaries(st.sampled_from(["id", "status", "balance"]), st.none() | st.integers(0, 2) | st.just("j1"))
LEDGERS = st.dictionaries(st.sampled_from(["jobs", "accounts"]), st.lists(ROW, max_size=3).map(tuple))
EVENTS = st.builds(
    Event,
    kind=st.sampled_from(EventKind),
    turn=st.integers(0, 3),
    worker=st.sampled_from(["a", "b", "c"]),
    step=st.sampled_from(["f:1", "f:1~", "s", "s:commit"]),
    sql=TEXTS,
    ledger=LEDGERS,
)


@settings(max_examples=200)
@given(events=st.lists(EVENTS, max_size=25), opening=LEDGERS, closing=LEDGERS)
def test_no_history_is_too_odd(events: list[Event], opening: dict[str, tuple], closing: dict[str, tuple]) -> None:  # type: ignore[type-arg]
    """Of a violation that was found nothing may keep it from being told, and twice the same is said."""
    ordered = tuple(sorted(events, key=lambda event: event.turn))
    execution = samples.execution(History(events=ordered, opening=opening, closing=closing))
    violations = (Violation(check="x", message="balance 3"),)
    told = reasons_of(execution, violations)
    assert told == reasons_of(execution, violations)
    assert all(reason_line(reason) for reason in told)
