"""The only room that knows the SQL parser (postgast, libpg_query). Texts in, plain values out."""

from harness.sqltext.footprint import Catalog, footprint
from harness.sqltext.parse import Piece, SqlSyntaxError, classify, leaves_session_state, split, unsupported
from harness.sqltext.variables import Template, literal, variables

__all__ = [
    "Catalog",
    "Piece",
    "SqlSyntaxError",
    "Template",
    "classify",
    "footprint",
    "leaves_session_state",
    "literal",
    "split",
    "unsupported",
    "variables",
]
