"""Who holds what and waits for what in a cycle of waits, as rows for a history: names only, no numbers of the server's.

What each member waits for comes from the server's own messages; since when its neighbour holds that, from `Holdings`,
where there are any. What is not known is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.driver.holdings import Held, Holding
from harness.driver.observer import Observer
from harness.driver.phrases import Wanted, edges, strength_in, with_context
from harness.driver.wire import Message
from harness.model import Event, Row

_ROW_MODES = {"updating": "UPDATE", "deleting": "DELETE"}
_INSERTING = ("inserting index", "checking uniqueness of", "checking exclusion constraint on")
_SHORT_KEY = 100_000
"""A longer number in an advisory key is hardly one that somebody chose: it was made from an id or a hash of it, which
says nothing and is another one in every execution."""

FAILED, CAUGHT = "failed with 40P01", "its function caught the error"
OR_LATER = " or later"
"""Stands behind a turn that is only the earliest possible one."""

_SHARE, _ROW_SHARE, _ROW_EXCLUSIVE = "ShareLock", "RowShareLock", "RowExclusiveLock"
_STRONG = ("ShareUpdateExclusiveLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock")
_CONFLICTS = {
    "AccessShareLock": _STRONG[3:],
    _ROW_SHARE: _STRONG[2:],
    _ROW_EXCLUSIVE: (_SHARE, *_STRONG[1:]),
    _STRONG[0]: (_SHARE, *_STRONG),
    _SHARE: (_ROW_EXCLUSIVE, *_STRONG),
    _STRONG[1]: (_ROW_EXCLUSIVE, _SHARE, *_STRONG),
    _STRONG[2]: (_ROW_SHARE, _ROW_EXCLUSIVE, _SHARE, *_STRONG),
    _STRONG[3]: ("AccessShareLock", _ROW_SHARE, _ROW_EXCLUSIVE, _SHARE, *_STRONG),
}
"""Modes of a lock that keep who asks for it in that mode waiting."""
_ANY = _CONFLICTS[_STRONG[3]][1:]
"""Those that may do so, when it is not known what was asked for; readers are in nobody's way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One worker of a cycle, which waits for something of ``holder``'s ("": not known whose). ``turn``: in which it
    began to wait, ``begun``: the step that it waits in; None where that is not known. ``victim``: what became of it, of
    the one that closed the cycle."""

    worker: str
    wanted: Wanted | None
    holder: str
    turn: int | None = None
    begun: Event | None = None
    victim: str = ""


def members_told(reply: Message, backend: int, names: Mapping[int, str]) -> list[Member]:
    """The members of the cycle that ``reply``, a 40P01, tells of: the one whom it struck (``backend``) first, each
    waiting for the next. Empty when it tells nothing, or somebody else's session (not in ``names``) is in it."""
    found = []
    for pid, wanted, holder in edges(reply.get("detail", "")):
        if pid not in names or holder not in names:
            return []
        struck = pid == backend
        found.append(
            Member(
                worker=names[pid],
                wanted=with_context(wanted, reply["context"]) if struck else wanted,
                holder=names[holder],
                victim=FAILED if struck else "",
            )
        )
    return found


class Words:
    """Names of locks. ``holding``: what was held when the cycle closed; None where nobody looked."""

    def __init__(self, observer: Observer, holding: Holding | None) -> None:
        self._observer, self._holding = observer, holding

    def rows(self, cycle: Sequence[Member]) -> tuple[Row, ...]:
        """A row per member. Keys that are always there: worker, waits_for."""
        by_name = {m.worker: m for m in cycle}
        wanted_from = {m.holder: m for m in cycle if m.holder}
        return tuple(self._row(m, wanted_from.get(m.worker), by_name) for m in cycle)

    def _row(self, member: Member, before: Member | None, cycle: dict[str, Member]) -> Row:
        """``before``: who waits for what ``member`` holds."""
        found: dict[str, Any] = {"worker": member.worker, "waits_for": self._name(member)}
        if member.holder in cycle:
            found["held_by"] = member.holder
        if member.wanted is not None:
            found["mode"] = _mode(member.wanted, member.begun)
        if member.turn is not None:
            found["turn"] = f"T{member.turn}"
        found |= _where(member.begun, member.wanted.line if member.wanted is not None else "")
        if before is not None and before.wanted is not None and _is_thing(before.wanted):
            found["holds"] = self._name(before)
            found |= self._held(member, before.wanted)
        if member.victim:
            found["victim"] = member.victim
        return {k: v for k, v in found.items() if v}

    def _held(self, member: Member, wanted: Wanted) -> dict[str, str]:
        """Since when, and how, a member holds what another one wants."""
        held, exact = self._since(member, wanted)
        if held is None:
            return {}
        mode = _plain(held.mode, wanted.kind) or (strength_in(held.sql) if wanted.kind == "transaction" else "")
        return {
            "held_mode": mode if exact else "",
            "held_since": f"T{held.turn}" if exact else f"T{held.turn}{OR_LATER}",
            **{f"held_{key}": text for key, text in _place(held.step, held.sql).items()},
        }

    def _since(self, member: Member, wanted: Wanted) -> tuple[Held | None, bool]:
        """And whether it is certain. A row that is not committed yet cannot be seen: its worker has written it after it
        came to the table, in that step or in a later one."""
        if self._holding is None:
            return None, True
        if wanted.kind != "transaction":
            modes = self._holding.of(member.worker, (wanted.kind, wanted.ident, wanted.tid))
            in_the_way = _CONFLICTS.get(wanted.mode, _ANY) if wanted.kind == "relation" else None
            return next((h for h in modes if in_the_way is None or h.mode in in_the_way), None), True
        relation = self._observer.relation(wanted.table) if wanted.table else None
        if relation is None:
            return None, True
        if wanted.doing not in _INSERTING:
            return next(iter(self._holding.of(member.worker, ("row", (relation[2],), wanted.tid))), None), True
        coming = self._holding.of(member.worker, ("relation", (relation[2],), ""))
        return next((h for h in coming if h.mode not in ("AccessShareLock", _ROW_SHARE)), None), False

    def _name(self, member: Member) -> str:
        wanted = member.wanted
        if wanted is None:
            return ""
        match wanted.kind:
            case "relation":
                relation = self._observer.relation(wanted.ident[0])
                return f"table {relation[0]}" if relation else "a table"
            case "advisory":
                return _advisory(wanted.ident)
            case "tuple":
                relation = self._observer.relation(wanted.ident[0])
                return self._row_name(relation[0], wanted.ident[0], wanted.tid) if relation else "a row"
            case "transaction" if wanted.table:
                relation = self._observer.relation(wanted.table)
                table, index, oid = relation or (str(wanted.table), "", 0)
                if wanted.doing in _INSERTING:
                    return f"a key of {table} ({index})" if index else f"a key of {table}"
                return self._row_name(table, oid, wanted.tid)
            case _:
                return f"the end of {member.holder}'s transaction" if member.holder else "the end of a transaction"

    def _row_name(self, table: str, oid: int, tid: str) -> str:
        key = self._holding.rows.get((oid, tid)) if self._holding is not None else None
        if not key:
            return f"a row of {table}"
        return f"row ({shown(key)}) of {table}"


def _is_thing(wanted: Wanted) -> bool:
    """Whether it is known what is waited for, and not only for whose sake."""
    return wanted.kind in ("relation", "tuple", "advisory") or bool(wanted.table)


def _where(begun: Event | None, line: str) -> dict[str, str]:
    if begun is None:
        return {"line": line}
    place = _place(begun.step, begun.sql or "")
    return {**place, "line": place.get("line", "") or line}


def _place(step: str, sql: str) -> dict[str, str]:
    """A step, where it stands in a function (``function:line``), and its text on one line."""
    site = step.removesuffix("~")
    inside = site.rpartition(":")[2].partition(".")[0].isdigit()
    return {"step": step, "line": site if inside else "", "statement": " ".join(sql.split())}


def _mode(wanted: Wanted, begun: Event | None) -> str:
    """How it is wanted, in the words of SQL."""
    if wanted.kind != "transaction":
        return _plain(wanted.mode, wanted.kind)
    if wanted.doing in _INSERTING:
        return "INSERT"
    return (
        _ROW_MODES.get(wanted.doing) or wanted.strength or strength_in((begun.sql if begun is not None else "") or "")
    )


def _plain(mode: str, kind: str) -> str:
    """``ShareRowExclusiveLock`` → ``SHARE ROW EXCLUSIVE``."""
    if kind == "tuple":
        return "next in its queue"
    spaced = (
        "".join(f" {c}" if c.isupper() else c for c in mode.removesuffix("Lock")) if mode.endswith("Lock") else mode
    )
    return spaced.strip().upper()


def _advisory(key: tuple[int, ...]) -> str:
    words = [str(n) if abs(n) < _SHORT_KEY else "…" for n in numbers_of(key)]
    if set(words) == {"…"}:
        return "an advisory lock"
    return f"advisory lock {words[0]}" if len(words) == 1 else f"advisory lock ({', '.join(words)})"


def numbers_of(key: tuple[int, ...]) -> tuple[int, ...]:
    """An advisory key as the function that takes it is given it: two integers, or a long one made of two halves. The
    third part of ``key`` says which."""
    first, second, parts = key
    return (_signed(first, 32), _signed(second, 32)) if parts == 2 else (_signed(first << 32 | second, 64),)


def _signed(number: int, bits: int) -> int:
    return number - (1 << bits) if number >> (bits - 1) else number


def shown(key: Row) -> str:
    """The columns of a row's key, with their values."""
    return ", ".join(f"{column} {_short(value)}" for column, value in key.items())


def _short(value: Any) -> str:
    """On one line, of at most 40 characters."""
    text = " ".join(str(value).split())
    return text if len(text) <= 40 else text[:39] + "…"
