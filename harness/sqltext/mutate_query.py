"""Changes inside one piece of SQL: its row locks and the conditions of its WHERE clauses, to any depth.

Places come from the scanner's tokens, so that white space, comments and the lines around a change stay as they are;
the parser must then find one lock, or one condition, fewer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from harness.sqltext.mutate_types import Change
from harness.sqltext.nodes import children, enum_name
from harness.sqltext.parse import parse
from harness.sqltext.tokens import Edit, Token, depths, edited, scan
from harness.sqltext.variables import SqlSyntaxError

__all__ = ["condition_changes", "lock_changes"]

_STRENGTHS = (("update",), ("no", "key", "update"), ("share",), ("key", "share"))
_EXCLUSIVE = frozenset({("update",), ("no", "key", "update")})
_AFTER_WHERE = frozenset(
    {"group", "having", "window", "order", "limit", "offset", "fetch", "for", "union", "intersect", "except"}
    | {"returning", ";"}
)


def lock_changes(sql: str, prefix: str = "") -> Iterator[Change]:
    """``drop_lock``, ``weaken_lock_share`` and ``weaken_lock_skip`` of each row lock. ``prefix``: what makes a
    statement of ``sql`` (SELECT before an expression). Nothing for what does not parse."""
    tokens = scan(sql)
    locks = _counted(prefix + sql, _is_lock)
    if not locks:
        return
    for i, token in enumerate(tokens):
        strength = next((s for s in _STRENGTHS if token.word == "for" and _words(tokens, i + 1, len(s)) == s), None)
        if strength is None:
            continue
        head = i + len(strength)
        last, policy = _lock_end(tokens, head)
        before = sql[token.start : tokens[last].end]
        kept = sql[tokens[head].end : tokens[policy].end] if policy > head else ""
        share = f"FOR SHARE{sql[tokens[head].end : tokens[last].end]}"
        skip = f"{sql[token.start : tokens[head].end]}{kept} SKIP LOCKED"
        variants = [("drop_lock", "", locks - 1)]
        if strength in _EXCLUSIVE:
            variants.append(("weaken_lock_share", share, locks))
        if tokens[last].word != "locked":
            variants.append(("weaken_lock_skip", skip, locks))
        for operator, after, left in variants:
            edit = Edit(at=token.start, text=after, remove=len(before))
            if _counted(prefix + edited(sql, [edit]), _is_lock) == left:
                yield Change(operator=operator, at=token.start, edits=(edit,), before=before, after=after)


def condition_changes(sql: str, prefix: str = "") -> Iterator[Change]:
    """``drop_conjunct`` for each condition of each WHERE clause; of a lone condition the clause goes with it."""
    tokens = scan(sql)
    if not any(t.word == "where" for t in tokens):
        return
    levels = depths(tokens)
    for i, token in enumerate(tokens):
        if token.word != "where" or _no_clause(tokens, levels, i):
            continue
        parts = _conjuncts(tokens, levels, i)
        for n, part in enumerate(parts):
            text = sql[part[0].start : part[-1].end]
            start, end, said = token.start, part[-1].end, f"WHERE {text}"
            if len(parts) > 1 and n == 0:
                start, end = part[0].start, parts[1][0].start
            elif len(parts) > 1:
                start, said = tokens[tokens.index(part[0]) - 1].start, f"AND {text}"
            edit = Edit(at=start, text="", remove=end - start)
            if _fewer(prefix + sql, prefix + edited(sql, [edit]), text):
                yield Change(operator="drop_conjunct", at=part[0].start, edits=(edit,), before=said)


def _words(tokens: Sequence[Token], begin: int, length: int) -> tuple[str, ...]:
    return tuple(t.word for t in tokens[begin : begin + length])


def _lock_end(tokens: Sequence[Token], head: int) -> tuple[int, int]:
    """Index of the last token of a locking clause, and of the last one before NOWAIT or SKIP LOCKED; ``head``: of the
    last word of its strength."""
    i = head
    if _words(tokens, i + 1, 1) == ("of",):
        i += 2
        while i + 2 < len(tokens) and tokens[i + 1].text in (".", ","):
            i += 2
    before = i
    if _words(tokens, i + 1, 1) == ("nowait",):
        i += 1
    elif _words(tokens, i + 1, 2) == ("skip", "locked"):
        i += 2
    return i, before


def _no_clause(tokens: Sequence[Token], levels: Sequence[int], i: int) -> bool:
    """Whether this WHERE selects no rows of a statement: FILTER (WHERE …), CURRENT OF, the target of ON CONFLICT, or a
    name."""
    if i and (tokens[i - 1].text == "." or tokens[i - 1].word == "as"):
        return True
    if i > 1 and tokens[i - 1].text == "(" and tokens[i - 2].word == "filter":
        return True
    if _words(tokens, i + 1, 2) == ("current", "of"):
        return True
    for token, level in zip(reversed(tokens[:i]), reversed(levels[:i]), strict=True):
        if level < levels[i] or (level == levels[i] and token.word == "do"):
            return False
        if level == levels[i] and token.word == "conflict":
            return True
    return False


def _conjuncts(tokens: Sequence[Token], levels: Sequence[int], where: int) -> list[list[Token]]:
    """The AND-ed conditions after the WHERE at index ``where``, one when an OR binds them together."""
    parts: list[list[Token]] = [[]]
    cases = betweens = 0
    either = False
    for i in range(where + 1, len(tokens)):
        token, top = tokens[i], levels[i] == levels[where]
        if levels[i] < levels[where] or (top and not cases and tokens[i - 1].text != "." and _ends(tokens, i)):
            break
        if top and tokens[i - 1].text != ".":
            cases += (token.word == "case") - (token.word == "end")
            betweens += token.word == "between" and not cases
            either |= token.word == "or" and not cases
            if token.word == "and" and not cases:
                if not betweens:
                    parts.append([])
                    continue
                betweens -= 1
        parts[-1].append(token)
    if either:
        first, last = tokens.index(parts[0][0]), tokens.index(parts[-1][-1])
        return [list(tokens[first : last + 1])]
    return parts if all(parts) else []


def _ends(tokens: Sequence[Token], i: int) -> bool:
    token = tokens[i]
    return token.word in _AFTER_WHERE or token.text == ";" or _words(tokens, i, 2) == ("on", "conflict")


# ------------------------------------------------------------------------------------------------- by the parser


def _counted(sql: str, weigh: Callable[[Any], int]) -> int | None:
    """The sum of ``weigh`` over all nodes of the parse tree; None for what does not parse."""
    try:
        tree = parse(sql)
    except SqlSyntaxError:
        return None
    return sum(weigh(node) for node in _messages(tree))


def _fewer(old: str, new: str, condition: str) -> bool:
    """Whether the parser finds all conditions of ``old`` in ``new`` but this one, and those inside it."""
    before, after = _counted(old, _conditions), _counted(new, _conditions)
    if before is None or after is None:
        return False
    # It takes (a AND b) AND c for three conditions, and a AND (b AND c) for two.
    inside, bound = _counted(f"SELECT {condition}", _conditions), _counted(f"SELECT WHERE {condition}", _conditions)
    return before - after in (bound, None if inside is None else 1 + inside)


def _is_lock(node: Any) -> int:
    return int(node.DESCRIPTOR.name == "LockingClause")


def _conditions(node: Any) -> int:
    """How many AND-ed conditions its WHERE clause has."""
    if "where_clause" not in node.DESCRIPTOR.fields_by_name or not node.HasField("where_clause"):
        return 0
    return _and_ed(node.where_clause)


def _and_ed(node: Any) -> int:
    if node.WhichOneof("node") != "bool_expr":
        return 1
    return len(node.bool_expr.args) if enum_name(node.bool_expr, "boolop") == "AND_EXPR" else 1


def _messages(node: Any) -> Iterator[Any]:
    yield node
    for child in children(node):
        yield from _messages(child)
