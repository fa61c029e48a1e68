"""The end of a connection at which a program takes us for its server: one client at a time, on a port of 127.0.0.1.

It is let in by a password that only this execution's program knows; the session behind it is the worker's own, which
has begun long ago, so that whoever asks for settings of his own gets them by SET.
"""

from __future__ import annotations

import contextlib
import secrets
import select
import socket
import struct
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import quote

from harness.driver.questions import Question, Questions
from harness.wire.content import strings
from harness.wire.frames import Frame, Framer, Side, WireError

_READ = 65536
_END_S = 1.0
_CLEARTEXT = b"R" + struct.pack(">II", 8, 3)
_LET_IN = b"R" + struct.pack(">II", 8, 0)
READY = b"Z" + struct.pack(">I", 5)
"""A ReadyForQuery but for its status."""

Settings = Mapping[str, str]


class Audience:
    """``admit``: takes the settings that a client asks for, and gives the parameters to tell it; or the words of the
    server's refusal."""

    def __init__(self, user: str, database: str, admit: Callable[[Settings], Settings | str]) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self._token = secrets.token_hex(16)
        self._names = user, database
        self._admit = admit
        self._client: socket.socket | None = None
        self._framer, self._questions = Framer(Side.CLIENT), Questions()
        self._asked: deque[Question] = deque()
        self._settings: Settings | None = None
        self._inside = False
        self.copied: deque[Frame] = deque()
        """Rows that the client sends for a COPY."""
        self.left = False
        """A client that had been let in is gone, and nobody has cleaned up behind it."""

    @property
    def url(self) -> str:
        """Where the program finds its server. Holds a password."""
        user, database = (quote(name, safe="") for name in self._names)
        port = self._listener.getsockname()[1]
        return f"postgresql://{user}:{self._token}@127.0.0.1:{port}/{database}?sslmode=disable"

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """What to wait for. Nobody else comes in before it has been cleaned up behind who left."""
        listening = () if self.left else (self._listener,)
        return listening if self._client is None else (*listening, self._client)

    @property
    def question(self) -> Question | None:
        """The client's next question, if it is complete."""
        return self._asked[0] if self._asked else None

    def taken(self) -> Question:
        """The same, taken away."""
        return self._asked.popleft()

    def hear(self) -> None:
        """Take what has come, without waiting: news of the client there is first, a new one last."""
        if self._client is not None:
            self._read(self._client)
        if self.left:
            return
        with contextlib.suppress(BlockingIOError):
            client, _ = self._listener.accept()
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._client is not None:
                words = "this worker has a connection already: a program under test has one at a time"
                with client, contextlib.suppress(OSError):
                    client.sendall(refusal(words, "53300"))
                return
            self._client = client
            self._framer, self._questions = Framer(Side.CLIENT), Questions()
            self._settings = None

    def say(self, data: bytes) -> None:
        """Send to the client; whether it is still there shows when it is heard."""
        if self._client is not None:
            with contextlib.suppress(OSError):
                self._client.sendall(data)

    @property
    def flushing(self) -> bool:
        """The client has executed something, and may be waiting for an answer before it says that it is done."""
        return self._inside and self._questions.flushing

    def refuse(self, words: str) -> None:
        """End the client's connection from here; it has yet to be cleaned up behind it."""
        self.say(refusal(words, "0A000"))
        self._gone()

    def await_end(self) -> None:
        """Read what is left of a client whose process is dead, up to its end."""
        while self._client is not None and select.select([self._client], [], [], _END_S)[0]:
            self._read(self._client)
        if self._client is not None:  # a process that it has begun holds the connection
            self._gone()

    def hang_up(self) -> None:
        """End the client's connection; nothing is left of it."""
        if self._client is not None:
            self._client.close()
        self._client, self._inside, self.left = None, False, False
        self._asked.clear()
        self.copied.clear()

    def close(self) -> None:
        """For good."""
        self.hang_up()
        self._listener.close()

    # ------------------------------------------------------------------------------------------------ internals

    def _read(self, client: socket.socket) -> None:
        while True:
            try:
                data = client.recv(_READ, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            try:
                for frame in self._framer.feed(data):
                    self._take(frame)
            except WireError as e:
                self.say(refusal(str(e), "08P01"))
                data = b""
            if not data:
                self._gone()
            if self._client is None:
                return

    def _gone(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None
        self._asked.clear()
        self.copied.clear()
        self.left, self._inside = self.left or self._inside, False

    def _take(self, frame: Frame) -> None:
        if self._inside:
            if frame.kind == "Terminate":
                self._gone()
            elif frame.kind in ("CopyData", "CopyDone", "CopyFail"):
                self.copied.append(frame)
            elif (question := self._questions.take(frame)) is not None:
                self._asked.append(question)
        elif frame.kind in ("SSLRequest", "GSSENCRequest"):
            self.say(b"N")
        elif frame.kind == "Startup":
            self._settings = dict(_settings(frame))
            self.say(_CLEARTEXT)
        elif frame.kind == "Password" and self._settings is not None:
            self._let_in(strings(frame, 1)[0])
        else:  # a request to cancel, which would come at any time
            self._gone()

    def _let_in(self, password: str) -> None:
        assert self._settings is not None
        if not secrets.compare_digest(password.encode(), self._token.encode()):
            self.say(refusal("not the password of this execution", "28P01"))
            return self._gone()
        told = self._admit(self._settings)
        if isinstance(told, str):
            self.say(refusal(told, "22023"))
            return self._gone()
        parameters = b"".join(_message(b"S", f"{k}\0{v}\0".encode()) for k, v in told.items())
        self.say(_LET_IN + parameters + _message(b"K", struct.pack(">II", 1, 0)) + READY + b"I")
        self._inside = True
        return None


def refusal(words: str, sqlstate: str) -> bytes:
    """A FATAL error, after which a server hangs up."""
    said = f"SFATAL\0VFATAL\0C{sqlstate}\0Mrefund-harness: {words}\0\0"
    return _message(b"E", said.encode())


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack(">I", len(body) + 4) + body


def _settings(startup: Frame) -> Iterator[tuple[str, str]]:
    """What a client asks for when it begins, ``options`` (``-c name=value``) included."""
    pieces = startup.body[4:].split(b"\0")
    for key, value in zip(pieces[::2], pieces[1::2], strict=False):
        name, text = key.decode(errors="replace"), value.decode(errors="replace")
        if name == "options":
            for word in text.replace("-c ", "-c").split():
                setting, _, wanted = word.removeprefix("-c").removeprefix("--").partition("=")
                yield setting, wanted.replace("\\ ", " ")
        elif name and name not in ("user", "database", "replication") and not name.startswith("_pq_."):
            yield name, text
