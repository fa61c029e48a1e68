"""Histories written down by hand, one statement a turn, for what is read off them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.causes import reasons_of
from harness.model import (
    Action,
    Choice,
    Decision,
    Event,
    EventKind,
    Execution,
    History,
    Ledger,
    Reason,
    Schedule,
    Violation,
)

Rows = list[dict[str, Any]]


class Played:
    """``sends``: a client's statement, answered at once. ``runs``: a statement inside a function. ``leaves``: what is
    committed after the turn, table by table (others stay as they are)."""

    def __init__(self, **opening: Rows) -> None:
        self.opening: Ledger = {table: tuple(rows) for table, rows in opening.items()}
        self.events: list[Event] = []
        self.decisions: list[Decision] = []
        self._now = self.opening

    def sends(self, worker: str, sql: str, *, fails: str = "", step: str = "", **leaves: Rows) -> Played:
        turn = self._turn(worker)
        step = step or f"s{turn}"
        self._note(EventKind.INVOKE, worker, step=step, sql=sql)
        if fails:
            self._note(EventKind.FAIL, worker, step=step, sqlstate=fails)
        else:
            self._note(EventKind.OK, worker, step=step)
        return self._left(leaves)

    def calls(self, worker: str, sql: str, step: str = "call") -> Played:
        """A call that stops inside of its function; `runs` and `answers` go on with it."""
        self._turn(worker)
        self._note(EventKind.INVOKE, worker, step=step, sql=sql)
        return self

    def runs(self, worker: str, site: str, sql: str, *, waits_for: str = "") -> Played:
        self._turn(worker)
        self._note(EventKind.STEP, worker, step=site, sql=sql)
        if waits_for:
            self._note(EventKind.BLOCKED, worker, blockers=(waits_for,))
        return self

    def wakes(self, worker: str) -> Played:
        """In the turn of the last statement."""
        self._note(EventKind.WOKEN, worker)
        return self

    def answers(self, worker: str, step: str = "call") -> Played:
        self._note(EventKind.OK, worker, step=step)
        return self

    def commits(self, worker: str, step: str = "call", **leaves: Rows) -> Played:
        """The commit of a call, which is a step of its own."""
        return self.sends(worker, "COMMIT", step=f"{step}:commit", **leaves)

    def dies(self, worker: str, *, more: bool = True, lost: bool = False) -> Played:
        """SIGKILL. ``more``: it had more to do. ``lost``: an answer was under way."""
        enabled = (Choice(worker=worker, step="next"),) if more else ()
        choice = Choice(worker=worker, action=Action.KILL)
        self.decisions.append(Decision(choice=choice, enabled=(*enabled, choice)))
        self._note(EventKind.CRASH, worker, message="SIGKILL")
        if lost:
            self._note(EventKind.INFO, worker)
        return self

    def execution(self) -> Execution:
        history = History(events=tuple(self.events), opening=self.opening, closing=self._now)
        return Execution(number=0, schedule=Schedule(seed=0, decisions=tuple(self.decisions)), history=history)

    def why(self, message: str = "broken", isolation: str = "") -> tuple[Reason, ...]:
        return reasons_of(self.execution(), (Violation(check="serial_equivalence", message=message),), isolation)

    # ------------------------------------------------------------------------------------------------- helpers

    def _turn(self, worker: str) -> int:
        choice = Choice(worker=worker, step="s")
        self.decisions.append(Decision(choice=choice, enabled=(choice,)))
        return len(self.decisions) - 1

    def _left(self, leaves: Mapping[str, Rows]) -> Played:
        if leaves:
            self._now = {**self._now, **{table: tuple(rows) for table, rows in leaves.items()}}
            self._note(EventKind.LEDGER, "", ledger=self._now)
        return self

    def _note(self, kind: EventKind, worker: str, **values: Any) -> None:
        self.events.append(Event(kind=kind, turn=len(self.decisions) - 1, worker=worker, **values))
