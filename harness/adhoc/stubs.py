"""Makes the person's SQL installable on a bare server: what it takes for granted is stubbed, and said."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from harness.adhoc.sources import File
from harness.adhoc.stand_ins import API_ROLES, FUNCTIONS, GRANTS, ROLES, SCHEMAS
from harness.errors import UsageError
from harness.model import PUBLIC_ROLE, Script
from harness.resources import from_here
from harness.sqltext import quoted
from harness.sqltext.wants import Wants, wants

NAME = "harness_stubs.sql"
_SCHEMA_CLAUSE = re.compile(r"\s(WITH\s+)?SCHEMA\s+\S+", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the server has. ``owned``: it is ours, so that roles may be made there."""

    owned: bool
    description: str
    roles: frozenset[str]
    extensions: frozenset[str]

    @classmethod
    def of(cls, conn: psycopg.Connection[Any], *, owned: bool, description: str) -> Facts:
        """Ask the server behind ``conn``."""
        roles = conn.execute("SELECT rolname FROM pg_roles").fetchall()
        extensions = conn.execute("SELECT name FROM pg_available_extensions").fetchall()
        return cls(
            owned=owned,
            description=description,
            roles=frozenset(name for (name,) in roles),
            extensions=frozenset(name for (name,) in extensions),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """``scripts``: to be installed, the stubs (if any) first. ``changed``: names of those that differ from their
    files. ``stubbed`` and ``notices``: for people."""

    scripts: tuple[Script, ...]
    changed: frozenset[str]
    stubbed: tuple[str, ...]
    notices: tuple[str, ...]


def prepare(files: Sequence[File], used_roles: Sequence[str], facts: Facts) -> Prepared:
    """``files`` as they can be installed on the server of ``facts``; ``used_roles``: of the calls.

    Raises `UsageError`, naming them, for roles that are missing on a server that is not ours.
    """
    found = {f.name: wants(f.text) for f in files}
    all_wants = tuple(found.values())
    roles = _missing_roles(all_wants, used_roles, facts)
    parts = [_create_role(r) for r in roles]
    said = [f"role {r}" for r in roles]
    schemas = {s for w in all_wants for s in w.schemas}
    qualified = {q for w in all_wants for q in w.qualified}
    for schema, (sql, words) in SCHEMAS.items():
        if schema not in schemas and any(q[0] == schema for q in qualified):
            parts.append(sql)
            said.append(words)
    present = facts.roles | set(roles)
    if "auth" not in schemas and set(API_ROLES) <= present and any(w.startswith("auth.") for w in said):
        parts.append(GRANTS)
    parts += [f"CREATE SCHEMA IF NOT EXISTS {quoted(s)};\n" for s in _extension_schemas(all_wants, schemas)]
    notices = list(_absent_extensions(all_wants, facts))
    for name, sql in _functions(all_wants, facts):
        parts.append(sql)
        said.append(name)
    for name in sorted({p for w in all_wants for p in w.altered_publications - w.publications}):
        parts.append(f"CREATE PUBLICATION {quoted(name)};\n")
        said.append(f"publication {name}")
    own = {f.name: _edited(f.text, found[f.name], qualified, facts) for f in files}
    places = {f.name: from_here(f.path) for f in files}
    stubs = (Script(name=NAME, text="".join(parts)),) if parts else ()
    return Prepared(
        scripts=(*stubs, *(Script(name=name, text=text, file=places[name]) for name, text in own.items())),
        changed=frozenset(f.name for f in files if f.converted or own[f.name] != f.text),
        stubbed=tuple(said),
        notices=tuple(notices),
    )


def _missing_roles(all_wants: Sequence[Wants], used: Sequence[str], facts: Facts) -> list[str]:
    created = {r for w in all_wants for r in w.created_roles}
    named = dict.fromkeys([*(r for w in all_wants for r in w.roles), *(r for r in used if r != "public")])
    if "public" in used and not facts.owned:
        named[PUBLIC_ROLE] = None
    if any(q[0] == "auth" for w in all_wants for q in w.qualified):
        named.update(dict.fromkeys(API_ROLES if facts.owned else ()))
    missing = [r for r in named if r not in created and r not in facts.roles]
    if missing and not facts.owned:
        raise UsageError(
            f"no role {', '.join(missing)} on {facts.description}: create {'them' if len(missing) > 1 else 'it'} there "
            "(only on a server of its own the harness makes roles)"
        )
    return missing


def _create_role(name: str) -> str:
    attributes = f" {ROLES[name]}" if name in ROLES else ""
    return (
        f"DO $$ BEGIN CREATE ROLE {quoted(name)} NOLOGIN{attributes}; "
        "EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;\n"
    )


def _extension_schemas(all_wants: Sequence[Wants], made: set[str]) -> list[str]:
    """Schemas that extensions go to and nobody makes."""
    named = {e.schema for w in all_wants for e in w.extensions if e.schema and e.created}
    used = {s for w in all_wants for s, name in w.qualified if s == "extensions"}
    return sorted((named | used) - made - {"public", "pg_catalog"})


def _absent(all_wants: Sequence[Wants], facts: Facts) -> dict[str, str | None]:
    """Extensions that the server does not have → the schema they were to go to."""
    created = [e for w in all_wants for e in w.extensions if e.created]
    return {e.name: e.schema for e in created if e.name not in facts.extensions}


def _absent_extensions(all_wants: Sequence[Wants], facts: Facts) -> Iterator[str]:
    for name in _absent(all_wants, facts):
        stand_ins = ", ".join(f"{f}()" for f in FUNCTIONS.get(name, {}))
        yield f"extension {name} is not on this server: " + (
            f"only {stand_ins} stand in for it" if stand_ins else "left out"
        )


def _functions(all_wants: Sequence[Wants], facts: Facts) -> Iterator[tuple[str, str]]:
    """What brings functions of extensions that are used and not there, name for people and SQL: the extension, where
    the server has it and the scripts do not create it, else stand-ins."""
    absent = _absent(all_wants, facts)
    created = {e.name for w in all_wants for e in w.extensions if e.created}
    made = {f for w in all_wants for f in w.functions}
    for extension, functions in FUNCTIONS.items():
        used = {f: _used_in(f, absent.get(extension), all_wants) for f in functions if f not in made}
        if extension in facts.extensions:
            places = set().union(*used.values())
            if extension not in created and places:
                where = quoted(max(places))
                yield f"extension {extension}", f"CREATE EXTENSION {quoted(extension)} WITH SCHEMA {where};\n"
            continue
        for name, places in used.items():
            for schema in sorted(places):
                yield f"{schema}.{name}()", functions[name].replace("{schema}", quoted(schema))


def _used_in(name: str, schema: str | None, all_wants: Sequence[Wants]) -> set[str]:
    """Schemas in which a function of that name is expected."""
    places = {s for w in all_wants for s, f in w.qualified if f == name and s in ("extensions", "public", schema)}
    if name != "gen_random_uuid" and any(name in w.called for w in all_wants):  # that one is built in
        places.add("public")
    return places


def _edited(text: str, found: Wants, qualified: set[tuple[str, str]], facts: Facts) -> str:
    """``text`` with what cannot be installed blanked out; every line stays on its line."""
    edits: list[tuple[int, int, str]] = [(start, end, " " * (end - start)) for start, end in found.concurrently]
    # A new value of an enum cannot be used in the transaction that added it, and a file is installed in one.
    edits += [(end, end, "; COMMIT") for end in found.enum_values]
    for e in found.extensions:
        if e.name not in facts.extensions:
            edits.append((e.start, e.end, _blank(text[e.start : e.end])))
        elif e.schema == "extensions" and not any(s == "extensions" for s, _ in qualified):
            # Used without its schema, which elsewhere is on the search path.
            clause = _SCHEMA_CLAUSE.search(text, e.start, e.end)
            if clause:
                edits.append((clause.start(), clause.end(), _blank(clause[0])))
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _blank(text: str) -> str:
    return re.sub(r"\S", " ", text)


def summary(stubbed: Sequence[str]) -> str:
    """``stubbed: auth.uid(), role anon``; "" when nothing was."""
    return f"stubbed: {', '.join(stubbed)}" if stubbed else ""
