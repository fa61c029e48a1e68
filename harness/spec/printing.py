"""What isolationtester says, in its words and bytes."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

from psycopg import pq
from psycopg.pq import abc

from harness.spec.form import Spec, Turn
from harness.spec.tables import aligned

_SHOWN = (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.EMPTY_QUERY)


class Stream(Enum):
    """Where isolationtester writes it. An expected output holds both, as they come."""

    OUT = auto()
    ERR = auto()


Sink = Callable[[bytes, Stream], None]
"""Takes what is printed, piece by piece."""


def raw(text: str) -> bytes:
    """``text`` as it stood in its file."""
    return text.encode("utf-8", "surrogateescape")


class Printer:
    """Writes to ``sink`` what isolationtester would print."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def read(self, spec: Spec) -> None:
        for name in spec.unused:
            self.trouble(f"unused step name: {name}\n")
        self.say(f"Parsed test spec with {len(spec.sessions)} sessions\n")

    def starting(self, turns: tuple[Turn, ...]) -> None:
        self.say(f"\nstarting permutation:{''.join(f' {turn.step.name}' for turn in turns)}\n")

    def waiting(self, turn: Turn) -> None:
        self.say(f"step {turn.step.name}: {turn.step.sql} <waiting ...>\n")

    def completed(self, turn: Turn, *, waited: bool) -> None:
        self.say(f"step {turn.step.name}: {'<... completed>' if waited else turn.step.sql}\n")

    def canceling(self, turn: Turn, seconds: float) -> None:
        self.say(f"isolationtester: canceling step {turn.step.name} after {int(seconds)} seconds\n")

    def notice(self, session: str, message: bytes) -> None:
        self._sink(raw(f"{session}: ") + message, Stream.OUT)

    def notification(self, session: str, message: pq.PGnotify, sender: str) -> None:
        words = (raw(f'{session}: NOTIFY "'), message.relname, b'" with payload "', message.extra)
        self._sink(b"".join((*words, raw(f'" from {sender}\n'))), Stream.OUT)

    def result(self, result: abc.PGresult) -> None:
        """One result of a step: rows as a table, of an error only what cannot differ from run to run."""
        if result.status == pq.ExecStatus.TUPLES_OK:
            self.table(result)
        elif result.status == pq.ExecStatus.FATAL_ERROR:
            severity = result.error_field(pq.DiagnosticField.SEVERITY)
            message = result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY)
            told = b"%s:  %s" % (severity, message) if severity and message else result.error_message
            self._sink(told + b"\n", Stream.OUT)
        elif result.status not in _SHOWN:
            self.say(f"unexpected result status: PGRES_{pq.ExecStatus(result.status).name}\n")

    def table(self, result: abc.PGresult) -> None:
        columns = range(result.nfields)
        names = [result.fname(c) or b"" for c in columns]
        rows = [[result.get_value(row, c) or b"" for c in columns] for row in range(result.ntuples)]
        if table := aligned(names, rows):
            self._sink(table, Stream.OUT)

    def say(self, text: str) -> None:
        self._sink(raw(text), Stream.OUT)

    def trouble(self, text: str, cause: bytes = b"") -> None:
        self._sink(raw(text) + cause, Stream.ERR)
