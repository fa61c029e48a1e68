"""A worker process that can play a program: it stands between the program and the server, message by message.

The program is a fork of this process and connects to us; every question that it asks is held until the controller says
``go``. To that is answered how the server answered, and ``next``: what the program asks next; or ``end``: how it ended.
So all that a program does between two statements belongs to the turn of the first.

``next`` holds ``sql`` and ``values`` (lists: a question may hold several statements), and ``idle``: no transaction is
open; or ``commit``: the commit of a statement that was its own transaction. What happens inside functions, and waits
for locks, are told as of any other worker.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from psycopg.pq import TransactionStatus

from harness.driver.actor import Actor, Program
from harness.driver.audience import READY, Audience, Settings
from harness.driver.phrases import TELL
from harness.driver.questions import Question
from harness.driver.replies import Reply, fields
from harness.driver.wire import Message, Wire
from harness.driver.worker import SLEEP, Worker, obey
from harness.model import GATE_SQLSTATE
from harness.wire.frames import Frame, Framer, Side

_TOLD = (
    "server_version", "server_encoding", "client_encoding", "application_name", "is_superuser",
    "session_authorization", "DateStyle", "IntervalStyle", "TimeZone", "integer_datetimes",
    "standard_conforming_strings", "in_hot_standby", "default_transaction_read_only",
)  # fmt: skip
"""Parameters that a server reports when a session begins."""
_AS_NEW = "RESET ALL; DEALLOCATE ALL; CLOSE ALL; UNLISTEN *; SELECT pg_catalog.pg_advisory_unlock_all()"
"""Between two connections of one program. DISCARD ALL would take the turn numbers along."""
_DISMISS = ("begin", "run", "wipe", "disconnect")
"""What is not for the program that is played: it ends then."""
_FLUSH_S = 2.0
"""How long the Sync may take that belongs to what was executed."""
_COMMIT = b"Q\0\0\0\x0bCOMMIT\0"


def serve(sock: socket.socket, programs: Mapping[str, Program]) -> NoReturn:
    """Obey the controller at the other end of ``sock`` until it goes away."""
    obey(Relay(Wire(sock), programs))


class Relay(Worker):
    """Plays any of ``programs``, or an ordinary list of statements."""

    def __init__(self, wire: Wire, programs: Mapping[str, Program]) -> None:
        super().__init__(wire)
        self._programs = programs
        self._actor: Actor | None = None
        self._audience: Audience | None = None
        self._server: socket.socket | None = None
        self._framer = Framer(Side.SERVER, begun=True)
        self._frames: deque[Frame] = deque()
        self._status = "I"
        self._ahead: deque[Question] = deque()
        """A BEGIN, and savepoints behind it, that were passed on before their turn: a driver may be asking for itself
        only. In their turn the server does them anew, so that a transaction is no older than it should be."""
        self._flushed = Reply()
        """Of the answer to what was flushed."""
        self._owed: list[Frame] | None = None
        """The answer to a statement whose commit is still to come."""
        self._end: Message | None = None

    # ------------------------------------------------------------------------------------------ what it is told to do

    def told(self, message: Message) -> None:
        if message["do"] in _DISMISS:
            self._dismiss()
        super().told(message)

    def do_open(self, program: str) -> None:
        """Begin a program; answered when it is held at its first statement, or has ended."""
        c = self.connection
        assert c is not None
        if c.ssl_in_use:
            self.wire.send({"trouble": "a program needs a connection without TLS: sslmode=disable in the target"})
            return
        self._server = socket.socket(fileno=os.dup(c.socket))
        self._framer, self._status = Framer(Side.SERVER, begun=True), "I"
        self._audience = Audience(c.user.decode(), c.db.decode(), self._admit)
        closed = (self.wire.fileno(), c.socket, self._server.fileno(), self._audience.sockets[0].fileno())
        self._actor = Actor(self._programs[program], self._audience.url, closed)
        self._reply(self._until_held())

    def do_go(self, opens: bool) -> None:
        """Let the held statement go; ``opens``: with a BEGIN of its own, its commit is then held in its turn."""
        answer = self._released(opens)
        self._reply(answer if "lost" in answer else {**answer, **self._until_held()})

    def leave(self) -> NoReturn:
        if self._actor is not None:
            self._actor.kill()
        super().leave()

    # -------------------------------------------------------------------------------------------------- the program

    def _dismiss(self) -> None:
        """Whatever the program is at, it is over. Nothing that it asked is without an answer."""
        if self._actor is not None:
            self._actor.kill()
        if self._server is not None and self._status != "I":
            self._run("ROLLBACK")
        if self._audience is not None:
            self._audience.close()
        if self._server is not None:
            self._server.close()
        self._actor = self._audience = self._server = self._owed = self._end = None
        self._frames.clear()
        self._ahead.clear()

    def _until_held(self) -> Message:
        """Wait until the program asks something that must be held, or has ended."""
        while True:
            if self.connection is None:
                return {"lost": "the server is gone", "sqlstate": None}
            if self._owed is not None:
                return {"next": {"commit": True}}
            if (held := self._held()) is not None:
                return {"next": held}
            if self._end is not None:
                return {"end": self._end}
            self._answer_ping()
            self._look()
            while self._frames:  # the answer to what was flushed, and what nobody asked for
                frame = self._frames.popleft()
                if self._audience is not None and not self._is_ours(frame):
                    self._flushed.take(frame)
                    self._audience.say(frame.data)

    def _held(self) -> Message | None:
        """What is to be held, once there is something; what need not be is passed on."""
        audience = self._audience
        assert audience is not None
        if audience.left:
            if self._ahead:  # nobody has heard of that transaction
                self._run("ROLLBACK")
                self._ahead.clear()
                self._status = "I"
            if self._status != "I":  # the server would do so when its client is gone
                return {"sql": ["ROLLBACK"], "values": [[]], "idle": False}
            self._as_new()
            audience.left = False
        while (question := audience.question) is not None:
            if question.chatter or (self._ahead and question.ends):
                self._passed(audience.taken())
                if question.ends:
                    self._ahead.clear()
            elif (question.begins and self._status == "I") or (self._ahead and question.marks):
                self._ahead.append(question)
                self._passed(audience.taken())
            else:
                first = self._ahead[0] if self._ahead else question
                return {"sql": first.sql, "values": first.values, "idle": first.begins or self._status == "I"}
        return None

    def _released(self, opens: bool) -> Message:
        if self._owed is not None:
            return self._committed()
        if self._ahead:
            due = self._ahead.popleft()
            return self._run(f"ROLLBACK; {due.sql[0]}" if due.begins else due.sql[0])
        audience = self._audience
        assert audience is not None
        if audience.left:
            self._status = "I"
            return self._run("ROLLBACK")
        question = audience.taken()
        return self._opening(question) if opens else self._passed(question)

    def _opening(self, question: Question) -> Message:
        """A statement that is its own transaction: the program hears of it when that is committed."""
        begun = self._run("BEGIN")
        if "ok" not in begun:
            return begun
        kept: list[Frame] = []
        answer = self._passed(question, kept.append)
        if "lost" in answer:
            return answer
        if "error" in answer:
            self._run("ROLLBACK")
            self._status = "I"
        if self._status == "I":
            self._pay(kept)
            return {**answer, "tx": int(TransactionStatus.IDLE)}
        self._owed = kept
        return answer

    def _committed(self) -> Message:
        owed, self._owed = self._owed or [], None
        said: list[Frame] = []
        answer = self._asked_of_server(_COMMIT, Reply(), said.append)
        if "error" in answer:
            refused = next(f for f in said if f.kind == "ErrorResponse")
            owed = [*(f for f in owed if f.kind not in ("CommandComplete", "ReadyForQuery")), refused]
        self._status = "I"
        self._pay(owed)
        return answer

    def _pay(self, frames: list[Frame]) -> None:
        """Tell the program what it was owed, and that no transaction is open."""
        assert self._audience is not None
        told = b"".join(f.data for f in frames if f.kind != "ReadyForQuery")
        self._audience.say(told + READY + b"I")

    def _admit(self, settings: Settings) -> Settings | str:
        if self.connection is None:
            return "the server is gone"
        for name, value in settings.items():
            quoted, given = (text.replace("'", "''") for text in (name, value))
            reply = self._run(f"SELECT pg_catalog.set_config(E'{quoted}', '{given}', false)")
            if "ok" not in reply:
                return str(reply.get("error", "the server is gone"))
        assert self.connection is not None
        found = {name: self.connection.parameter_status(name.encode()) for name in _TOLD}
        return {name: value.decode() for name, value in found.items() if value is not None}

    def _as_new(self) -> None:
        """Nothing of the program's last connection is left for its next one."""
        for sql in (*_AS_NEW.split("; "), *([TELL] if self.telling else ())):
            self._run(sql)
        self._take_role()

    # --------------------------------------------------------------------------------------------------- the server

    def _passed(self, question: Question, tell: Callable[[Frame], object] | None = None) -> Message:
        """Ask the server, and tell the program every message of the answer as it comes, unless ``tell`` takes it."""
        assert self._audience is not None
        if question.flushed:  # the server does not say when that is answered; it is passed on as it comes
            self._flushed = Reply(asks=question.asks)
            self._send(b"".join(f.data for f in question.frames))
            return {}
        say = self._audience.say
        data = b"".join(f.data for f in question.frames)
        reply = Reply(question.columns, question.asks)
        return self._asked_of_server(data, reply, tell or (lambda frame: say(frame.data)))

    def _asked_of_server(self, data: bytes, reply: Reply, tell: Callable[[Frame], object]) -> Message:
        self._send(data)
        while True:
            while self._frames:
                frame = self._frames.popleft()
                if self._is_ours(frame):
                    continue
                reply.take(frame)
                if frame.kind == "ErrorResponse":
                    said = fields(frame)
                    if said.get("V") == "FATAL":
                        self.last_words = {"lost": said.get("M", ""), "sqlstate": said.get("C")}
                tell(frame)
                if frame.kind == "ReadyForQuery":
                    self._status = reply.status
                    return reply.message()
            if self._server is None:
                return {"lost": "the server is gone", "sqlstate": None, **self.last_words}
            self._answer_ping()
            self._look()
            audience = self._audience
            while reply.copying and audience is not None and (more := audience.question) is not None and not more.sql:
                self._send(b"".join(f.data for f in audience.taken().frames))  # the Sync behind the rows

    def _is_ours(self, frame: Frame) -> bool:
        """A message of a gate, or of a wait, which is not for the program."""
        if frame.kind != "NoticeResponse":
            return False
        said = fields(frame)
        if said.get("R", "").encode() == SLEEP:
            self.waits.append({"said": said.get("M", ""), "context": said.get("W", "")})
            return True
        if said.get("C") != GATE_SQLSTATE:
            return self.telling and said.get("V") == "LOG"
        self.turn, site = map(int, said["M"].split())
        if self.gated:
            self._tell({"gate": self.turn, "site": site})
        return True

    def _send(self, data: bytes) -> None:
        while data and self._server is not None:
            try:
                data = data[self._server.send(data) :]
            except BlockingIOError:
                select.select([], [self._server], [])
            except OSError:
                self._lose_server()

    def _receive(self) -> None:
        """All that the server has said."""
        while self._server is not None:
            try:
                data = self._server.recv(65536)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._lose_server()
            self._frames.extend(self._framer.feed(data))

    def _lose_server(self) -> None:
        assert self._server is not None
        self._server.close()
        self._server = None
        self._disconnect()
        if self._audience is not None:
            self._audience.hang_up()

    def _look(self) -> None:
        """Wait until somebody says something: the controller, the server, the program."""
        audience, actor = self._audience, self._actor
        assert audience is not None
        sources: list[Any] = [self.wire, *audience.sockets]
        sources += [self._server] if self._server is not None else []
        sources += [actor.socket] if actor is not None and self._end is None else []
        if not self.wire.pending:
            self.wire.flush()
            ready, _, _ = select.select(sources, [], [], _FLUSH_S if audience.flushing else None)
            if not ready:
                audience.refuse("statements that end with a Flush cannot be held: end them with a Sync")
        if self.wire.pending or self.wire in ready:
            self._heed()
        self._receive()
        audience.hear()
        while audience.copied:
            self._send(audience.copied.popleft().data)
        if actor is not None and self._end is None and (end := actor.ended()) is not None:
            self._end, self._actor = end, None
            audience.await_end()  # its connections have ended with it

    def _heed(self) -> None:
        """The controller is gone, or asks whether it has been told of everything."""
        message = self.wire.receive()
        if message is None:
            self.leave()
        assert message["do"] == "ping", message
        self.asked = message["number"]
        with contextlib.suppress(OSError):
            self._receive()
