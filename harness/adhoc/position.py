"""Where in a person's text something stands, in the words that editors jump by."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from harness.errors import UserSqlError
from harness.sqltext import SqlSyntaxError


@dataclass(frozen=True, slots=True, kw_only=True)
class UserText:
    """SQL of the person's, with the name that errors use for it: a file, or an option."""

    name: str
    text: str

    def where(self, offset: int) -> str:
        """``name:line:column`` of a character; lines and columns count from 1."""
        before = self.text[:offset]
        return f"{self.name}:{before.count(chr(10)) + 1}:{offset - (before.rfind(chr(10)) + 1) + 1}"


@contextmanager
def located(text: UserText) -> Iterator[None]:
    """Turn the parser's refusal of ``text`` into a `UserSqlError` with its position."""
    try:
        yield
    except SqlSyntaxError as e:
        raise UserSqlError(text.name if e.offset is None else text.where(e.offset), e.message) from None
