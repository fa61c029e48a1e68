"""The function of the session that puts tables and sequences back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.driver.restore_catalog import USERS, Copy, Counter, Table, saved


def function_sql(copies: Sequence[Copy], counters: Sequence[Counter], newest: int, *, replica: bool) -> str:
    """The function ``pg_temp.harness_restore(names text[], horizons xid[], own xid[])``.

    A row version of table i is newer than its copy when its transaction is not before ``horizons[i]`` and is not
    ``own[i]``, the last restoration itself. Gives, as text, the next horizon, its own transaction (0: none), and the
    numbers of the small tables that are getting full of dead rows. ``newest``: the highest oid of a relation that
    belongs here. ``replica``: no trigger fires in this session; else triggers are switched off and on, and foreign keys
    set the order (children come before parents in ``copies``).
    """
    tables = [c.table for c in copies]
    remove = [_when(c.table.tags, _remove(i, c, replica)) for i, c in enumerate(copies, 1)]
    put = [_when(c.table.tags, _put(i, c, replica)) for i, c in reversed([*enumerate(copies, 1)])]
    blocks = [*remove, *put]
    if (
        not replica
    ):  # no order suits tables that refer to each other; their keys are checked at the end where they may be
        blocks.insert(0, "SET CONSTRAINTS ALL DEFERRED;")
    if not replica and any(t.triggers for t in tables):
        off = [_when(t.tags, _switch(t, on=False)) for t in tables if t.triggers]
        on = [_when(t.tags, _switch(t, on=True)) for t in tables if t.triggers]
        blocks = [
            *off,
            *blocks,
            "SET CONSTRAINTS ALL IMMEDIATE;",
            *on,
        ]  # else events are pending, and ALTER TABLE refuses
    blocks += [_when(c.tags, _reset(c)) for c in counters]
    body = "\n".join(blocks)
    variables = "\n".join(f"  harness_rows_{i} int8; harness_newer_{i} int8;" for i in range(1, len(tables) + 1))
    return f"""
CREATE FUNCTION pg_temp.harness_restore(names text[], horizons xid[], own xid[]) RETURNS text LANGUAGE plpgsql
AS $harness$
#variable_conflict use_column
DECLARE
  harness_horizon text := pg_snapshot_xmin(pg_current_snapshot())::xid::text;
{variables}
  harness_age int;
  harness_own xid;
  harness_last int8;
  harness_called bool;
  harness_found record;
  harness_full text := '';
BEGIN
{_DROP.format(newest=newest, users=USERS)}
{body}
RETURN harness_horizon || ' ' || coalesce(pg_current_xact_id_if_assigned()::xid::text, '0')
  || harness_full;
END $harness$
"""


_NEWER = "pg_catalog.age(t.xmin) <= harness_age AND t.xmin <> harness_own"
_DROP = """\
FOR harness_found IN SELECT c.relkind, format('%I.%I', n.nspname, c.relname) AS name
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.oid > '{newest}'::oid AND c.relkind IN ('r', 'p', 'v', 'm', 'S') AND {users} ORDER BY c.oid
LOOP
  EXECUTE 'DROP ' || CASE harness_found.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
    WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END || ' IF EXISTS ' || harness_found.name || ' CASCADE';
END LOOP;"""


def _remove(i: int, copy: Copy, replica: bool) -> str:
    table = copy.table
    changed = f"harness_newer_{i} > 0"
    if _as_a_whole(copy, replica):
        act, changed = f"DELETE FROM ONLY {table.sql};", f"{changed} OR harness_rows_{i} <> {copy.rows}"
    elif table.referenced and not replica:
        act = f"""DELETE FROM ONLY {table.sql} t WHERE {_NEWER}
AND NOT EXISTS (SELECT FROM pg_temp.{saved(i)} s WHERE {" AND ".join(table.key)});"""
    else:
        act = f"DELETE FROM ONLY {table.sql} t WHERE {_NEWER};"
    return f"{_look(i, table)}\nIF {changed} THEN\n{_unfired(table, act, replica)}\nEND IF;"


def _look(i: int, table: Table) -> str:
    return f"""harness_age := pg_catalog.age(horizons[{i}]); harness_own := own[{i}];
SELECT count(*), count(*) FILTER (WHERE {_NEWER}) INTO harness_rows_{i}, harness_newer_{i} FROM ONLY {table.sql} t;"""


def _put(i: int, copy: Copy, replica: bool) -> str:
    table = copy.table
    into = f"INSERT INTO {table.sql} ({', '.join(table.columns)}){' OVERRIDING SYSTEM VALUE' if table.always else ''}"
    rows = f"SELECT {_listed('s', table)} FROM pg_temp.{saved(i)} s"
    # A deleted parent may have taken rows along, or have changed those that referred to it (ON DELETE SET NULL).
    look = "" if replica else f"{_look(i, table)}\n"
    if not _as_a_whole(copy, replica):
        condition = " AND ".join(table.key)
        act = f"{into} {rows} WHERE NOT EXISTS (SELECT FROM ONLY {table.sql} t WHERE {condition});"
        changed = f"harness_rows_{i} - harness_newer_{i} <> {copy.rows}"
        if look:
            changed = f"harness_newer_{i} > 0 OR harness_rows_{i} <> {copy.rows}"
            mend = (
                _update(i, table, condition) if table.referenced else f"DELETE FROM ONLY {table.sql} t WHERE {_NEWER};"
            )
            act = f"{mend}\n{act}"
    else:
        changed = f"harness_newer_{i} > 0 OR harness_rows_{i} <> {copy.rows}"
        act = f"{f'DELETE FROM ONLY {table.sql};' if look else ''} {into} {rows};"
        if copy.small:
            act += f"""
IF EXISTS (SELECT FROM ONLY {table.sql} t WHERE t.ctid > '(0,{copy.last_item})') THEN
harness_full := harness_full || ' {i}';
END IF;"""
    return f"{look}IF {changed} THEN\n{_unfired(table, act, replica)}\nEND IF;"


def _update(i: int, table: Table, condition: str) -> str:
    """Newer versions of remembered rows, in place: others refer to them."""
    columns = [c for c in table.columns if c not in table.always]
    values = ", ".join(f"{c} = s.{c}" for c in columns)
    if not columns:
        return ""
    return f"UPDATE ONLY {table.sql} t SET {values} FROM pg_temp.{saved(i)} s WHERE {condition} AND {_NEWER};"


def _as_a_whole(copy: Copy, replica: bool) -> bool:
    """Whether all rows of a changed table are written anew, else only those that differ.

    Queries without ORDER BY give rows as they lie in the table. In a small one they are kept as they lay at first, or
    `LIMIT 1` would find another row in each execution.
    """
    return not copy.table.key or (copy.small and (replica or not copy.table.referenced))


def _listed(alias: str, table: Table) -> str:
    return ", ".join(f"{alias}.{c}" for c in table.columns)


def _unfired(table: Table, act: str, replica: bool) -> str:
    """``act`` while the triggers that would fire even in a replica's session are off."""
    stubborn = [t for t in table.triggers if t.startswith(("ALWAYS", "REPLICA"))]
    if not replica or not stubborn:
        return act
    off = [f"EXECUTE {_literal(f'ALTER TABLE {table.sql} DISABLE TRIGGER {_trigger(t)}')};" for t in stubborn]
    on = [f"EXECUTE {_literal(f'ALTER TABLE {table.sql} ENABLE {t}')};" for t in stubborn]
    return "\n".join([*off, act, *on])


def _switch(table: Table, *, on: bool) -> str:
    changes = [f"ENABLE {t}" if on else f"DISABLE TRIGGER {_trigger(t)}" for t in table.triggers]
    return f"EXECUTE {_literal(f'ALTER TABLE {table.sql} ' + ', '.join(changes))};"


def _reset(counter: Counter) -> str:
    called = str(counter.called).lower()
    return f"""SELECT last_value, is_called INTO harness_last, harness_called FROM {counter.sql};
IF harness_last <> {counter.last} OR harness_called <> {called} THEN
PERFORM pg_catalog.setval('{counter.oid}'::oid::regclass, {counter.last}, {called});
END IF;"""


def _when(tags: Iterable[str], block: str) -> str:
    array = ", ".join(_literal(t) for t in sorted(tags))
    return f"IF names IS NULL OR names && ARRAY[{array}] THEN\n{block}\nEND IF;"


def _trigger(enabled: str) -> str:
    """The quoted name behind ``ALWAYS TRIGGER``."""
    return enabled.split("TRIGGER ", 1)[1]


def _literal(text: str) -> str:
    quoted = "'" + text.replace("'", "''") + "'"
    return "E" + quoted.replace("\\", "\\\\") if "\\" in quoted else quoted
