"""Mutation operators for any function: each gives copies of a routine with one small thing broken.

- ``drop_lock``, ``weaken_lock_share``, ``weaken_lock_skip``: a row lock is left out, is only shared, or passes over the
  rows that others hold.
- ``drop_conjunct``: one AND-ed condition of a WHERE clause is left out.
- ``swap_statements``: two neighbours in a block change places, one of which touches a table.
- ``drop_statement``: a statement that writes, or that does nothing but lock, is left out.
- ``drop_guard``: an IF that ends with RETURN or RAISE never strikes.
- ``absolute_write``: ``SET x = x + e`` writes what an earlier SELECT read.
- ``split_transaction``: a procedure commits between two of its statements.

Whether the server takes a mutant is for the server to say; that it is the old text with just this change is seen to
here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from harness.sqltext.catalog import Catalog, Routine
from harness.sqltext.mutate_blocks import block_changes, commit_changes, piece_changes
from harness.sqltext.mutate_query import condition_changes, lock_changes
from harness.sqltext.mutate_types import Change, Mutation
from harness.sqltext.mutate_writes import write_changes
from harness.sqltext.parse import split
from harness.sqltext.plcheck import disagreement
from harness.sqltext.plpgsql import read_body
from harness.sqltext.plsyntax import Block, Part, PartKind, Stmt, statements
from harness.sqltext.tokens import edited, scan
from harness.sqltext.variables import SqlSyntaxError

__all__ = ["Change", "Mutated", "Mutation", "distinct", "mutations_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutated:
    """``reason``: why there are none of a routine that might have some."""

    mutations: tuple[Mutation, ...] = ()
    reason: str = ""


def mutations_of(routine: Routine, catalog: Catalog, *, called_alone: bool = False) -> Mutated:
    """All mutants of ``routine``, in the order of its text, whole functions as ``CREATE OR REPLACE``.

    ``called_alone``: some client calls this procedure outside a transaction, so that it may COMMIT. Nothing is raised
    for a routine that cannot be understood.
    """
    if routine.kind not in ("f", "p"):
        return Mutated()  # an aggregate or a window function: what it runs are routines themselves
    if not routine.described or routine.extension:
        return Mutated(reason=_strange(routine))
    try:
        head, source, tail = _parted(routine)
        if routine.language == "sql":
            changes = list(_sql_changes(source, catalog))
        else:
            changes = list(_pl_changes(routine, catalog, called_alone=called_alone))
    except SqlSyntaxError as e:
        return Mutated(reason=f"not understood: {e.message}")
    name = _name(routine, catalog)
    found, seen = [], {source}
    for change in sorted(changes, key=lambda c: (c.at, c.operator)):
        body = edited(source, change.edits)
        if body not in seen and _readable(routine, head + body + tail, body):
            seen.add(body)
            line = source.count("\n", 0, change.at) + 1
            found.append(
                Mutation(
                    name=f"{name}:{line} {change.operator}", operator=change.operator, function=routine.identity,
                    line=line, before=change.before, after=change.after, sql=head + body + tail,
                )
            )  # fmt: skip
    return Mutated(mutations=tuple(found))


def distinct(mutations: Iterable[Mutation]) -> Iterator[Mutation]:
    """The same, with a number behind each name that was there before: ``refund:12 drop_conjunct (2)``."""
    seen: Counter[str] = Counter()
    for mutation in mutations:
        seen[mutation.name] += 1
        count = seen[mutation.name]
        yield mutation if count == 1 else replace(mutation, name=f"{mutation.name} ({count})")


def _strange(routine: Routine) -> str:
    return f"belongs to the extension {routine.extension}" if routine.extension else f"language {routine.language}"


def _name(routine: Routine, catalog: Catalog) -> str:
    """As sites are named: ``refund``, and of several functions of that name ``refund#2``."""
    same = [r.identity for r in catalog.by_name.get(routine.name, (routine,))]
    number = same.index(routine.identity) + 1
    name = "_".join(routine.name.split())
    return name if number == 1 else f"{name}#{number}"


def _parted(routine: Routine) -> tuple[str, str, str]:
    """What stands before the body in the routine's definition, the body, and the rest."""
    definition = routine.definition
    if routine.atomic:
        words = scan(definition)
        begins = [b for a, b in pairwise(words) if (a.word, b.word) == ("begin", "atomic")]
        if not begins or words[-1].word != "end":
            raise SqlSyntaxError("BEGIN ATOMIC and END not found", 0)
        start, end = begins[0].end, words[-1].start
        return definition[:start], definition[start:end], definition[end:]
    head, found, tail = definition.rpartition(routine.source)
    if not found or not head.endswith("$") or not tail.startswith("$"):
        raise SqlSyntaxError("its definition does not end with its body", 0)
    return head, routine.source, tail


def _readable(routine: Routine, definition: str, body: str) -> bool:
    """Whether a PL/pgSQL mutant is still read the same way by us and by the parser; of SQL the server judges."""
    return routine.language == "sql" or disagreement(definition, body) is None


def _sql_changes(source: str, catalog: Catalog) -> Iterator[Change]:
    yield from piece_changes(source, catalog)
    for piece in split(source):
        for change in (*lock_changes(piece.text), *condition_changes(piece.text)):
            yield change.moved(piece.start)


def _pl_changes(routine: Routine, catalog: Catalog, *, called_alone: bool) -> Iterator[Change]:
    source = routine.source
    block = read_body(source)
    trouble = disagreement(routine.definition, source)
    if trouble is not None:
        raise SqlSyntaxError(trouble, 0)
    yield from block_changes(source, block, catalog)
    yield from write_changes(source, block)
    if called_alone:
        yield from commit_changes(source, block, routine.definition, catalog)
    for part in _parts(block):
        # A part's text is as long as its source and begins there, whatever PL/pgSQL words are blank or changed in it.
        prefix = "" if part.kind is PartKind.QUERY else "SELECT "
        for change in (*lock_changes(part.text, prefix), *condition_changes(part.text, prefix)):
            yield change.moved(part.start)


def _parts(block: Block) -> Iterator[Part]:
    """All SQL in a body but the names of cursors."""
    for statement in statements(block):
        for part in _own_parts(statement):
            if part.kind is not PartKind.CURSOR:
                yield part


def _own_parts(statement: Stmt) -> Iterator[Part]:
    if isinstance(statement, Block):
        for declaration in statement.declarations:
            yield from declaration.parts
    yield from statement.parts
    for branch in statement.branches:
        yield from branch.condition
