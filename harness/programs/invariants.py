"""Invariants that are functions: given a connection, and how the workers ended, they assert."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from harness.checks.invariants import ASSERTION
from harness.db import connect
from harness.driver.actor import wanted
from harness.errors import UsageError
from harness.model import Event, EventKind, Execution, Json, Row

Invariant = Callable[..., object]
GIVEN = ("conn", "answers")
_LIMIT = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How a worker ended. ``returned``: what its function returned, as JSON has it. ``raised``: the last line of the
    traceback, "" for none; ``sqlstate``: where that was an error of the server."""

    returned: Json = None
    raised: str = ""
    sqlstate: str | None = None


class Asserted:
    """The functions ``invariants`` by name, on one database at a time."""

    def __init__(self, invariants: Mapping[str, Invariant]) -> None:
        self._invariants = {name: (invariant, wanted(invariant, GIVEN)[0]) for name, invariant in invariants.items()}
        self._connection: psycopg.Connection[Any] | None = None

    def open(self, conninfo: str) -> None:
        """From now on look into this database."""
        self.close()
        if self._invariants:
            self._connection = connect(conninfo, application_name="refund-harness invariants", autocommit=False)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def rows(self, execution: Execution | None) -> Mapping[str, tuple[Row, ...]]:
        """Of each invariant the words of its assertion, if that fails. None in place of ``execution``: it is still
        under way, and those are left out that ask how it ended. Raises `UsageError` for any other exception."""
        answers = None if execution is None else answers_of(execution)
        return {
            name: self._one(name, invariant, takes, answers)
            for name, (invariant, takes) in self._invariants.items()
            if answers is not None or "answers" not in takes
        }

    def _one(
        self, name: str, invariant: Invariant, takes: Sequence[str], answers: Mapping[str, Answer] | None
    ) -> tuple[Row, ...]:
        given = {"conn": self._connection, "answers": answers}
        with self._undone():
            try:
                invariant(**{n: given[n] for n in takes})
            except AssertionError as failed:
                return ({ASSERTION: _words(failed)},)
            except psycopg.errors.LockNotAvailable:
                return ()  # a worker that is under way has the table to itself: what is committed will be seen later
            except Exception as error:
                said = "".join(traceback.format_exception_only(error)).strip().splitlines()[0]
                raise UsageError(f"invariant {name}: {_place(error)} raised {said}") from error
        return ()

    @contextmanager
    def _undone(self) -> Iterator[None]:
        """Whatever an invariant does, it leaves nothing."""
        assert self._connection is not None
        self._connection.execute("SET LOCAL lock_timeout = '50ms'")
        try:
            yield
        finally:
            self._connection.rollback()


def answers_of(execution: Execution) -> Mapping[str, Answer]:
    """By worker; who never came to an end is not in it."""
    ends = (e for e in execution.history.events if e.kind is EventKind.END)
    return {e.worker: _answer(e) for e in ends}


def _answer(end: Event) -> Answer:
    if end.answer:
        return Answer(returned=end.answer[0].get("returned"))
    raised = (end.message or "").removeprefix("raised ")
    return Answer(raised=raised, sqlstate=end.sqlstate)


def _words(failed: AssertionError) -> str:
    """The assertion's message; where it has none, the line of code."""
    text = str(failed).strip().split("\n\n")[0]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    said = lines[0] if lines else f"{traceback.extract_tb(failed.__traceback__)[-1].line}"
    return said[:_LIMIT]


def _place(error: BaseException) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}"
