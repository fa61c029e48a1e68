"""A PL/pgSQL body word by word."""

from __future__ import annotations

from harness.sqltext.plsyntax import Part, PartKind
from harness.sqltext.tokens import Token, scan
from harness.sqltext.variables import SqlSyntaxError

__all__ = ["RESERVED", "Words"]

RESERVED = frozenset({"begin", "case", "declare", "execute", "for", "foreach", "if", "loop", "null", "while"})
"""Words that begin a statement and can name no variable."""


class Words:
    """The tokens of ``text`` and a place among them. What cannot be gone on with is a `SqlSyntaxError`."""

    def __init__(self, text: str) -> None:
        self.text, self.tokens, self.i = text, scan(text), 0

    # -------------------------------------------------------------------------------------------------- tokens

    def peek(self, ahead: int = 0) -> Token:
        if self.i + ahead >= len(self.tokens):
            end = len(self.text)
            return Token(text="", word="", start=end, end=end)
        return self.tokens[self.i + ahead]

    def next(self) -> Token:
        token = self.peek()
        if not token.text:
            raise SqlSyntaxError("unexpected end of the function", token.start)
        self.i += 1
        return token

    def word(self, *words: str) -> bool:
        return self.peek().word in words

    def take(self, *texts: str) -> Token:
        """The next token, which must be one of these."""
        token = self.next()
        if token.word not in texts and token.text not in texts:
            raise SqlSyntaxError(f"{texts[0]} expected", token.start)
        return token

    def line(self, at: int) -> int:
        return self.text.count("\n", 0, at) + 1

    def until(self, *stops: str) -> list[Token]:
        """Tokens up to the next of ``stops`` outside brackets, which is not taken."""
        taken: list[Token] = []
        depth = 0
        while True:
            token = self.peek()
            if depth == 0 and token.text and (token.word in stops or token.text in stops):
                return taken
            depth += (token.text in ("(", "[")) - (token.text in (")", "]"))
            taken.append(self.next())

    def part(self, tokens: list[Token], kind: PartKind = PartKind.EXPRESSION) -> tuple[Part, ...]:
        if not tokens:
            return ()
        start, end = tokens[0].start, tokens[-1].end
        return (Part(kind=kind, start=start, end=end, text=self.text[start:end]),)

    def some(self, tokens: list[Token]) -> list[Token]:
        """``tokens``, of which there must be one at least."""
        if not tokens:
            raise SqlSyntaxError("something expected", self.peek().start)
        return tokens

    def listed(self, *stops: str) -> tuple[Part, ...]:
        """Expressions separated by commas."""
        parts = self.part(self.until(",", *stops))
        while self.peek().text == ",":
            self.next()
            parts += self.part(self.until(",", *stops))
        return parts

    def assigns(self) -> bool:
        """Whether an assignment stands here: a path of names and subscripts, then ``:=`` or ``=``."""
        if not (self.peek().word or self.peek().text.startswith('"') or self.peek().text.startswith("$")):
            return False
        if self.peek().word in RESERVED:
            return False
        ahead, depth = 1, 0
        while text := self.peek(ahead).text:
            if depth == 0 and text in (":=", "="):
                return True
            if text == "[":
                depth += 1
            elif text == "]":
                depth -= 1
            elif depth == 0:
                if text != ".":
                    return False
                ahead += 1
            ahead += 1
        return False
