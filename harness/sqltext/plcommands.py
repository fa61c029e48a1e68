"""PL/pgSQL's simple statements: those that hold no others."""

from __future__ import annotations

from collections.abc import Callable

from harness.sqltext.plsyntax import Part, PartKind, Stmt
from harness.sqltext.plwords import Words
from harness.sqltext.tokens import Token

__all__ = ["COMMANDS", "Commands"]


class Commands(Words):
    """Each method reads one statement, from its first word (``first``) to its semicolon, which is not taken. ``at``:
    where the statement begins, a label included."""

    def made(self, kind: str, at: int, first: Token, parts: tuple[Part, ...] = ()) -> Stmt:
        return Stmt(kind=kind, at=at, line=self.line(first.start), end=self.peek().start, parts=parts)

    def assignment(self, at: int) -> Stmt:
        first = self.peek()
        target = self.until(":=", "=")
        self.next()
        parts = self.part(target) if any(t.text == "[" for t in target) else ()
        return self.made("assign", at, first, parts + self.part(self.until(";")))

    def call(self, first: Token, at: int) -> Stmt:
        """CALL and DO."""
        return self.made("call", at, first, self.part(self.until(";"), PartKind.QUERY))

    def assert_(self, first: Token, at: int) -> Stmt:
        self.next()
        return self.made("assert", at, first, self.listed(";"))

    def exit(self, first: Token, at: int) -> Stmt:
        """EXIT and CONTINUE."""
        self.until("when", ";")
        if self.word("when"):
            self.next()
        return self.made("exit", at, first, self.part(self.until(";")))

    def return_(self, first: Token, at: int) -> Stmt:
        self.next()
        if self.word("next"):
            self.next()
            return self.made("return_next", at, first, self.part(self.until(";")))
        if not self.word("query"):
            return self.made("return", at, first, self.part(self.until(";")))
        self.next()
        if self.word("execute"):
            self.next()
            return self.made("return_query", at, first, self.dynamic())
        return self.made("return_query", at, first, self.part(self.until(";"), PartKind.QUERY))

    def dynamic(self) -> tuple[Part, ...]:
        """What follows EXECUTE: the text, INTO targets, USING expressions, in any order."""
        parts = self.part(self.until("into", "using", ";"), PartKind.DYNAMIC)
        while self.peek().text != ";":
            if self.next().word == "using":
                parts += self.listed("into", ";")
            else:
                self.until("using", ";")
        return parts

    def execute(self, first: Token, at: int) -> Stmt:
        self.next()
        return self.made("dynexecute", at, first, self.dynamic())

    def perform(self, first: Token, at: int) -> Stmt:
        [part] = self.part(self.some(self.until(";")), PartKind.QUERY)
        text = "SELECT" + part.text[len("PERFORM") :]
        return self.made("perform", at, first, (Part(kind=part.kind, start=part.start + 1, end=part.end, text=text),))

    def raise_(self, first: Token, at: int) -> Stmt:
        self.next()
        self.until(",", "using", ";")
        parts: tuple[Part, ...] = ()
        if self.peek().text == ",":
            self.next()
            parts = self.listed("using", ";")
        while self.peek().text != ";":
            self.next()  # USING or a comma
            self.until("=", ":=", ";")
            if self.peek().text != ";":
                self.next()
                parts += self.part(self.until(",", ";"))
        return self.made("raise", at, first, parts)

    def open(self, first: Token, at: int) -> Stmt:
        self.next()
        name = self.next()
        self.until("for", "(", ";")
        if self.word("for"):
            self.next()
            if self.word("execute"):
                self.next()
                return self.made("open", at, first, self.dynamic())
            return self.made("open", at, first, self.part(self.until(";"), PartKind.QUERY))
        cursor = (Part(kind=PartKind.CURSOR, start=name.start, end=name.end, text=name.text.lower()),)
        inside = self.until(";")
        return self.made("open", at, first, cursor + self.part(inside[1:-1]))

    def fetch(self, first: Token, at: int) -> Stmt:
        self.next()
        tokens = self.some(self.until("into", ";"))
        if self.word("into"):
            self.until(";")
        name = tokens[-1]
        how_many = [t for t in tokens[:-1] if t.text not in ("from", "in")]
        parts = (Part(kind=PartKind.CURSOR, start=name.start, end=name.end, text=name.text.lower()),)
        # A count may be an expression: its last words are a FROM or IN and the cursor.
        calls = any(t.text == "(" for t in how_many)
        return self.made("fetch", at, first, parts + (self.part(how_many[1:]) if calls else ()))

    def close(self, first: Token, at: int) -> Stmt:
        self.until(";")
        return self.made("close", at, first)

    def null(self, first: Token, at: int) -> Stmt:
        self.next()
        return self.made("null", at, first)

    def without_into(self, tokens: list[Token]) -> tuple[Part, ...]:
        """An SQL statement whose INTO (PL/pgSQL's own) is blanked out, as PL/pgSQL does."""
        [part] = self.part(self.some(tokens), PartKind.QUERY)
        depth, found = 0, None
        for i, t in enumerate(tokens):
            depth += (t.text in ("(", "[")) - (t.text in (")", "]"))
            if depth == 0 and t.word == "into" and i and tokens[i - 1].word not in ("insert", "merge"):
                found = i
                break
        if found is None:
            return (part,)
        last = found + 1
        self.some(list(tokens[last:]))
        if tokens[last].word == "strict" and last + 1 < len(tokens):
            last += 1
        while last + 2 < len(tokens) and tokens[last + 1].text in (".", ","):
            last += 2
        # As PL/pgSQL: up to the next word, whatever white space and comments stand between.
        until = tokens[last + 1].start if last + 1 < len(tokens) else tokens[last].end
        begin, end = tokens[found].start - part.start, until - part.start
        text = part.text[:begin] + " " * (end - begin) + part.text[end:]
        return (Part(kind=part.kind, start=part.start, end=part.end, text=text),)


COMMANDS: dict[str, Callable[[Commands, Token, int], Stmt]] = {
    "assert": Commands.assert_,
    "call": Commands.call,
    "continue": Commands.exit,
    "do": Commands.call,
    "exit": Commands.exit,
    "return": Commands.return_,
    "execute": Commands.execute,
    "perform": Commands.perform,
    "raise": Commands.raise_,
    "open": Commands.open,
    "fetch": Commands.fetch,
    "move": Commands.fetch,
    "close": Commands.close,
    "null": Commands.null,
}
