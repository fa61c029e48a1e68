"""PL/pgSQL read into statements with their places in the text.

The parser's own PL/pgSQL output has line numbers and no positions, and gates must stand at exact places. This reader
goes by the scanner's tokens and the grammar's few rules (as PL/pgSQL itself: an expression ends at the first THEN,
LOOP, … outside brackets); `plcheck` compares what it found with the parser's view.
"""

from __future__ import annotations

from harness.sqltext.plcommands import COMMANDS, Commands
from harness.sqltext.plsyntax import Block, Branch, Declaration, Part, PartKind, Stmt
from harness.sqltext.tokens import Token
from harness.sqltext.variables import SqlSyntaxError

__all__ = ["read_body"]


def read_body(text: str) -> Block:
    """The outermost block of a function body. Raises `SqlSyntaxError` for what is not understood."""
    return _Reader(text).outermost()


class _Reader(Commands):
    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._cursors: set[str] = set()

    # ---------------------------------------------------------------------------------------------- structure

    def outermost(self) -> Block:
        while self.peek().text == "#":  # #variable_conflict, #option, #print_strict_params: two or three words
            line = self.line(self.peek().start)
            while self.peek().text and self.line(self.peek().start) == line and not self.word("declare", "begin"):
                self.next()
        label_at = self.label()
        block = self.block(self.peek().start if label_at < 0 else label_at)
        if self.peek().text == ";":
            self.next()
        if self.peek().text:
            raise SqlSyntaxError("text after the last END", self.peek().start)
        return block

    def label(self) -> int:
        """Skips ``<<label>>``; where it stood, or -1."""
        at = -1
        while self.peek().text == "<<":
            at = self.next().start if at < 0 else (self.next(), at)[1]
            self.next()
            self.take(">>")
        return at

    def block(self, at: int) -> Block:
        declarations: list[Declaration] = []
        if self.word("declare"):
            self.next()
            while not self.word("begin"):
                if self.word("declare"):
                    self.next()
                elif self.peek().text == "<<":
                    self.label()
                else:
                    declarations.append(self.declaration())
        begin = self.take("begin")
        branches = [self.branch(begin, "exception", "end")]
        handles = self.word("exception")
        if handles:
            self.next()
            while self.word("when"):
                when = self.next()
                self.until("then")
                self.next()
                branches.append(self.branch(when, "when", "end"))
        closes = self.take("end").start
        if self.peek().text not in (";", ""):
            self.next()  # the label
        return Block(
            kind="block", at=at, line=self.line(begin.start), end=self.peek().start, branches=tuple(branches),
            closes=closes, declarations=tuple(declarations), handles=handles,
        )  # fmt: skip

    def branch(self, keyword: Token, *ends: str, condition: tuple[Part, ...] = ()) -> Branch:
        begins = self.tokens[self.i - 1].end
        body: list[Stmt] = []
        while not self.word(*ends) or self.assigns():
            body.append(self.statement())
        return Branch(
            at=keyword.start, begins=begins, line=self.line(keyword.start), body=tuple(body), condition=condition
        )

    def declaration(self) -> Declaration:
        name = self.next()
        line = self.line(name.start)
        if self.word("cursor") or (self.word("scroll") or (self.word("no") and self.peek(1).word == "scroll")):
            while not self.word("cursor"):
                self.next()
            self.next()
            self.until("for", "is")
            self.next()
            query = self.part(self.until(";"), PartKind.QUERY)
            self.next()
            self._cursors.add(name.text.lower())
            return Declaration(name=name.text.lower(), at=name.start, line=line, parts=query, cursor=True)
        kind = self.until(":=", "=", "default", ";")
        parts: tuple[Part, ...] = ()
        if self.next().text != ";":
            parts = self.part(self.until(";"))
            self.next()
        type_at, type_end = (kind[0].start, kind[-1].end) if kind else (name.end, name.end)
        return Declaration(
            name=name.text.lower(), at=name.start, line=line, parts=parts, type_at=type_at, type_end=type_end
        )

    def statement(self) -> Stmt:
        at = self.label()
        first = self.peek()
        at = first.start if at < 0 else at
        made = self.assignment(at) if self.assigns() else self.by_keyword(first, at)
        self.take(";")
        return made

    def by_keyword(self, first: Token, at: int) -> Stmt:
        word = first.word
        if word in ("declare", "begin"):
            return self.block(at)
        if word in ("if", "case"):
            self.next()
            return self.choice(first, at)
        if word in ("loop", "while", "for", "foreach"):
            self.next()
            return self.loop(first, at)
        if word == "get" and self.peek(1).word in ("diagnostics", "current", "stacked"):
            self.until(";")
            return self.made("getdiag", at, first)
        if word in ("commit", "rollback") and self.peek(1).word != "to":
            self.until(";")
            return self.made(word, at, first)
        if word in COMMANDS:
            return COMMANDS[word](self, first, at)
        tokens = self.until(";")
        return self.made("execsql", at, first, self.without_into(tokens))

    def choice(self, first: Token, at: int) -> Stmt:
        """IF and CASE."""
        simple_case = False
        branches: list[Branch] = []
        if first.word == "if":
            parts = self.part(self.until("then"))
            arms: tuple[str, ...] = ("elsif", "elseif")
            self.next()
            branches.append(self.branch(first, *arms, "else", "end"))
        else:
            simple_case = not self.word("when")
            parts = self.part(self.until("when"))
            arms = ("when",)
        while self.word(*arms):
            keyword = self.next()
            condition = self.listed("then") if simple_case else self.part(self.until("then"))
            self.next()
            branches.append(self.branch(keyword, *arms, "else", "end", condition=condition))
        if self.word("else"):
            keyword = self.next()
            branches.append(self.branch(keyword, "end"))
        closes = self.take("end").start
        self.take(first.word)
        return Stmt(
            kind=first.word, at=at, line=self.line(first.start), end=self.peek().start, parts=parts,
            branches=tuple(branches), closes=closes, simple_case=simple_case,
        )  # fmt: skip

    def loop(self, first: Token, at: int) -> Stmt:
        kind, parts = first.word, tuple[Part, ...]()
        if kind == "while":
            parts = self.part(self.until("loop"))
        elif kind == "foreach":
            kind = "foreach_a"
            self.until("in")
            self.next()
            self.take("array")
            parts = self.part(self.until("loop"))
        elif kind == "for":
            self.until("in")
            self.next()
            kind, parts = self.range()
        if kind != "loop":
            self.take("loop")
        body = self.branch(first, "end")
        closes = self.take("end").start
        self.take("loop")
        if self.peek().text != ";":
            self.next()  # the label
        return Stmt(
            kind=kind, at=at, line=self.line(first.start), end=self.peek().start, parts=parts, branches=(body,),
            closes=closes,
        )  # fmt: skip

    def range(self) -> tuple[str, tuple[Part, ...]]:
        """What FOR goes through."""
        if self.word("execute"):
            self.next()
            parts = self.part(self.until("loop", "using"), PartKind.DYNAMIC)
            if self.word("using"):
                self.next()
                parts += self.listed("loop")
            return "dynfors", parts
        first = self.peek()
        name = first.text.lower()
        if name in self._cursors and (self.peek(1).word == "loop" or self.peek(1).text == "("):
            self.next()
            inside = self.until("loop")
            cursor = (Part(kind=PartKind.CURSOR, start=first.start, end=first.end, text=name),)
            return "forc", cursor + self.part(inside[1:-1])
        begin = self.i
        tokens = self.until("loop", "..")
        if self.peek().text != "..":
            return "fors", self.part(tokens, PartKind.QUERY)
        self.i = begin
        if self.word("reverse"):
            self.next()
        low = self.part(self.until(".."))
        self.next()
        high = self.part(self.until("by", "loop"))
        if self.word("by"):
            self.next()
            return "fori", low + high + self.part(self.until("loop"))
        return "fori", low + high
