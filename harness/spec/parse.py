"""Tokens → `Spec`, with every name looked up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, TypeVar

from harness.errors import ScenarioError, UsageError
from harness.spec.form import Block, Marker, Notices, Once, Session, Spec, Step, Turn, Until
from harness.spec.tokens import KEYWORDS, Kind, Token, tokens

Part = TypeVar("Part")


def read_spec(path: Path) -> Spec:
    """The spec in ``path``; bytes that are no UTF-8 are kept as surrogates. Raises `UsageError`."""
    try:
        text = path.read_bytes().decode("utf-8", "surrogateescape")
    except OSError as e:
        raise UsageError(f"{path}: cannot be read: {e.strerror or e}") from None
    return parse_spec(text, str(path))


def parse_spec(text: str, file: str) -> Spec:
    """The spec ``text``. Raises `ScenarioError` with ``file``, line and column."""
    return _Parser(text, file).spec()


@dataclass(frozen=True, slots=True)
class _Mark:
    """What stands in a permutation's parentheses, before names are looked up: no name is ``*``."""

    name: Token | None
    notices: int | None = None


@dataclass(frozen=True, slots=True)
class _Named:
    name: Token
    marks: tuple[_Mark, ...]


class _Parser:
    def __init__(self, text: str, file: str) -> None:
        self._file = file
        if "\0" in text:  # libpq would silently end the SQL there
            line = text[: text.index("\0")].count("\n") + 1
            raise ScenarioError(file, line, text.index("\0") - text.rfind("\n", 0, text.index("\0")), "a NUL character")
        self._tokens = tokens(text, file)
        self._now = next(self._tokens)
        self._steps: dict[str, Step] = {}

    def spec(self) -> Spec:
        setup = self._many("setup", self._block)
        teardown = self._maybe("teardown")
        sessions: list[Session] = []
        while self._begins("session"):
            sessions.append(self._session(len(sessions)))
        if not sessions:
            self._expected("setup, teardown or session" if not setup and teardown is None else "session")
        written = self._many("permutation", self._permutation)
        if self._now.kind is not Kind.END:
            self._expected("permutation or the end of the file" if written else "step, session or permutation")
        permutations = tuple(self._turns(named) for named in written)
        used = {turn.step.name for turns in permutations for turn in turns}
        return Spec(
            file=self._file,
            setup=setup,
            teardown=teardown,
            sessions=tuple(sessions),
            permutations=permutations,
            # Sorted as isolationtester sorts them: by bytes.
            unused=tuple(sorted(set(self._steps) - used, key=_bytes)) if permutations else (),
        )

    def _session(self, index: int) -> Session:
        name = self._name("a session's name").text
        setup = self._maybe("setup")
        steps = self._many("step", lambda: self._step(index))
        if not steps:
            self._expected("step")
        return Session(name=name, steps=steps, setup=setup, teardown=self._maybe("teardown"))

    def _step(self, session: int) -> Step:
        name = self._name("a step's name")
        if name.text in self._steps:
            first = self._steps[name.text].place.line
            self._wrong(name, f"there is a step {name.text} already, in line {first}")
        step = Step(name=name.text, sql=self._take(Kind.SQL, "{ SQL }").text, session=session, place=name.place)
        self._steps[step.name] = step
        return step

    def _permutation(self) -> tuple[_Named, ...]:
        named: list[_Named] = []
        while not named or self._is_name():
            name = self._name("a step's name")
            marks: list[_Mark] = []
            if self._sign("("):
                marks.append(self._mark())
                while self._sign(","):
                    marks.append(self._mark())
                if not self._sign(")"):
                    self._expected(", or )")
            named.append(_Named(name, tuple(marks)))
        return tuple(named)

    def _mark(self) -> _Mark:
        if self._sign("*"):
            return _Mark(None)
        name = self._name("a step's name or *")
        if not self._begins("notices"):
            return _Mark(name)
        return _Mark(name, int(self._take(Kind.NUMBER, "a number of notices").text))

    def _turns(self, named: tuple[_Named, ...]) -> tuple[Turn, ...]:
        here: dict[str, Step] = {}
        for n in named:
            if n.name.text not in self._steps:
                self._wrong(n.name, f"there is no step {n.name.text}")
            here[n.name.text] = self._steps[n.name.text]
        return tuple(
            Turn(step=here[n.name.text], markers=tuple(self._marker(mark, here, here[n.name.text]) for mark in n.marks))
            for n in named
        )

    def _marker(self, mark: _Mark, here: dict[str, Step], of: Step) -> Marker:
        if mark.name is None:
            return Once()
        other = here.get(mark.name.text)
        if other is None:
            what = "is not in this permutation" if mark.name.text in self._steps else "does not exist"
            self._wrong(mark.name, f"step {of.name} cannot wait for {mark.name.text}: that step {what}")
        if other.session == of.session:
            self._wrong(mark.name, f"step {of.name} cannot wait for {other.name}: they are of the same session")
        return Until(step=other) if mark.notices is None else Notices(step=other, count=mark.notices)

    def _many(self, keyword: str, read: Callable[[], Part]) -> tuple[Part, ...]:
        parts: list[Part] = []
        while self._begins(keyword):
            parts.append(read())
        return tuple(parts)

    def _maybe(self, keyword: str) -> Block | None:
        return self._block() if self._begins(keyword) else None

    def _block(self) -> Block:
        token = self._take(Kind.SQL, "{ SQL }")
        return Block(sql=token.text, place=token.place)

    def _name(self, what: str) -> Token:
        if not self._is_name():
            self._expected(what)
        return self._advance()

    def _is_name(self) -> bool:
        keyword = self._now.text in KEYWORDS
        return self._now.kind is Kind.NAME or (self._now.kind is Kind.WORD and not keyword)

    def _begins(self, keyword: str) -> bool:
        found = self._now.kind is Kind.WORD and self._now.text == keyword
        if found:
            self._advance()
        return found

    def _sign(self, text: str) -> bool:
        found = self._now.kind is Kind.SIGN and self._now.text == text
        if found:
            self._advance()
        return found

    def _take(self, kind: Kind, what: str) -> Token:
        if self._now.kind is not kind:
            self._expected(what)
        return self._advance()

    def _advance(self) -> Token:
        token, self._now = self._now, next(self._tokens, self._now)
        return token

    def _expected(self, what: str) -> NoReturn:
        found = {Kind.END: "the end of the file", Kind.SQL: "a block of SQL"}.get(self._now.kind, self._now.text)
        self._wrong(self._now, f"expected {what}, found {found}")

    def _wrong(self, token: Token, message: str) -> NoReturn:
        raise ScenarioError(self._file, token.place.line, token.place.column, message)


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")
