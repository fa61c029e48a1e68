"""Split a script into statements and say what kind each is."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import postgast
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from harness.model import Json, StatementKind
from harness.sqltext.nodes import enum_name
from harness.sqltext.variables import SqlSyntaxError, blank_variables, encoded

__all__ = ["Piece", "SqlSyntaxError", "TooDeep", "classify", "leaves_session_state", "parse", "split", "unsupported"]

_TRANSACTION_KINDS = {
    "TRANS_STMT_BEGIN": StatementKind.BEGIN,
    "TRANS_STMT_START": StatementKind.BEGIN,
    "TRANS_STMT_COMMIT": StatementKind.COMMIT,
    "TRANS_STMT_ROLLBACK": StatementKind.ROLLBACK,
}
_TWO_PHASE = {"TRANS_STMT_PREPARE", "TRANS_STMT_COMMIT_PREPARED", "TRANS_STMT_ROLLBACK_PREPARED"}
_FIRST_WORDS = {"with": "select", "values": "select", "table": "select"}
_PLAIN = {"select_stmt", "insert_stmt", "update_stmt", "delete_stmt", "merge_stmt", "call_stmt", "lock_stmt"}
_SESSION = {"variable_set_stmt", "prepare_stmt", "listen_stmt", "declare_cursor_stmt", "load_stmt", "discard_stmt"}
_NOT_DDL = _PLAIN | _SESSION | {
    "transaction_stmt", "execute_stmt", "deallocate_stmt", "explain_stmt", "notify_stmt", "unlisten_stmt",
    "variable_show_stmt", "fetch_stmt", "close_portal_stmt", "do_stmt", "check_point_stmt", "constraints_set_stmt",
}  # fmt: skip
_DIRECTIVE = re.compile(r"^--\s*(name|continue if)\s*:\s*(.*?)\s*$", re.MULTILINE)


class TooDeep(SqlSyntaxError):
    """Good SQL, nested more deeply than the parser's messages can be read (about forty operators in a row)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One statement of a script. ``start``: its character offset there. ``name`` and ``continue_if`` come from
    ``-- name: x`` and ``-- continue if: {json}`` comment lines in front of it."""

    text: str
    start: int
    name: str | None = None
    continue_if: Mapping[str, Json] | None = None


def parse(sql: str) -> Any:
    """The parse tree (a protobuf message) of ``sql``, variables standing as string literals.

    Raises `SqlSyntaxError` with a character offset; `TooDeep` for good SQL that is nested too deeply to be looked into.
    """
    try:
        return postgast.parse(blank_variables(sql))
    except postgast.PgQueryError as e:
        raise SqlSyntaxError.from_parser(e) from None
    except DecodeError:
        raise TooDeep("nested too deeply to be looked into", None) from None


def split(script: str) -> tuple[Piece, ...]:
    """The statements of ``script``, without empty ones and without comments around them. Raises `SqlSyntaxError`."""
    raw, blank = encoded(script), blank_variables(script)
    try:
        # Not by `parse`: the depth of a statement does not matter here.
        bodies = postgast.split(blank)
        tokens = _tokens(blank)
    except postgast.PgQueryError as e:
        raise SqlSyntaxError.from_parser(e) from None
    pieces, i, at, offset = [], 0, 0, 0
    for body in bodies:
        while raw[tokens[i].start : tokens[i].end] == b";":
            i += 1
        start = tokens[i].start
        # Comments in front of a statement count as part of it in some versions of the parser, in others not.
        end = start + len(body.encode()) - _tokens(body)[0].start
        while i < len(tokens) and tokens[i].end <= end:
            i += 1
        lead, text = raw[at:start].decode(), raw[start : tokens[i - 1].end].decode()
        offset += len(lead)
        name, condition = _directives(lead, offset)
        pieces.append(Piece(text=text, start=offset, name=name, continue_if=condition))
        at, offset = tokens[i - 1].end, offset + len(text)
    return tuple(pieces)


def classify(sql: str) -> StatementKind:
    """What the single statement ``sql`` does to its session's transaction. Raises `SqlSyntaxError`."""
    which, node = _single(sql)
    if which == "transaction_stmt":
        return _TRANSACTION_KINDS.get(enum_name(node.transaction_stmt, "kind"), StatementKind.QUERY)
    return StatementKind.QUERY if which in _NOT_DDL else StatementKind.DDL


def leaves_session_state(sql: str) -> bool:
    """Whether ``sql`` may leave something in its session that outlives the transaction (settings, plans, cursors,
    advisory locks, temporary tables). Errs towards True. Raises `SqlSyntaxError`."""
    which, _ = _single(sql)
    lowered = sql.lower()
    return (which not in _PLAIN and which != "transaction_stmt") or any(
        word in lowered for word in ("set_config", "advisory", "temp", "dblink", "setseed")
    )


def unsupported(sql: str) -> str | None:
    """Why a worker cannot send the single statement ``sql``; None when it can. Raises `SqlSyntaxError`."""
    which, node = _single(sql)
    if which == "transaction_stmt" and enum_name(node.transaction_stmt, "kind") in _TWO_PHASE:
        return "two-phase commit is not supported"
    if which == "copy_stmt" and not node.copy_stmt.filename:
        return "COPY from or to the client is not supported"
    return None


def _single(sql: str) -> tuple[str, Any]:
    """The kind and the tree of the only statement of ``sql``; of one nested too deeply, the kind by its first word."""
    try:
        statements = parse(sql).stmts
    except TooDeep:
        words = [blank_variables(sql).encode()[t.start : t.end].decode() for t in _tokens(blank_variables(sql))]
        first = next(word for word in words if word != "(").lower()
        return f"{_FIRST_WORDS.get(first, first)}_stmt", None
    if not statements:
        raise SqlSyntaxError("no SQL command", None)
    return statements[0].stmt.WhichOneof("node"), statements[0].stmt


def _tokens(blank: str) -> list[Any]:
    """Tokens of a text without variables, comments left out; positions in bytes."""
    data = blank.encode()
    return [t for t in postgast.scan(blank).tokens if data[t.start : t.start + 2] not in (b"--", b"/*")]


def _directives(lead: str, offset: int) -> tuple[str | None, Mapping[str, Json] | None]:
    """``name`` and ``continue if`` of the comments in front of a statement. What is no JSON object is just prose."""
    found = dict(_DIRECTIVE.findall(lead))
    condition = found.get("continue if", "")
    if not condition.startswith("{"):
        return found.get("name"), None
    try:
        return found.get("name"), json.loads(condition)
    except ValueError:
        raise SqlSyntaxError("`-- continue if:` needs a JSON object", offset) from None
