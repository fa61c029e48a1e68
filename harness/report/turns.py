"""Events gathered turn by turn: what each worker did, who waited for how long, what was committed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from harness.model import Event, EventKind, Ledger
from harness.report.answers import answer_text, step_text
from harness.report.text import clean, one_line, pretty_json

SQL_LIMIT = 20_000
DETAIL_LIMIT = 4_000
MESSAGE_LIMIT = 72
NAME_LIMIT = 40
STEP_LIMIT = 56


class CellKind(StrEnum):
    """What happened to a worker in one turn; of several things the gravest, and that is the last of this list."""

    STEP = "step"
    END = "end"
    WOKEN = "woken"
    BLOCKED = "blocked"
    FAIL = "fail"
    UNKNOWN = "unknown"
    CRASH = "crash"


_BEGINNINGS = (EventKind.INVOKE, EventKind.STEP, EventKind.SIGTERM, EventKind.FAULT)
_GRAVITY = {kind: rank for rank, kind in enumerate(CellKind)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What one worker did in one turn: one line of text, and the full SQL and answer behind it ("" when none).
    ``site``: the point inside a function that it stood at (`refund:41`; "": it was not inside one)."""

    text: str
    kind: CellKind
    sql: str = ""
    detail: str = ""
    site: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockedSpan:
    """`worker` waited from turn `start` to turn `end`; `end` is None when nothing ever woke it. ``behind``: those it
    waited for at first."""

    worker: str
    start: int
    end: int | None
    behind: tuple[str, ...] = ()


class Turns:
    """Takes the events of one history in order. `names`: worker → column name; `ledgers`: turn → committed rows."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.ledgers: dict[int, Ledger] = {}
        self._drafts: dict[int, dict[str, _Draft]] = {}
        self._deadlocks: list[Event] = []
        self._operation: dict[str, Event] = {}
        self._halves: dict[int, str] = {}
        """Turns that went on from an overlap point: the text that says so."""
        self._waiting_since: dict[str, Event] = {}
        self._spans: list[BlockedSpan] = []

    def take(self, event: Event) -> None:
        """Note one event."""
        if event.kind is EventKind.LEDGER:
            self.ledgers[event.turn] = event.ledger or {}
        elif event.kind is EventKind.DEADLOCK:
            self._deadlocks.append(event)
        else:
            self._draw(event, self._draft(event.turn, event.worker))
            self._follow_wait(event)

    def cells(self) -> dict[int, dict[str, Cell]]:
        """Turn → column name → cell, once every event was taken."""
        for event in self._deadlocks:
            cycle = " ↔ ".join(self._name(worker) for worker in event.blockers)
            self._draft(event.turn, self._victim(event)).add(f"deadlock: {cycle}", CellKind.FAIL)
        self._deadlocks.clear()
        self._join_halves()
        return {turn: {name: d.cell() for name, d in drafts.items()} for turn, drafts in self._drafts.items()}

    def _join_halves(self) -> None:
        """An overlap point at which nobody else came between is no step worth a line: its turn joins the one before."""
        for turn in sorted(self._halves):
            before = self._drafts.get(turn - 1, {})
            now = self._drafts.get(turn, {})
            if len(before) == len(now) == 1 and before.keys() == now.keys() and turn - 1 not in self.ledgers:
                [(name, second)], first = now.items(), before[next(iter(before))]
                if first.kind is CellKind.STEP and second.kind is not CellKind.WOKEN:
                    second.take_over(first, self._halves[turn])
                    self._drafts[turn - 1].pop(name)
                    del self._drafts[turn - 1]

    def spans(self) -> tuple[BlockedSpan, ...]:
        """Every wait, by its first turn."""
        left = [self._span(began, None) for began in self._waiting_since.values()]
        return tuple(sorted([*self._spans, *left], key=lambda span: (span.start, span.worker)))

    def _draw(self, event: Event, draft: _Draft) -> None:
        message = one_line(event.message or "", MESSAGE_LIMIT)
        if event.message and len(event.message) > len(message):
            draft.details.append(clean(event.message, DETAIL_LIMIT))
        # What strikes a process rather than a statement needs no step.
        if event.kind is EventKind.CRASH:
            return draft.add(message or "SIGKILL", CellKind.CRASH)
        if event.kind is EventKind.FAULT:
            return draft.add(message, CellKind.CRASH)
        if event.kind is EventKind.SIGTERM:
            return draft.add(message if "SIGTERM" in message else f"SIGTERM {message}".rstrip(), CellKind.END)
        if event.kind is EventKind.END:
            return draft.add(f"ends: {message}" if message else "ends", CellKind.END)
        if event.kind in (EventKind.INVOKE, EventKind.STEP):
            self._operation[event.worker] = event
        invoked = self._operation.get(event.worker, event)
        draft.sql = draft.sql or clean(invoked.sql or "", SQL_LIMIT)
        draft.site = invoked.step.removesuffix("~") if invoked.kind is EventKind.STEP else ""
        if event.kind is EventKind.STEP and event.step.endswith("~"):
            self._halves[event.turn] = _inside_text(event)
        step = _inside_text(invoked) if invoked.kind is EventKind.STEP else step_text(invoked)
        return self._draw_operation(event, draft, step, invoked.sql, message)

    def _draw_operation(self, event: Event, draft: _Draft, step: str, sql: str | None, message: str) -> None:
        match event.kind:
            case EventKind.INVOKE | EventKind.STEP:
                draft.begin(step, CellKind.STEP)
            case EventKind.WOKEN:
                draft.begin(f"woken: {step}", CellKind.WOKEN)
            case EventKind.BLOCKED:
                others = ", ".join(self._name(blocker) for blocker in event.blockers)
                draft.finish(step, f" (BLOCKED by {others})" if others else " (BLOCKED)", CellKind.BLOCKED)
            case EventKind.OK:
                answer = answer_text(event.answer, sql)
                draft.finish(step, f" → {answer}" if answer else "", CellKind.STEP)
                if event.answer:
                    draft.details.append(_answer_detail(event))
            case EventKind.FAIL:
                code = one_line(event.sqlstate or "", 12)
                draft.finish(step, " ✗ " + " ".join(part for part in (code, message) if part), CellKind.FAIL)
            case EventKind.INFO:
                unknown = f"effect unknown: {message}" if message else "effect unknown"
                if step in draft.parts:  # the crash that hid the answer stands between
                    draft.add(unknown, CellKind.UNKNOWN)
                else:
                    draft.finish(step, f" → {unknown}", CellKind.UNKNOWN)

    def _follow_wait(self, event: Event) -> None:
        if event.kind is EventKind.BLOCKED:
            self._waiting_since.setdefault(event.worker, event)
        elif event.kind not in _BEGINNINGS and event.worker in self._waiting_since:
            self._spans.append(self._span(self._waiting_since.pop(event.worker), event.turn))

    def _span(self, began: Event, end: int | None) -> BlockedSpan:
        behind = tuple(self._name(blocker) for blocker in began.blockers)
        return BlockedSpan(worker=self._name(began.worker), start=began.turn, end=end, behind=behind)

    def _victim(self, deadlock: Event) -> str:
        """Whose cell tells of a deadlock: the worker it names, else the one that failed then, else one that acted."""
        drafts = self._drafts.get(deadlock.turn, {})
        acted = [worker for worker in deadlock.blockers if self._name(worker) in drafts]
        failed = [worker for worker in acted if drafts[self._name(worker)].kind is CellKind.FAIL]
        return deadlock.worker or next(iter([*failed, *acted, *deadlock.blockers]), "")

    def _draft(self, turn: int, worker: str) -> _Draft:
        return self._drafts.setdefault(turn, {}).setdefault(self._name(worker), _Draft())

    def _name(self, worker: str) -> str:
        """A name fit for a heading; two workers never share one, however alike their names look once cleaned."""
        if worker not in self.names:
            name = unique = one_line(worker, NAME_LIMIT) or "?"
            number = 2
            while unique in self.names.values():
                unique, number = f"{name}~{number}", number + 1
            self.names[worker] = unique
        return self.names[worker]


class _Draft:
    """A cell in the making: `begin` writes what was asked, `finish` completes it with how it went."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.kind = CellKind.STEP
        self.sql = ""
        self.site = ""
        self.details: list[str] = []
        self._open = False

    def begin(self, text: str, kind: CellKind) -> None:
        self.add(text, kind)
        self._open = True

    def finish(self, step: str, ending: str, kind: CellKind) -> None:
        if not self._open:
            self.parts.append(step)
        self.parts[-1] += ending
        self._raise_to(kind)
        self._open = False

    def add(self, text: str, kind: CellKind) -> None:
        self.parts.append(text)
        self._raise_to(kind)
        self._open = False

    def take_over(self, first: _Draft, half: str) -> None:
        """This cell continues ``first``: it begins with that one's text in place of ``half``."""
        whole = first.parts[-1]
        self.parts = [*first.parts[:-1], *(p.replace(half, whole, 1) for p in self.parts)]
        self.sql = first.sql or self.sql

    def cell(self) -> Cell:
        text, detail = " · ".join(self.parts), "\n".join(self.details)
        return Cell(text=text, kind=self.kind, sql=self.sql, detail=detail, site=self.site)

    def _raise_to(self, kind: CellKind) -> None:
        self.kind = max(self.kind, kind, key=_GRAVITY.__getitem__)


def _inside_text(event: Event) -> str:
    """A step inside a function: the site and its statement, or the rest of it after an overlap point."""
    if event.step.endswith("~"):
        return f"{one_line(event.step.removesuffix('~'), NAME_LIMIT)} … with the snapshot taken before"
    return f"{one_line(event.step, NAME_LIMIT)} {one_line(event.sql or '', STEP_LIMIT)}".rstrip()


def _answer_detail(event: Event) -> str:
    rows = [dict(row) for row in event.answer or ()]
    return pretty_json(next(iter(rows[0].values())) if len(rows) == 1 == len(rows[0]) else rows, DETAIL_LIMIT)
