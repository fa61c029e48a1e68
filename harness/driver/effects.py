"""What each turn did, as far as the order of turns can matter: kept from the points that workers pass."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from harness.dependence import WAIT
from harness.driver.client import Client
from harness.driver.levels import concerns_session, is_for_all, level_in, sets_level
from harness.driver.plan import ANY_LEVEL, Points
from harness.model import Effect, Footprint, Site, SiteKind, Statement, StatementKind

_ADVISORY = frozenset({"advisory"})
_ROLLBACK_TO = re.compile(r"\s*(rollback|abort)\b.*\bto\b", re.I | re.S)
_SERIALIZABLE = ("serializable", ANY_LEVEL)
_NOTHING = Footprint()
_WAIT = Footprint(writes=frozenset({WAIT}))
_UNKNOWN = Footprint(everything=True)


@dataclass(slots=True)
class _Session:
    """One worker's open transaction (``level`` "": none is open) and what its step in hand touches."""

    level: str = ""
    snapshot: bool = False
    touched: Footprint = _NOTHING
    piece: Footprint = _NOTHING
    kept: frozenset[str] = frozenset()
    """Of what it has touched in earlier transactions that which it may still hold: advisory locks."""
    surrounding: dict[str, Site] = field(default_factory=dict)
    """Per function the site passed last in the current statement, where that goes on after nested code."""


@dataclass(slots=True)
class _Turn:
    """An `Effect` in the making."""

    workers: set[str] = field(default_factory=set)
    footprint: Footprint = _NOTHING
    ended: set[str] = field(default_factory=set)
    ended_everything: bool = False
    snapshot: bool = False
    seen: Footprint = _NOTHING
    held: Footprint = _NOTHING
    commits: bool = False


class Effects:
    """Collects one turn at a time, of so many ``workers``. Without ``points`` a statement may touch anything; a COMMIT,
    too, where it ``defers`` something."""

    def __init__(self, points: Points | None, workers: int, *, defers: bool = True) -> None:
        self._points, self._crowded, self._defers = points, workers > 2, defers
        self._excluding = points is None or points.excluding
        self._sessions: dict[str, _Session] = {}
        self._defaults: dict[str, str] = {}
        """Per worker the isolation level that it has set for its transactions."""
        self._turn = _Turn()

    def let_go(self, client: Client) -> None:
        """The chosen worker begins its step: its statement, or on from the gate that it stands at."""
        self._turn = _Turn()
        session = self._session(client)
        if client.site is None:
            statement = client.statement
            session.surrounding.clear()
            special = statement.kind is StatementKind.ROLLBACK or concerns_session(statement.sql)
            session.piece = self._from_statement(session, client, statement, special)
            self._moved(client.name, session)
            if special and (statement.kind is StatementKind.ROLLBACK or _ROLLBACK_TO.match(statement.sql) is not None):
                self._lets_go(session)
            return
        session.piece = self._from_site(session, client, client.site)
        self._moved(client.name, session)
        if client.site.kind is SiteKind.COMMIT:
            self._lets_go(session)
            self._turn.commits = self._turn.commits or session.level in _SERIALIZABLE
            session.touched, session.snapshot = session.piece, False
            self._takes_snapshot(session)  # the procedure goes on at once, up to its next gate

    def may_wait(self, client: Client, waiting: Sequence[Client]) -> bool:
        """Whether the step that ``client`` has begun could come to wait for one of these."""
        piece = self._sessions[client.name].piece
        if not piece:
            return False
        for other in waiting:
            session = self._sessions[other.name]
            held = session.touched | Footprint(writes=session.kept) if session.kept else session.touched
            if piece.everything or held.everything:
                return True
            if piece.writes & held.writes or piece.excludes & (held.reads | held.writes | held.excludes):
                return True
            if held.excludes & (piece.reads | piece.writes):
                return True
        return False

    def touches(self, client: Client) -> bool:
        """Whether the step that ``client`` is in touches any table."""
        return bool(self._sessions[client.name].piece)

    def queues(self, client: Client) -> bool:
        """Whether the step that ``client`` is in may wait for what is locked as a whole: a table, an advisory key. Who
        holds that already, and asks for more of it, may be refused at once."""
        session = self._sessions[client.name]
        touched = session.touched
        return bool(touched.excludes or touched.everything or (touched.writes | session.kept) & _ADVISORY)

    def waits(self) -> None:
        """Somebody has begun to wait in this turn, or fell victim to a deadlock."""
        self._turn.footprint = self._turn.footprint | _WAIT

    def woken(self, client: Client) -> None:
        """A worker that waited goes on with the step that it was in."""
        self._moved(client.name, self._sessions[client.name])

    def admitted(self, client: Client) -> None:
        """Somebody has ended in this turn that the worker had to wait for before it could begin: it counts as moved,
        so that whatever it does comes after this turn in every order."""
        self._turn.workers.add(client.name)

    def struck(self, client: Client) -> None:
        """A fault strikes the chosen worker, which may end by it."""
        self._turn = _Turn()
        session = self._session(client)
        session.piece = _UNKNOWN
        self._moved(client.name, session)
        self._turn.ended_everything = True

    def answered(self, client: Client, *, failed: bool) -> None:
        """A statement of the worker is over; ``client.in_transaction`` says what the server says."""
        session = self._sessions[client.name]
        session.surrounding.clear()
        chains = not failed and client.statement.chains
        if failed or chains or not client.in_transaction:
            self._lets_go(session)
            if session.level in _SERIALIZABLE:
                self._turn.commits = True
        if chains or not client.in_transaction:
            kept = session.kept | session.touched.writes & _ADVISORY
            self._sessions[client.name] = _Session(level=session.level if client.in_transaction else "", kept=kept)

    def turn(self) -> Effect:
        """The effect of the turn that has just ended."""
        return Effect(
            workers=frozenset(self._turn.workers),
            footprint=self._turn.footprint,
            ended=frozenset(self._turn.ended),
            ended_everything=self._turn.ended_everything,
            snapshot=self._turn.snapshot,
            seen=self._turn.seen,
            held=self._turn.held,
            crowded=self._crowded,
            commits=self._turn.commits,
        )

    # ------------------------------------------------------------------------------------------------ internals

    def _session(self, client: Client) -> _Session:
        session = self._sessions.get(client.name)
        if session is None:
            session = self._sessions[client.name] = _Session()
        return session

    def _from_statement(self, session: _Session, client: Client, statement: Statement, special: bool) -> Footprint:
        if statement.kind is StatementKind.BEGIN or not session.level:
            named = level_in(statement.sql) if statement.kind is StatementKind.BEGIN else None
            installed = self._points.isolation if self._points is not None else "serializable"
            session.level = named or self._defaults.get(client.name) or installed
            session.snapshot = False
        if special and is_for_all(statement.sql):
            self._defaults[client.name] = level_in(statement.sql) or ""
        elif special and (level := sets_level(statement.sql)):
            session.level = level
        if statement.kind in (StatementKind.BEGIN, StatementKind.ROLLBACK):
            return _NOTHING
        if statement.kind is StatementKind.COMMIT:
            if self._points is not None:
                return self._points.commit
            return _UNKNOWN if self._defers else _NOTHING
        if self._points is None or statement.kind is StatementKind.DDL:
            return _UNKNOWN
        self._takes_snapshot(session)
        return self._points.entry(client.name, statement.name)

    def _takes_snapshot(self, session: _Session) -> None:
        """The transaction's own, with the first thing that it runs; at READ COMMITTED each statement has one."""
        if session.level != "read committed" and not session.snapshot:
            session.snapshot = self._turn.snapshot = True

    def _from_site(self, session: _Session, client: Client, site: Site) -> Footprint:
        assert self._points is not None
        own = self._points.entry(client.name, client.statement.name)
        piece = site.footprint
        if own.writes or own.excludes or own.everything:
            piece = piece | Footprint(writes=own.writes, excludes=own.excludes, everything=own.everything)
        for name, outer in session.surrounding.items():
            if name != site.function:
                piece = piece | outer.footprint
        if site.nests:
            session.surrounding[site.function] = site
        else:
            session.surrounding.pop(site.function, None)
        return piece

    def _moved(self, worker: str, session: _Session) -> None:
        """Count in the piece that a worker executes in this turn."""
        piece = session.piece
        session.touched = session.touched | piece
        self._turn.workers.add(worker)
        old = session.level in ("repeatable read", "serializable") and not self._excluding
        # Under a transaction's snapshot its reads see the same, whenever they come.
        seen = replace(piece, reads=frozenset()) if old else piece
        self._turn.footprint = self._turn.footprint | seen
        if session.level in _SERIALIZABLE:
            self._turn.seen = self._turn.seen | piece
            self._turn.held = self._turn.held | session.touched
        if self._points is not None and self._points.may_undo and piece:
            self._lets_go(session)
        if piece.writes:  # whether it takes an advisory lock or lets one go cannot be told
            self._turn.ended |= piece.writes & _ADVISORY

    def _lets_go(self, session: _Session) -> None:
        """What the transaction has written or locked may be set free in this turn."""
        touched = session.touched
        self._turn.ended |= touched.writes | touched.excludes | (touched.reads if self._excluding else frozenset())
        self._turn.ended_everything = self._turn.ended_everything or session.touched.everything
