"""Executions from words: ``a.x b.x a.y`` are three decisions."""

from __future__ import annotations

from harness.model import Choice, Decision, Execution, History, Schedule


def choices(text: str) -> list[Choice]:
    return [Choice(worker=w, step=s) for w, _, s in (word.partition(".") for word in text.split())]


def taken(text: str, number: int = 0) -> Execution:
    decisions = tuple(Decision(choice=c, enabled=(c,)) for c in choices(text))
    history = History(events=(), opening={}, closing={})
    return Execution(number=number, schedule=Schedule(seed=0, decisions=decisions), history=history)


def words(execution: Execution) -> str:
    return " ".join(str(d.choice) for d in execution.schedule.decisions)
