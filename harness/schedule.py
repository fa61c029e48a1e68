"""Schedules as versioned text: saved with every counterexample, read back by ``harness replay``."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from harness.errors import UsageError
from harness.model import LEVELS, MARKS, Action, Choice, Decision, Schedule

_HEADER = "harness-schedule 1"
_KEYS = ("scenario", "file", "hash", "server", "seed", "order", "checks")
_OPTIONAL = ("without", "retry", "isolation", "case")


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedSchedule:
    """A counterexample on disk. ``file``: the scenario's path; ``hash``: of its text and SQL; ``order``: index of the
    interleaving that it came from; ``checks``: names of the checks that it violated; ``without``: workers and
    statements ("worker.statement") that it does not need; ``retry``: the worker that a fault struck, after which the
    same statements were sent by a worker of their own ("worker.statement": from that one on; "": none); ``isolation``:
    the level of the workers' transactions (a key of `LEVELS`), where that is not the scenario's own; ``case``: name of
    the single call that it is ("": none)."""

    scenario: str
    file: str
    hash: str
    server: str
    order: int
    checks: tuple[str, ...]
    schedule: Schedule
    without: tuple[str, ...] = ()
    retry: str = ""
    isolation: str = ""
    case: str = ""


def encode(saved: SavedSchedule) -> str:
    """The text of a saved schedule: a header, then one decision a line: ``choice [blocked] | enabled …``."""
    values = (
        saved.scenario,
        saved.file,
        saved.hash,
        saved.server,
        str(saved.schedule.seed),
        str(saved.order),
        " ".join(saved.checks),
    )
    lines = [_HEADER, *(f"{k}: {v}" for k, v in zip(_KEYS, values, strict=True))]
    lines += [f"without: {' '.join(saved.without)}"] if saved.without else []
    lines += [f"retry: {saved.retry}"] if saved.retry else []
    lines += [f"isolation: {saved.isolation}"] if saved.isolation else []
    lines += [f"case: {saved.case}", ""] if saved.case else [""]
    for d in saved.schedule.decisions:
        mark = " blocked" if d.blocked else ""
        lines.append(f"{d.choice}{mark} | {' '.join(map(str, d.enabled))}".rstrip())
    return "\n".join(lines) + "\n"


def decode(text: str, name: str) -> SavedSchedule:
    """The inverse of `encode`. ``name`` stands in errors. Raises `UsageError` with a line number."""
    lines = text.splitlines()
    if not lines or lines[0].strip() != _HEADER:
        raise UsageError(f"{name}:1:1: not a saved schedule: the first line must be {_HEADER!r}")
    values: dict[str, str] = {}
    at = 1
    while at < len(lines) and lines[at].strip():
        key, colon, value = lines[at].partition(":")
        if not colon or key not in (*_KEYS, *_OPTIONAL):
            raise UsageError(f"{name}:{at + 1}:1: expected one of {', '.join(_KEYS)}, found {lines[at][:40]!r}")
        values[key] = value.strip()
        if key == "isolation" and values[key] not in LEVELS:
            raise UsageError(f"{name}:{at + 1}:1: no such isolation level: {values[key][:40]!r}")
        at += 1
    missing = [k for k in _KEYS if k not in values]
    if missing:
        raise UsageError(f"{name}:{at + 1}:1: the header lacks {', '.join(missing)}")
    decisions = [_decision(line, f"{name}:{n + 1}:1") for n, line in enumerate(lines) if n > at and line.strip()]
    try:
        seed, order = int(values["seed"]), int(values["order"])
    except ValueError:
        raise UsageError(f"{name}:1:1: seed and order must be numbers") from None
    return SavedSchedule(
        scenario=values["scenario"],
        file=values["file"],
        hash=values["hash"],
        server=values["server"],
        order=order,
        checks=tuple(values["checks"].split()),
        schedule=Schedule(seed=seed, decisions=tuple(decisions)),
        without=tuple(values.get("without", "").split()),
        retry=values.get("retry", ""),
        isolation=values.get("isolation", ""),
        case=values.get("case", ""),
    )


def read_saved(path: Path) -> SavedSchedule:
    """The saved schedule in ``path``. Raises `UsageError`."""
    try:
        return decode(path.read_text(encoding="utf-8"), str(path))
    except UnicodeDecodeError:
        raise UsageError(f"{path}:1:1: not a saved schedule: not UTF-8") from None
    except OSError as e:
        raise UsageError(f"{path}: cannot be read: {e.strerror}") from None


def size(schedule: Schedule) -> tuple[int, int]:
    """(switches between workers, steps): the smaller, the easier to understand."""
    workers = [d.choice.worker for d in schedule.decisions]
    return sum(a != b for a, b in pairwise(workers)), len(workers)


def _decision(line: str, where: str) -> Decision:
    left, bar, right = line.partition("|")
    words = left.split()
    if not bar or not words or words[1:] not in ([], ["blocked"]):
        raise UsageError(f"{where}: expected 'worker.step | enabled …', found {line[:40]!r}")
    return Decision(
        choice=_choice(words[0], where),
        enabled=tuple(_choice(w, where) for w in right.split()),
        blocked=len(words) == 2,
    )


def _choice(text: str, where: str) -> Choice:
    worker, dot, step = text.partition(".")
    if not dot or not worker or not step:
        raise UsageError(f"{where}: {text!r} is not worker.step")
    if step in (Action.KILL.value, Action.TERM.value):
        return Choice(worker=worker, action=Action(step))
    if step.startswith("!"):
        struck = next((a for a in Action if a.strikes and str(Choice(worker=worker, action=a)) == text), None)
        if struck is None:
            raise UsageError(f"{where}: {text!r}: no such fault")
        return Choice(worker=worker, action=struck)
    step, _, mark = step.partition("!")
    if mark and mark not in MARKS:
        raise UsageError(f"{where}: {text!r}: no such fault")
    return Choice(worker=worker, step=step, action=MARKS[mark] if mark else Action.RUN)
