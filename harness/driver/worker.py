"""A worker process: one connection, one statement at a time, told what to do over a socket pair.

It leaves at once when the controller is gone, whatever it is waiting for: no run leaves a worker behind.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
from collections.abc import Sequence
from typing import Any, NoReturn

import psycopg
from psycopg import pq
from psycopg.pq import abc

from harness.driver.cut import cut
from harness.driver.phrases import HUSH, TELL
from harness.driver.wire import Message, Wire
from harness.model import GATE_SQLSTATE, TURN_SEQUENCE

_INTEGERS = (20, 21, 23, 26)
_FLOATS = (700, 701)
_JSON = (114, 3802)
_BOOLEAN = 16
_COPY = (pq.ExecStatus.COPY_IN, pq.ExecStatus.COPY_OUT, pq.ExecStatus.COPY_BOTH)
_BAD = (pq.ExecStatus.FATAL_ERROR, pq.ExecStatus.BAD_RESPONSE)
_ARRIVED = GATE_SQLSTATE.encode()
SLEEP = b"ProcSleep"
"""Where in the server's source it speaks of waits for locks, to a session that is to tell of them."""
_DEADLOCK_DETECTED = "40P01"
_FIRST_TURN = 1_000_000_001
"""Turn numbers are half of an advisory key: they start where no application's own keys are likely to be."""


_WHO = "SELECT pg_catalog.pg_backend_pid() AS pid"
"""Asked, because a pooler says a number of its own when a connection begins."""
_NUMBERS = f"CREATE TEMPORARY SEQUENCE {TURN_SEQUENCE} AS integer START {_FIRST_TURN}"
"""Sequences do not roll back: a gate's turn number is never given twice, not even after a subtransaction's end."""


def serve(sock: socket.socket) -> NoReturn:
    """Obey the controller at the other end of ``sock`` until it goes away. Never returns."""
    obey(Worker(Wire(sock)))


def obey(worker: Worker) -> NoReturn:
    """Let ``worker`` do what it is told, until its controller is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the controller's business
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the controller went while we answered
        while (message := worker.wire.receive()) is not None:
            worker.told(message)
    worker.leave()


class Worker:
    """The process at the other end of ``wire``."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.conninfo = ""
        self.sigterm = ""
        """What SIGTERM does to the process: as it came when that is empty."""
        self.connection: abc.PGconn | None = None
        self.stopped_backend_may_exist = False
        self.gated = False
        self.numbered = False
        """The session has its sequence of turn numbers."""
        self.asked = 0
        """Number of a question of the controller's that has not been answered yet."""
        self.turn = _FIRST_TURN - 1
        """Number of the gate that was reached last."""
        self.last_words: Message = {}
        """Why the connection is lost, where that came while nothing was asked. Of what is asked next the library tells
        only that the connection is gone, in words that depend on who was faster."""
        self.telling = False
        """The server tells the session of its waits for locks."""
        self.role: str | None = None
        """In which its statements are sent; None for the connection's own."""
        self.backend = 0
        """Number of the server's process."""
        self.waits: list[Message] = []
        """What the server has said of waits for locks, and the controller has not been told yet."""
        self.halted = False
        """Of the statements that came along with the last one no more are to be sent."""

    def told(self, message: Message) -> None:
        """Do what the controller says; ``begin``: and that before. Where the session does not stand as the controller
        takes for granted, that is told, and nothing more is done."""
        begin = message.pop("begin", None)
        if begin is not None and not self._begun_as_known(begin):
            self.wire.send({"begun": False})
            return
        getattr(self, "do_" + message.pop("do"))(**message)

    def do_begin(
        self,
        conninfo: str,
        role: str | None,
        wipe: bool,
        sigterm: str,
        owned: bool,
        gated: bool = False,
        telling: bool = False,
    ) -> None:
        """Make the session as new; ``wipe``: also what earlier statements left in it; ``gated``: tell the controller of
        every gate that is reached (it holds the key that the session then waits for); ``telling``: and of waits."""
        self.wire.send({**self._begun(conninfo, role, wipe, sigterm, owned, gated, telling), "turn": self.turn})

    def _begun_as_known(self, begin: Message) -> bool:
        """Make the session as new, and see whether its backend, and the gate that it reached last, are those that the
        controller ``stands`` by."""
        backend, turn = begin.pop("stands")
        reply = self._begun(**begin)
        return reply.get("ready") == backend and (self.turn == turn or not self.gated)

    def _begun(
        self, conninfo: str, role: str | None, wipe: bool, sigterm: str, owned: bool, gated: bool, telling: bool
    ) -> Message:
        if sigterm != self.sigterm:
            signal.signal(signal.SIGTERM, signal.SIG_DFL if sigterm == "exit" else signal.SIG_IGN)
            self.sigterm = sigterm
        self.stopped_backend_may_exist = owned
        if conninfo != self.conninfo:
            self._disconnect()
        kept = self.connection is not None
        self.gated = False
        self.waits = []
        reply = self._begin(conninfo, role, wipe, gated, telling)
        if kept and "lost" in reply:  # it was terminated since the last execution, which shows only now
            self._disconnect()
            reply = self._begin(conninfo, role, wipe, gated, telling)
        self.gated = gated
        return reply

    def do_run(self, sql: str, then: Sequence[str] = ()) -> None:
        """Send one statement and report its result; before that, every gate that it reaches. ``then``: the next ones to
        send, each with a report of its own, as long as nothing fails and nobody says `halt`."""
        self.halted = False
        reply = self._run(sql)
        self._reply(reply)
        for following in then:
            if "ok" not in reply or self._told_to_halt():
                break
            reply = self._run(following)
            self._reply(reply)

    def do_halt(self) -> None:
        """Send no more of the statements that came along with the last one."""
        self.halted = True

    def do_time(self, sql: str, opens: bool, setting: str, ms: int) -> None:
        """The same with a timeout for this one statement, in the transaction in hand or one that it ``opens``. The
        session has its old timeout again afterwards; "late": the new one struck before or after the statement."""
        self._reply(self._timed(sql, opens, setting, ms))

    def do_send(self, sql: str) -> None:
        """Send one statement and never look at the answer."""
        assert self.connection is not None
        self.connection.send_query(sql.encode())
        self._flush(self.connection)
        self.wire.send({"sent": True})

    def do_ping(self, number: int) -> None:
        """Nothing is under way."""
        self.wire.send({"pong": number})

    def do_reset(self, why: str = "it was cut") -> None:
        """Cut the connection, as a network does: the server's end and ours are not told."""
        assert self.connection is not None
        cut(self.connection.socket)
        self.last_words = {"lost": why, "sqlstate": None}
        self.wire.send({"reset": True})

    def do_lend(self) -> None:
        """Pass a duplicate of the server's socket on: while that is open the server does not notice our death."""
        assert self.connection is not None
        self.wire.lend({"lent": True, "ssl": bool(self.connection.ssl_in_use)}, self.connection.socket)

    def do_splice(self) -> None:
        """Hand the server's socket over, and talk to whoever takes it from now on: a proxy, which also gets the other
        end of what the library takes for the server. Nothing may be under way."""
        assert self.connection is not None
        if self.connection.ssl_in_use:
            self.wire.send({"spliced": False})
            return
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)  # as the library has left its own
            self.wire.lend({"spliced": True}, self.connection.socket, theirs.fileno())
            os.dup2(ours.fileno(), self.connection.socket)

    def do_wipe(self) -> None:
        """Let go of everything that the session holds."""
        self.wire.send(self._wipe())

    def do_disconnect(self) -> None:
        """Close the connection, so that its database can be dropped or copied."""
        self._disconnect()
        self.wire.send({"ready": 0})

    def leave(self) -> NoReturn:
        """Go now. A backend that the controller had stopped must run again, or it would outlive its server's end."""
        if (
            self.stopped_backend_may_exist
            and self.connection is not None
            and self.connection.status == pq.ConnStatus.OK
        ):
            with contextlib.suppress(OSError):  # already gone, or not ours after all
                os.kill(self.backend, signal.SIGCONT)
        os._exit(0)

    def _begin(self, conninfo: str, role: str | None, wipe: bool, gated: bool, telling: bool) -> Message:
        if self.connection is None:
            self.connection = pq.PGconn.connect(conninfo.encode())
            if self.connection.status != pq.ConnStatus.OK:
                return {"lost": self.connection.error_message.decode(errors="replace").strip()}
            self.conninfo, self.last_words = conninfo, {}
            self.connection.nonblocking = 1
            self.connection.notice_handler = self._noticed
            self.numbered = self.telling = False
            asked = self._run(_WHO)
            if "ok" not in asked:
                return asked
            self.backend = asked["ok"][0]["pid"]
        elif wipe or self.connection.transaction_status != pq.TransactionStatus.IDLE:
            self._wipe()
        reply: Message = {"ok": []}
        if gated and not self.numbered:
            self.turn = _FIRST_TURN - 1
            reply = self._run(_NUMBERS)
            self.numbered = "ok" in reply
        if "ok" in reply and telling != self.telling:
            reply = self._run(TELL if telling else HUSH)
            self.telling = telling
        if "ok" in reply:
            self.role = role
            reply = self._take_role()
        return {"ready": self.backend} if "ok" in reply else reply

    def _take_role(self) -> Message:
        quoted = '"' + self.role.replace('"', '""') + '"' if self.role else ""
        return self._run(f"SET ROLE {quoted}" if self.role else "RESET ROLE")

    def _reply(self, reply: Message) -> None:
        self._tell({**reply, **self.last_words} if "lost" in reply else reply)
        self.wire.flush()
        if self.asked:
            self._answer_ping()

    def _timed(self, sql: str, opens: bool, setting: str, ms: int) -> Message:
        """Of what surrounds the statement nothing takes a snapshot, so its transaction is none the older for it."""
        assert self.connection is not None
        begun = self._run("BEGIN") if opens else {}
        old = begun if "lost" in begun else self._run(f"SHOW {setting}")
        if "ok" not in old:  # what the statement would meet as well: a failed transaction, a lost connection
            return old
        local = "LOCAL " * (self.connection.transaction_status == pq.TransactionStatus.INTRANS)
        self._run(f"SET {local}{setting} = {ms}")
        new = self._run(f"SHOW {setting}")
        if "ok" not in new:
            return new if "lost" in new else {"late": True}
        reply = self._run(sql)
        if "lost" in reply or self.connection.transaction_status == pq.TransactionStatus.INERROR:
            return reply  # the setting goes with the transaction
        now = self._run(f"SHOW {setting}")
        if now.get("ok") == new["ok"]:  # else the statement has set it: that stays
            now = self._run(f"SET {local}{setting} = '{old['ok'][0][setting]}'")
        return reply if "ok" in now else {"late": True}

    def _wipe(self) -> Message:
        assert self.connection is not None
        if self.connection.transaction_status != pq.TransactionStatus.IDLE:
            self._run("ROLLBACK")
        self.numbered = self.telling = False  # it goes with all that is temporary
        return self._run("DISCARD ALL")

    def _noticed(self, notice: abc.PGresult) -> None:
        """A message of the server; those of gates are ours."""
        if notice.error_field(pq.DiagnosticField.SEVERITY_NONLOCALIZED) == b"FATAL":
            said = {"lost": pq.DiagnosticField.MESSAGE_PRIMARY, "sqlstate": pq.DiagnosticField.SQLSTATE}
            self.last_words = {k: (notice.error_field(f) or b"").decode(errors="replace") for k, f in said.items()}
        if notice.error_field(pq.DiagnosticField.SOURCE_FUNCTION) == SLEEP:
            said = {"said": pq.DiagnosticField.MESSAGE_PRIMARY, "context": pq.DiagnosticField.CONTEXT}
            self.waits.append({k: (notice.error_field(f) or b"").decode(errors="replace") for k, f in said.items()})
        if notice.error_field(pq.DiagnosticField.SQLSTATE) != _ARRIVED:
            return
        turn, site = map(int, (notice.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or b"").split())
        self.turn = turn
        if self.gated:
            self._tell({"gate": turn, "site": site})

    def _tell(self, message: Message) -> None:
        """Send a message, and with it what has been heard of waits: not later than when there is nothing more to read
        of what the server has said."""
        if self.waits:
            message["waits"], self.waits = self.waits, []
        self.wire.later(message)

    def _disconnect(self) -> None:
        if self.connection is not None:
            self.connection.finish()
            self.connection = None

    def _run(self, sql: str) -> Message:
        assert self.connection is not None
        c = self.connection
        try:
            c.send_query(sql.encode())
            self._flush(c)
            result = None
            while True:
                self._read(c)
                latest = c.get_result()
                if latest is None:
                    break
                if latest.status in _COPY:
                    self._end_copy(c, latest)
                elif result is None or result.status not in _BAD:
                    result = latest
        except psycopg.OperationalError as e:
            return {"lost": str(e).strip()}
        assert result is not None
        if result.status in _BAD:
            return error_of(result, c)
        return {"ok": rows_of(result), "tag": (result.command_status or b"").decode(), "tx": int(c.transaction_status)}

    def _flush(self, c: abc.PGconn) -> None:
        while c.flush() and c.status == pq.ConnStatus.OK:
            self._wait(c, [c.socket])

    def _read(self, c: abc.PGconn) -> None:
        while c.is_busy() and c.status == pq.ConnStatus.OK:
            if self.asked:
                self._answer_ping()
            self._wait(c)

    def _end_copy(self, c: abc.PGconn, result: abc.PGresult) -> None:
        """No rows come from this client, and those for it are dropped: libpq would wait for ever."""
        if result.status == pq.ExecStatus.COPY_IN:
            c.put_copy_end(b"COPY FROM STDIN needs a client that has rows: use INSERT")
            self._flush(c)
            return
        while (size := c.get_copy_data(1)[0]) >= 0 and c.status == pq.ConnStatus.OK:
            if size == 0:
                self._wait(c)

    def _wait(self, c: abc.PGconn, writing: Sequence[int] = ()) -> None:
        """Wait for the server, but leave when the controller is gone."""
        if self.wire.pending:  # it came in one piece with what was received last, so the socket will not tell of it
            self._note_ping(c)
            return
        self.wire.flush()
        control = self.wire.sock.fileno()
        ready, _, _ = select.select([c.socket, control], writing, [])
        if control in ready and not self.wire.sock.recv(1, socket.MSG_PEEK):
            self.leave()
        if c.socket in ready:
            # Its last words may have come together with the end of the connection: the result holds them.
            with contextlib.suppress(psycopg.OperationalError):
                c.consume_input()
        if control in ready:
            self._note_ping(c)

    def _note_ping(self, c: abc.PGconn) -> None:
        """The controller asks, in mid-statement, whether it has been told of all gates. It asks only about a backend
        that sleeps, which has sent all that it has to say: read it, and answer once it has been gone through."""
        message = self.wire.receive()
        if message is None:
            self.leave()
        if (do := message.pop("do")) in ("reset", "lend", "halt"):
            getattr(self, f"do_{do}")(**message)
            return
        assert do == "ping", do
        self.asked = message["number"]
        with contextlib.suppress(psycopg.OperationalError):
            c.consume_input()

    def _told_to_halt(self) -> bool:
        """Between two statements: what the controller has said by now is done first. Behind a `halt` that may be the
        next statement already, which is to wait for its turn."""
        while not self.halted and (self.wire.pending or select.select([self.wire], [], [], 0)[0]):
            message = self.wire.receive()
            if message is None:
                self.leave()
            self.told(message)
        return self.halted

    def _answer_ping(self) -> None:
        """Everything that was read has been gone through, and passed on where it was a gate. (libpq goes no further
        than the end of a result that nobody has taken yet: so not sooner than it is busy again.)"""
        if self.asked:
            self._tell({"pong": self.asked})
            self.wire.flush()
            self.asked = 0


def error_of(result: abc.PGresult, connection: abc.PGconn) -> Message:
    """What a worker reports of an error, or of a connection that is lost."""

    def field(which: pq.DiagnosticField) -> str | None:
        value = result.error_field(which)
        return value.decode(errors="replace") if value is not None else None

    sqlstate = field(pq.DiagnosticField.SQLSTATE)
    message = field(pq.DiagnosticField.MESSAGE_PRIMARY)
    if connection.status != pq.ConnStatus.OK:
        said = message or (result.error_message or b"the server is gone").decode(errors="replace").strip()
        return {"lost": said, "sqlstate": sqlstate}
    reply = {"error": message or "unknown error", "sqlstate": sqlstate, "tx": int(connection.transaction_status)}
    if sqlstate == _DEADLOCK_DETECTED:
        reply["detail"] = field(pq.DiagnosticField.MESSAGE_DETAIL) or ""
        reply["context"] = field(pq.DiagnosticField.CONTEXT) or ""
    return reply


def rows_of(result: abc.PGresult) -> list[dict[str, Any]]:
    """Rows as JSON values by column; a name that stands twice gets its position."""
    names: list[str] = []
    for i in range(result.nfields):
        name = (result.fname(i) or b"?").decode(errors="replace")
        names.append(name if name not in names else f"{name}_{i + 1}")
    types = [result.ftype(i) for i in range(result.nfields)]
    return [
        {names[i]: _value(result.get_value(r, i), types[i]) for i in range(len(names))} for r in range(result.ntuples)
    ]


def _value(raw: bytes | None, oid: int) -> Any:
    if raw is None:
        return None
    text = raw.decode(errors="replace")
    if oid in _INTEGERS:
        return int(text)
    if oid == _BOOLEAN:
        return text == "t"
    if oid in _JSON:
        return json.loads(text)
    if oid in _FLOATS and text not in ("NaN", "Infinity", "-Infinity"):
        return float(text)
    return text
