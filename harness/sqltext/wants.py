"""What a script takes for granted: roles, schemas, functions and extensions that it uses and does not make."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import postgast

from harness.sqltext.nodes import children, enum_name
from harness.sqltext.parse import Piece, SqlSyntaxError, parse, split

_DATA = 100_000
"""Characters from which an INSERT is rows, not to be looked into."""
_QUALIFIED = re.compile(r"\b([a-z_][a-z0-9_]*)\s*\.\s*([a-z_][a-z0-9_]*)", re.IGNORECASE)
_CALLED = re.compile(r"(?<![.\w])(?<!\. )([a-z_][a-z0-9_]*)\s*\(", re.IGNORECASE)
_CREATED_ROLE = re.compile(r"\bCREATE\s+(?:ROLE|USER)\s+\"?([A-Za-z_][A-Za-z0-9_$]*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """A CREATE EXTENSION, or (``created`` false) a comment on one. ``start`` and ``end``: the statement's characters in
    the script, without the semicolon."""

    name: str
    schema: str | None
    created: bool
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wants:
    """``roles``: named as grantee, owner or in a policy, in order of appearance. ``created_roles``: made by the script
    itself, also inside DO. ``qualified``: every ``schema.name`` in it, bodies of functions included (a superset: a
    column of a table looks the same there). ``called``: names of functions called without schema, same. ``schemas``,
    ``functions`` (without schema), ``publications``: made by the script; ``altered_publications``: changed by it.
    ``enum_values``: where an ALTER TYPE … ADD VALUE ends. ``concurrently``: the characters of each CONCURRENTLY."""

    roles: tuple[str, ...]
    created_roles: frozenset[str]
    qualified: frozenset[tuple[str, str]]
    called: frozenset[str]
    schemas: frozenset[str]
    functions: frozenset[str]
    publications: frozenset[str]
    altered_publications: frozenset[str]
    extensions: tuple[Extension, ...]
    enum_values: tuple[int, ...]
    concurrently: tuple[tuple[int, int], ...]


def wants(script: str) -> Wants:
    """What ``script`` uses and what it makes. Raises `SqlSyntaxError`."""
    found = _Found()
    for piece in split(script):
        if len(piece.text) > _DATA and piece.text[:6].upper() == "INSERT":
            continue
        try:
            [statement] = parse(piece.text).stmts
        except SqlSyntaxError:  # nested too deeply: such a statement is a query, of no interest here
            continue
        found.note(statement.stmt, piece)
    return found.wants()


class _Found:
    def __init__(self) -> None:
        self.roles: dict[str, None] = {}
        self.created: set[str] = set()
        self.qualified: set[tuple[str, str]] = set()
        self.called: set[str] = set()
        self.schemas: set[str] = set()
        self.functions: set[str] = set()
        self.publications: set[str] = set()
        self.altered: set[str] = set()
        self.extensions: list[Extension] = []
        self.enum_values: list[int] = []
        self.concurrently: list[tuple[int, int]] = []

    def note(self, node: Any, piece: Piece) -> None:
        which, end = node.WhichOneof("node"), piece.start + len(piece.text)
        inner = getattr(node, which)
        if extension := _extension(which, inner, piece.start, end):
            self.extensions.append(extension)
            return
        match which:
            case "create_role_stmt":
                self.created.add(inner.role)
            case "create_schema_stmt":
                self.schemas.add(inner.schemaname)
            case "create_function_stmt":
                self.functions.add(inner.funcname[-1].string.sval)
            case "create_publication_stmt":
                self.publications.add(inner.pubname)
            case "alter_publication_stmt":
                self.altered.add(inner.pubname)
            case "alter_enum_stmt" if inner.new_val and not inner.old_val:
                self.enum_values.append(end)
            case "index_stmt" | "refresh_mat_view_stmt" | "drop_stmt" if inner.concurrent:
                if word := re.search(r"\bCONCURRENTLY\b", piece.text, re.IGNORECASE):
                    self.concurrently.append((piece.start + word.start(), piece.start + word.end()))
        self.roles.update(dict.fromkeys(_roles(node)))
        bare = _without_comments(piece.text)
        if which == "do_stmt":
            self.created.update(m[1].lower() for m in _CREATED_ROLE.finditer(bare))
        self.qualified.update((a.lower(), b.lower()) for a, b in _QUALIFIED.findall(bare.replace('"', "")))
        self.called.update(name.lower() for name in _CALLED.findall(bare))

    def wants(self) -> Wants:
        return Wants(
            roles=tuple(self.roles),
            created_roles=frozenset(self.created),
            qualified=frozenset(self.qualified),
            called=frozenset(self.called),
            schemas=frozenset(self.schemas),
            functions=frozenset(self.functions),
            publications=frozenset(self.publications),
            altered_publications=frozenset(self.altered),
            extensions=tuple(self.extensions),
            enum_values=tuple(self.enum_values),
            concurrently=tuple(self.concurrently),
        )


def _extension(which: str, node: Any, start: int, end: int) -> Extension | None:
    if which == "create_extension_stmt":
        options = {o.def_elem.defname: o.def_elem.arg.string.sval for o in node.options}
        return Extension(name=node.extname, schema=options.get("schema"), created=True, start=start, end=end)
    named = which == "comment_stmt" and node.object.WhichOneof("node") == "string"
    if named and enum_name(node, "objtype") == "OBJECT_EXTENSION":
        return Extension(name=node.object.string.sval, schema=None, created=False, start=start, end=end)
    return None


def first_call(sql: str) -> str | None:
    """The name, without schema, of the function that stands first in ``sql``. None: there is none."""
    try:
        tree = parse(sql)
    except SqlSyntaxError:
        return None
    names = [(node.location, node.funcname[-1].string.sval) for node in _nodes(tree, "FuncCall")]
    return min(names)[1] if names else None


def _roles(node: Any) -> Iterator[str]:
    for role in _nodes(node, "RoleSpec"):
        if role.rolename and role.rolename != "public":
            yield role.rolename


def _nodes(message: Any, kind: str) -> Iterator[Any]:
    """All messages of a kind inside ``message``, in the order of its fields."""
    if message.DESCRIPTOR.name == kind:
        yield message
    for inner in children(message):
        yield from _nodes(inner, kind)


def _without_comments(sql: str) -> str:
    """``sql`` without its comments; those inside a function's body, which is a string, go as well."""
    data = sql.encode()
    kept = [data[t.start : t.end].decode() for t in postgast.scan(sql).tokens]
    text = " ".join(t for t in kept if not t.startswith(("--", "/*")))
    return re.sub(r"--[^\n]*", "", text)
