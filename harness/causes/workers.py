"""What each worker did, as far as its events and the texts of its statements tell: steps, and their transactions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.model import Event, EventKind, History
from harness.sqltext.access import Access
from harness.sqltext.columns import access_of

_LEVEL = re.compile(r"\bisolation\s+level\s+(\w+(?:\s+\w+)?)|\btransaction_isolation\W+(\w+(?:\s+\w+)?)", re.IGNORECASE)
_SESSION = re.compile(r"\bsession\s+characteristics\b|\bdefault_transaction_isolation\b", re.IGNORECASE)
_BEGIN = re.compile(r"\s*(begin|start\s+transaction)\b", re.IGNORECASE)
_COMMIT = re.compile(r"\s*(commit|end)\b", re.IGNORECASE)
_ROLLBACK = re.compile(r"\s*(rollback|abort)\b(?!\s+(?:work\s+|transaction\s+)?to\b)", re.IGNORECASE)
_NO_SNAPSHOT = re.compile(r"\s*(set|lock|savepoint|release|show|rollback)\b", re.IGNORECASE)
_CHAIN = re.compile(r"\band\s+chain\b", re.IGNORECASE)
_PLAIN = re.compile(r"[\s(]*(select|insert|update|delete|merge|with|values|table)\b", re.IGNORECASE)
"""What is sent together with a BEGIN of its own, wherever anything is."""


@dataclass(slots=True)
class Transaction:
    """``commit``: the turn in which it was committed (None: not, or nobody knows). ``unknown``: since that turn its
    outcome is. ``snapshot``: when a snapshot for all of it was taken (None: each statement takes its own)."""

    worker: str
    keeps_snapshot: bool = False
    snapshot: int | None = None
    commit: int | None = None
    unknown: int | None = None


@dataclass(slots=True)
class Step:
    """A statement that was executed. ``turn``: when its snapshot was taken, ``done``: when it had ended or come to the
    next point inside a function (None: it never did). ``inside``: it stands in a function. ``holds``: of a client's
    statement, points inside functions were met in it. ``failed``: it had no effect. ``constants``: literals that the
    client had sent by then."""

    worker: str
    text: str
    turn: int
    done: int | None
    access: Access
    transaction: Transaction
    inside: bool
    constants: frozenset[str]
    site: str = ""
    holds: bool = False
    failed: bool = False

    @property
    def snapshot(self) -> int:
        kept = self.transaction.snapshot if self.transaction.keeps_snapshot else None
        return self.turn if kept is None else kept

    @property
    def opaque(self) -> bool:
        """Its text does not tell what it does."""
        return not self.inside and not self.holds and not self.access.puts


@dataclass(slots=True)
class Worker:
    """``steps`` and ``transactions`` in their order."""

    name: str
    steps: list[Step] = field(default_factory=list)
    transactions: list[Transaction] = field(default_factory=list)


def workers_of(history: History, tables: Mapping[str, frozenset[str]], isolation: str = "") -> dict[str, Worker]:
    """By name. ``tables``: with their columns. ``isolation``: of transactions that do not say ("": the weakest)."""
    commits = {(e.worker, e.step) for e in history.events if e.kind is EventKind.INVOKE and e.step.endswith(":commit")}
    found: dict[str, _Reader] = {}
    for event in history.events:
        if event.worker:
            reader = found.setdefault(event.worker, _Reader(event.worker, tables, commits, isolation))
            reader.take(event)
    return {name: reader.worker for name, reader in found.items()}


class _Reader:
    """Takes the events of one worker."""

    def __init__(
        self, name: str, tables: Mapping[str, frozenset[str]], commits: set[tuple[str, str]], isolation: str
    ) -> None:
        self.worker = Worker(name=name)
        self._tables, self._commits, self._level = tables, commits, isolation
        self._explicit = False
        self._open: Transaction | None = None
        self._sql = ""
        self._invoked: Step | None = None
        self._current: Step | None = None
        self._constants: frozenset[str] = frozenset()
        self._cursors: dict[str, Step] = {}

    def take(self, event: Event) -> None:
        match event.kind:
            case EventKind.INVOKE:
                self._invoke(event)
            case EventKind.STEP:
                self._step(event)
            case EventKind.BLOCKED if self._current is not None:
                self._current.done = None
            case EventKind.WOKEN if self._current is not None:
                self._current.done = event.turn
            case EventKind.OK:
                self._ok(event)
            case EventKind.FAIL:
                self._fail()
            case EventKind.INFO if self._open is not None:
                self._open.unknown = event.turn
                self._ended(None)

    def _invoke(self, event: Event) -> None:
        self._sql = event.sql or ""
        self._invoked = self._current = None
        if _COMMIT.match(self._sql) or _ROLLBACK.match(self._sql):
            return
        transaction = self._transaction()
        if level := _LEVEL.search(self._sql):
            keeps = _keeps(level[1] or level[2])
            if _SESSION.search(self._sql):
                self._level = "serializable" if keeps else ""
            else:
                transaction.keeps_snapshot = keeps
        if _BEGIN.match(self._sql) or _NO_SNAPSHOT.match(self._sql):
            return
        access = access_of(self._sql, self._tables)
        self._constants |= access.constants
        self._invoked = self._add(event, access, inside=False)

    def _step(self, event: Event) -> None:
        if self._invoked is not None:
            self._invoked.holds = True
        current = self._current
        if current is not None and event.step == f"{current.site}~":
            if event.turn == current.turn + 1:  # nobody came between: then the two are one, and shown as one
                current.turn = event.turn
            current.done = event.turn
        elif _COMMIT.fullmatch((event.sql or "").strip()) or _ROLLBACK.match(event.sql or ""):
            self._ended(event.turn if _COMMIT.match(event.sql or "") else None)
            self._current = None
        else:
            access = access_of(event.sql or "", self._tables)
            step = self._add(event, access, inside=True)
            step.site = event.step
            self._follow_cursor(step)

    def _add(self, event: Event, access: Access, *, inside: bool) -> Step:
        transaction = self._transaction()
        if transaction.snapshot is None:
            transaction.snapshot = event.turn
        step = Step(
            worker=event.worker, text=event.sql or "", turn=event.turn, done=event.turn, access=access,
            transaction=transaction, inside=inside, constants=self._constants,
        )  # fmt: skip
        self.worker.steps.append(step)
        self._current = step
        return step

    def _follow_cursor(self, step: Step) -> None:
        """What is fetched from a cursor was looked at when it was opened."""
        name = step.access.cursor
        if name and step.access.looks:
            self._cursors[name] = step
        elif name in self._cursors and step.access.into:
            opened = self._cursors[name]
            opened.access = Access(looks=opened.access.looks, into=opened.access.into | step.access.into, cursor=name)

    def _ok(self, event: Event) -> None:
        if self._current is not None:
            self._current.done = event.turn
        if _BEGIN.match(self._sql):
            self._explicit = True
        elif _COMMIT.match(self._sql):
            undone = (event.message or "").startswith("ROLLBACK")
            self._ended(None if undone else event.turn, chain=_CHAIN.search(self._sql) is not None)
        elif _ROLLBACK.match(self._sql):
            self._ended(None, chain=_CHAIN.search(self._sql) is not None)
        elif not self._explicit and not self._opens(event):
            self._ended(event.turn)
        # Its answer is known to the client, who may send what stands there.
        for row in event.answer or ():
            self._constants |= frozenset(str(v) for v in row.values() if isinstance(v, str | int | float))

    def _opens(self, event: Event) -> bool:
        """Whether a commit of its own follows; where any has one, those that lack it did not get so far."""
        follows = (event.worker, f"{event.step}:commit") in self._commits
        return follows or (bool(self._commits) and _PLAIN.match(self._sql) is not None)

    def _fail(self) -> None:
        if self._current is not None:
            self._current.failed = True
        if not self._explicit or _COMMIT.match(self._sql):
            self._ended(None)

    def _transaction(self) -> Transaction:
        if self._open is None:
            self._open = Transaction(worker=self.worker.name, keeps_snapshot=_keeps(self._level))
            self.worker.transactions.append(self._open)
        return self._open

    def _ended(self, commit: int | None, *, chain: bool = False) -> None:
        if self._open is not None:
            self._open.commit = commit
        self._open, self._explicit = None, chain


def _keeps(level: str) -> bool:
    return level.lower().split(None, 1)[:1] in (["repeatable"], ["serializable"], ["repeatable_read"])
