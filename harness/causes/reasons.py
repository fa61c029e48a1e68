"""From an execution and what it violates to the reasons for it, the most telling first."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from harness.causes.changes import Ledgers, What
from harness.causes.faults import interrupted, retried, went_on
from harness.causes.order import one_after_the_other
from harness.causes.races import Act, Missed, Races, computed, hands_on, own
from harness.causes.workers import workers_of
from harness.model import Execution, Reason, ReasonKind, Remedy, Violation

MOST = 3
_SPEAK_FOR_THEMSELVES = frozenset(
    {"deadlock", "liveness", "blocking", "answer", "declared_answer", "execute_privilege"}
)
"""Checks whose messages say all: who waits for whom, what was left behind, what was declared, what roles may do."""
_KINDS = {What.INSERT: ReasonKind.UNSEEN, What.UPDATE: ReasonKind.STALE_READ, What.DELETE: ReasonKind.GONE}
_LOCKABLE = re.compile(r"\s*(?!(open|fetch|for|create|return|with)\b)", re.IGNORECASE)
"""Not what takes its rows later than it begins, and not what takes no FOR UPDATE."""
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    reason: Reason
    rank: tuple[int, ...]


def reasons_of(execution: Execution, violations: Sequence[Violation], isolation: str = "") -> tuple[Reason, ...]:
    """Why ``execution`` violates what it does; () where nothing can be read off. ``isolation``: the level of
    transactions that do not say one themselves, as in `SavedSchedule` ("": the server's own default, the weakest)."""
    if all(v.check in _SPEAK_FOR_THEMSELVES for v in violations):
        return ()
    if (alone := one_after_the_other(execution)) is not None:
        return (alone,)
    ledgers = Ledgers(execution.history)
    races = Races(ledgers, workers_of(execution.history, ledgers.tables, isolation))
    kept: dict[tuple[frozenset[str], str], Reason] = {}
    for each in sorted(_raced(races, violations), key=lambda found: found.rank):
        kept.setdefault((frozenset({each.reason.worker, each.reason.other}), each.reason.table), each.reason)
    return (
        tuple(kept.values())[:MOST]
        or retried(execution, races)
        or interrupted(execution, races)
        or went_on(execution, races)
    )


def _raced(races: Races, violations: Sequence[Violation]) -> Iterator[_Found]:
    words = {w for v in violations for w in re.findall(r"\w+", v.message)}
    for missed in races.missed:
        if not races.returns(missed.other, missed.worker):
            continue
        about = bool(words & {missed.change.table, *missed.columns})
        if (over := next(_over(races, missed), None)) is not None:
            act, columns = over
            yield _found(races, missed, act, columns, form=0, first=about, kind=ReasonKind.OVERWRITTEN)
            continue
        acts = [a for a in races.acts[missed.worker] if _follows(a, missed)] or _stands(races, missed)
        late = [a for a in acts if a.turn >= missed.change.turn]
        added = any(own(a, missed) for a in acts) and races.same_row(missed.worker, missed.change)
        if added and (handed := [a for a in late if hands_on(a, missed)]):
            late = handed
        elif added and not (about and _looked_at(races, missed) == {missed.change.table}):
            continue  # what is added to the value of the moment is right whatever was read, unless that decided it
        if late:
            yield _found(races, missed, late[0], missed.columns, form=0)
        elif acts and _second(races, missed, acts[0]):
            written = any(a.turn < missed.turn for a in _of(races, missed))
            yield _found(races, missed, acts[0], missed.columns, form=1 if written else 2)
        elif not acts and _both(missed):
            yield _found(races, missed, None, missed.columns, form=3)


def _over(races: Races, missed: Missed) -> Iterator[tuple[Act, frozenset[str]]]:
    """Writes over the change, of what was computed from the value before it."""
    left = [c for c, t in races.authors if t.worker == missed.worker]
    for act in races.written[missed.worker]:
        columns = computed(act, missed, left)
        if columns and act.turn >= missed.change.turn and _follows(act, missed):
            yield act, columns


def _both(missed: Missed) -> bool:
    """Whether one statement went by the row both as it was and as it had become: the lock waited, the look did not."""
    step = missed.step
    fresh = any(look.fresh and look.table == missed.change.table for look in step.access.looks)
    return fresh and step.done is not None and step.done >= missed.change.turn


def _follows(act: Act, missed: Missed) -> bool:
    return act.turn >= missed.turn and (act.step is None or act.step.turn >= missed.step.turn)


def _stands(races: Races, missed: Missed) -> list[Act]:
    """What the worker had written before it looked, and then let stand by committing it (a trigger looks like that)."""
    mine = missed.step.transaction
    written = [a for a in races.acts[missed.worker] if a.transaction is mine]
    return [replace(a, turn=mine.commit, put=None) for a in written[:1] if mine.commit is not None]


def _looked_at(races: Races, missed: Missed) -> set[str]:
    """The tables that the worker looked at otherwise than to lock or write what it found."""
    steps = races.workers[missed.worker].steps
    return {look.table for s in steps for look in s.access.looks if not look.fresh}


def _of(races: Races, missed: Missed) -> list[Act]:
    """The other's writes of the table in question."""
    return [a for a in races.acts[missed.other] if a.table == missed.change.table and a.turn <= missed.change.turn]


def _second(races: Races, missed: Missed, act: Act) -> bool:
    """Whether the other had written something before ``act``: the first of two is not to blame."""
    return any(a.turn < act.turn for a in races.acts[missed.other])


def _found(
    races: Races,
    missed: Missed,
    act: Act | None,
    columns: frozenset[str],
    *,
    form: int,
    first: bool = False,
    kind: ReasonKind | None = None,
) -> _Found:
    change = missed.change
    telling = _telling(columns, missed)
    column = telling[0] if telling else None
    gone = change.what is What.DELETE
    reason = Reason(
        kind=kind or _KINDS[change.what],
        worker=missed.worker,
        other=missed.other,
        table=change.table,
        columns=telling,
        read_turn=missed.turn,
        changed_turn=change.turn,
        acted_turn=act.turn if act is not None else missed.step.done,
        before=change.before.get(column) if change.before is not None and column and not gone else None,
        after=change.after.get(column) if change.after is not None and column else None,
        remedy=_remedy(races, missed, act),
    )
    return _Found(reason=reason, rank=(not first, form, -missed.turn, change.turn))


def _telling(columns: frozenset[str], missed: Missed) -> tuple[str, ...]:
    """The columns in the order of the table, times last and only where there is nothing else."""
    row = missed.change.before or missed.change.after or {}
    ordered = [c for c in row if c in columns] + sorted(columns - row.keys())
    after = missed.change.after or {}
    plain = [c for c in ordered if not _TIME.match(str(after.get(c)))]
    return tuple(plain or ordered)


def _remedy(races: Races, missed: Missed, act: Act | None) -> Remedy | None:
    """What is certain: a lock on a row that was there, held to the end of the transaction that also wrote."""
    if missed.change.what is What.INSERT:
        return Remedy.NO_ROW
    if act is None or missed.step.transaction.keeps_snapshot:
        return None
    if act.transaction is not missed.step.transaction:
        return Remedy.TOGETHER
    written = [a.turn for a in _of(races, missed) if a.put is not None and a.put.event != "insert"]
    if not missed.look.lockable or not written or missed.step.access.puts or not _LOCKABLE.match(missed.step.text):
        return None
    return Remedy.LOCK_WAITS if max(written) < missed.turn else Remedy.LOCK_HOLDS
