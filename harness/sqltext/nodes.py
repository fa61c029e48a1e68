"""Small questions to the nodes of a parse tree."""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import Any

__all__ = ["aggregates", "alias_of", "bare_name", "children", "conjuncts", "enum_name", "literal_in", "unwrapped"]

_AGGREGATES = frozenset(
    {"count", "sum", "max", "min", "avg", "bool_or", "bool_and", "every", "array_agg", "string_agg", "jsonb_agg",
     "json_agg", "jsonb_object_agg", "json_object_agg", "bit_or", "bit_and", "any_value"}
)  # fmt: skip


def conjuncts(node: Any) -> Iterator[Any]:
    """The conditions that all must hold where ``node`` is to."""
    if node.WhichOneof("node") == "bool_expr" and enum_name(node.bool_expr, "boolop") == "AND_EXPR":
        for part in node.bool_expr.args:
            yield from conjuncts(part)
    else:
        yield node


def enum_name(node: Any, field: str) -> str:
    """The name of an enumerated field's value."""
    values = type(node).DESCRIPTOR.fields_by_name[field].enum_type.values_by_number
    return str(values[getattr(node, field)].name)


def unwrapped(node: Any) -> Any:
    """``node`` without casts around it."""
    while node.WhichOneof("node") == "type_cast":
        node = node.type_cast.arg
    return node


def literal_in(node: Any) -> str | None:
    """A literal as text, with or without a cast; None for NULL and for what is no literal."""
    if node.DESCRIPTOR.name == "Node":
        node = unwrapped(node)
        if node.WhichOneof("node") != "a_const":
            return None
        node = node.a_const
    which = node.WhichOneof("val")
    if which == "ival":
        return str(node.ival.ival)
    if which == "boolval":
        return str(node.boolval.boolval).lower()
    return str(getattr(getattr(node, which), which)) if which in ("sval", "fval") else None


def alias_of(relation: Any) -> str:
    """What a relation is called in its statement."""
    return str(relation.alias.aliasname if relation.HasField("alias") else relation.relname)


def bare_name(name: str) -> str:
    """The last part of a table's name, without quotes: ``"Billing Dept"."User.Balances"`` is ``User.Balances``."""
    if not name.endswith('"'):
        return name.rsplit(".", 1)[-1]
    start = name.rindex('"', 0, -1)
    while start > 0 and name[start - 1] == '"':  # doubled: a quote in the name
        start = name.rindex('"', 0, start - 1)
    return name[start + 1 : -1].replace('""', '"')


def aggregates(node: Any) -> bool:
    """Whether a SELECT computes one row of many, so far as names tell: such rows cannot be locked."""
    name = node.DESCRIPTOR.name
    if name == "FuncCall":
        return node.agg_star or node.funcname[-1].string.sval in _AGGREGATES
    below = (*node.target_list, *node.window_clause) if name == "SelectStmt" else children(node)
    return any(aggregates(child) for child in below if child.DESCRIPTOR.name != "SubLink")


def children(node: Any, without: Container[str] = ()) -> Iterator[Any]:
    """The nodes right below, but for those in fields of these names."""
    for descriptor, value in node.ListFields():
        if descriptor.message_type is None or descriptor.name in without:
            continue
        if hasattr(value, "DESCRIPTOR"):
            yield value
        else:
            yield from value
