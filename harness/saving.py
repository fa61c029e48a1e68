"""Counterexamples on disk: a schedule to replay and the history as JSON lines. Saved before anything is printed."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from harness.files import write_atomically
from harness.model import Event, Execution, HeldLock, Liveness, Moment, Scenario, SessionMoment, Violation
from harness.schedule import SavedSchedule, encode


def save_counterexample(
    folder: Path | None,
    scenario: Scenario,
    server: str,
    order: int,
    execution: Execution,
    violations: Sequence[Violation],
    suffix: int | str,
    without: Collection[str] = (),
    retry: str = "",
    isolation: str = "",
    case: str = "",
    moments: Sequence[Moment] = (),
) -> str:
    """Write ``NAME-SUFFIX.schedule`` and ``NAME-SUFFIX.history.jsonl``; the schedule's path ("" without a folder).
    ``retry``, ``isolation``: as in `SavedSchedule`. ``moments``: as in `save_history`."""
    if folder is None:
        return ""
    path = folder / f"{scenario.name}-{suffix}.schedule"
    saved = SavedSchedule(
        scenario=scenario.name,
        file=scenario.file,
        hash=scenario.hash,
        server=server,
        order=order,
        checks=tuple(dict.fromkeys(v.check for v in violations)),
        schedule=execution.schedule,
        without=tuple(sorted(without)),
        retry=retry,
        isolation=isolation,
        case=case,
    )
    write_atomically(path, encode(saved).encode())
    save_history(path.with_suffix(".history.jsonl"), execution, violations, moments)
    return str(path)


def save_passing(
    replay: str,
    scenario: Scenario,
    server: str,
    order: int,
    execution: Execution,
    without: Collection[str],
    retry: str = "",
    isolation: str = "",
) -> str:
    """Write an execution that violates nothing beside the counterexample whose schedule is ``replay``, as
    ``NAME.passing.schedule`` and ``NAME.passing.history.jsonl``; the schedule's path ("" where ``replay`` is "")."""
    if not replay:
        return ""
    path = Path(replay)
    suffix = f"{path.stem.removeprefix(f'{scenario.name}-')}.passing"
    return save_counterexample(
        path.parent, scenario, server, order, execution, (), suffix, without, retry=retry, isolation=isolation
    )


def save_history(
    path: Path, execution: Execution, violations: Sequence[Violation] = (), moments: Sequence[Moment] = ()
) -> None:
    """One event a line, without empty fields; the opening ledger first, the closing one and what was violated last.
    Behind the events of each turn that was looked at: all sessions then, with their locks. `recorded.read_history`
    reads it back."""
    history, left = execution.history, list(moments)
    lines: list[dict[str, Any]] = [{"kind": "opening", "execution": execution.number, "ledger": history.opening}]
    for event in history.events:
        while left and left[0].turn < event.turn:
            lines.append(_moment(left.pop(0)))
        lines.append(_filled(event))
    lines += map(_moment, left)
    lines.append({"kind": "closing", "ledger": history.closing, **_filled(history.liveness)})
    lines += [{"kind": "violation", **_filled(violation)} for violation in violations]
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    # A lone surrogate has no UTF-8 form; Python's escape for it happens to be JSON's.
    write_atomically(path, text.encode("utf-8", "backslashreplace"))


def _moment(moment: Moment) -> dict[str, Any]:
    sessions = [
        {**_filled(session), **({"locks": [_filled(lock) for lock in session.locks]} if session.locks else {})}
        for session in moment.sessions
    ]
    return {"kind": "moment", "turn": moment.turn, "sessions": sessions}


def _filled(value: Event | HeldLock | Liveness | SessionMoment | Violation) -> dict[str, Any]:
    """The fields that are not empty: those that are have that for their default."""
    fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    empty = {f.name: f.default for f in dataclasses.fields(value) if f.default in (None, "", ())}
    return {k: v for k, v in fields.items() if k not in empty or v != empty[k]}
