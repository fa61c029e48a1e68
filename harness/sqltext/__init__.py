"""The only room that knows the SQL parser (postgast, libpg_query). Texts in, plain values out."""

from harness.sqltext.catalog import Catalog
from harness.sqltext.footprints import commit_footprint, entry_footprint, footprint_of
from harness.sqltext.instrument import Instrumented, instrument
from harness.sqltext.parse import Piece, SqlSyntaxError, classify, leaves_session_state, split, unsupported
from harness.sqltext.variables import Template, literal, quoted, variables

__all__ = [
    "Catalog",
    "Instrumented",
    "Piece",
    "SqlSyntaxError",
    "Template",
    "classify",
    "commit_footprint",
    "entry_footprint",
    "footprint_of",
    "instrument",
    "leaves_session_state",
    "literal",
    "quoted",
    "split",
    "unsupported",
    "variables",
]
