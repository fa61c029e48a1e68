"""What is known beforehand of functions that no catalog text describes: the server's own, and extensions'."""

from __future__ import annotations

import re

__all__ = ["HARMLESS_EXTENSIONS", "LARGE_OBJECTS", "NOTHING_TOUCHED", "live_view", "runs_text", "watches_the_server"]

NOTHING_TOUCHED = frozenset({("harness", "gate")})
"""Functions that are never looked into."""

LARGE_OBJECTS = frozenset({
    "lo_create", "lo_creat", "lo_open", "lo_import", "lo_export", "lo_unlink", "lo_put", "lo_get", "lo_from_bytea",
    "loread", "lowrite", "lo_lseek", "lo_lseek64", "lo_tell", "lo_tell64", "lo_truncate", "lo_truncate64", "lo_close",
})  # fmt: skip

HARMLESS_EXTENSIONS = frozenset({
    "btree_gin", "btree_gist", "citext", "cube", "dict_int", "dict_xsyn", "earthdistance", "fuzzystrmatch", "hstore",
    "intarray", "isn", "ltree", "moddatetime", "pg_trgm", "pgcrypto", "pgjwt", "plpgsql", "postgis", "seg", "unaccent",
    "uuid-ossp", "vector",
})  # fmt: skip
"""Extensions whose C functions touch no table."""

_WATCHERS = re.compile(
    r"pg_(stat_|lock|blocking_|safe_snapshot|isolation_test|terminate_|cancel_|export_snapshot|prepared_xact|"
    r"current_snapshot|snapshot_|xact_|current_xact|visible_|last_committed|relation_size|table_size|indexes_size|"
    r"total_relation|database_size|sequence_last|cursor|prepared_statement|wal|replication|logical|switch|promote|"
    r"reload|rotate|read_|ls_|stat_file)|txid_|dblink|pgstat"
)
_RUN_TEXT = re.compile(
    r"(query|table|cursor|schema|database)_to_xml|ts_stat$|ts_rewrite$|crosstab|connectby|dblink|cron|http_"
)
_LIVE_VIEWS = re.compile(
    r"pg_(stat|statio)_|pg_locks$|pg_prepared_|pg_cursors$|pg_sequences$|pg_replication|pg_settings$|pg_largeobject"
)


def watches_the_server(function: str) -> bool:
    """Whether a function tells or changes what goes on in the server right now: sessions, locks, transactions,
    sizes, files."""
    return _WATCHERS.match(function) is not None


def runs_text(function: str) -> bool:
    """Whether a function executes SQL that it is given as text."""
    return _RUN_TEXT.match(function) is not None


def live_view(relation: str) -> bool:
    """Whether a system view shows what goes on right now."""
    return _LIVE_VIEWS.match(relation) is not None
