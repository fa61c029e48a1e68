"""What SQL may touch: through functions, triggers, views, keys, defaults and policies."""

from __future__ import annotations

import pytest

from harness.model import Footprint
from harness.sqltext import commit_footprint, entry_footprint, footprint_of
from harness.sqltext.catalog import Catalog, ForeignKey, Relation, Routine, Trigger

DEEP = "SELECT " + " + ".join(["1"] * 200)


def made(name: str, body: str, language: str = "plpgsql", schema: str = "public", **more: object) -> Routine:
    definition = f"CREATE FUNCTION {schema}.{name}() RETURNS int LANGUAGE {language} AS $f${body}$f$"
    return Routine(
        identity=f"{schema}.{name}({len(body)})", schema=schema, name=name, language=language, definition=definition,
        source=body, **more,  # type: ignore[arg-type]
    )  # fmt: skip


def trigger(function: str, *events: str, **more: bool) -> Trigger:
    return Trigger(function=function, events=frozenset(events), **more)


ROUTINES = (
    made("one", "BEGIN UPDATE a SET x = 1; END"),
    made("two", "DECLARE v int := (SELECT max(x) FROM b); BEGIN PERFORM public.one(); END"),
    made("twice", "SELECT 1 FROM b", "sql"),
    made("twice", "BEGIN DELETE FROM c; END"),
    made("lang_sql", "UPDATE d SET x = 2; SELECT one()", "sql"),
    Routine(identity="public.atomic()", schema="public", name="atomic", language="sql", source="", atomic=True,
            definition="CREATE FUNCTION atomic() RETURNS int BEGIN ATOMIC SELECT x FROM a; UPDATE b SET x = 1; END"),
    made("again", "BEGIN PERFORM again() FROM a; PERFORM mutual(); END"),
    made("mutual", "BEGIN PERFORM again() FROM b; END"),
    made("assigns", "DECLARE n int; z int[]; BEGIN n := (SELECT 1 FROM a); n = (SELECT 1 FROM b); "
         "z[(SELECT 1 FROM d)] := f(q := 1); IF EXISTS (SELECT FROM c) THEN NULL; END IF; END"),
    made("f", "BEGIN RETURN 1; END"),
    made("loops", "DECLARE r record; c CURSOR FOR SELECT FROM a; BEGIN FOR r IN SELECT FROM b LOOP NULL; "
         "END LOOP; EXCEPTION WHEN OTHERS THEN DELETE FROM c; END"),
    made("cursor", "DECLARE k refcursor; r record; BEGIN OPEN k FOR SELECT * FROM a FOR UPDATE; FETCH k INTO r; END"),
    made("fetches", "DECLARE r record; BEGIN FETCH given INTO r; END"),
    made("executes", "BEGIN EXECUTE 'DELETE FROM ' || x; END"),
    made("executes_one", "BEGIN EXECUTE 'DELETE FROM a WHERE x = $1' USING (TABLE b); EXECUTE $$SELECT one()$$; END"),
    made("loops_over", "DECLARE r record; BEGIN FOR r IN EXECUTE format('TABLE a') LOOP NULL; END LOOP; END"),
    made("returns", "BEGIN RETURN QUERY EXECUTE x; END"),
    made("opens", "DECLARE c refcursor; BEGIN OPEN c FOR EXECUTE 'a' 'b' || c; END"),
    made("calls_it", "BEGIN PERFORM executes(); END"),
    made("does", "BEGIN DO 'begin end'; END"),
    made("python", "plpy.execute('...')", "plpython3u"),
    made("digest", "pg_digest", "c", extension="pgcrypto"),
    made("remote", "dblink_record", "c", extension="dblink"),
    made("fires", "BEGIN NEW.x := one(); IF TG_OP = 'INSERT' THEN INSERT INTO d VALUES (OLD.x); END IF; "
         "RETURN NEW; END"),
    made("damaged", "BEGIN NOT SQL; END"),
    made("unended", "BEGIN IF true THEN; END"),
    made("elsewhere", "BEGIN UPDATE a SET x = 1; END", schema="other"),
    made("elsewhere", "BEGIN UPDATE  b SET x = 1; END", schema="public"),
    made("step", "BEGIN UPDATE b SET x = 1; END"),
    made("total", "", "internal", kind="a", runs=("step",)),
    made("equals", "SELECT 1 FROM b", "sql"),
)  # fmt: skip
RELATIONS = {
    r.name: r
    for r in (
        Relation(name="a"), Relation(name="b"), Relation(name="d"),
        Relation(name="c", triggers=(trigger("fires", "insert", "update", before=True),)),
        Relation(name="serial", defaults=("nextval('public.serial_seq'::regclass)", "f()"),
                 sequences=frozenset({"other_seq"}), checks=("(x > one())",)),
        Relation(name="policed", policies=("(owner = (SELECT max(x) FROM b))",)),
        Relation(name="seen", view="SELECT a.x, f() AS y FROM public.a JOIN b ON true;"),
        Relation(name="over_seen", view="SELECT x FROM seen;"),
        Relation(name="instead", view="SELECT 1 FROM a;", triggers=(trigger("step", "insert", row=True),)),
        Relation(name="ruled", beyond=True), Relation(name="activity", view="SELECT pid FROM pg_stat_activity;"),
        Relation(name="parent"), Relation(name="child"), Relation(name="grandchild"), Relation(name="unruly"),
        Relation(name="root", triggers=(trigger("step", "delete"),)),
        Relation(name="late", triggers=(trigger("one", "insert", deferrable=True),)),
    )
}  # fmt: skip


def key(child: str, parent: str, action: str = "a", **more: object) -> ForeignKey:
    return ForeignKey(
        child=child, parent=parent, on_delete=action, on_update="a", child_columns=frozenset({"parent_id"}),
        parent_columns=frozenset({"id"}), **more,  # type: ignore[arg-type]
    )  # fmt: skip


CATALOG = Catalog(
    routines=ROUTINES,
    relations=RELATIONS,
    roots={"part_1": "root"},
    keys=(key("child", "parent", "c"), key("grandchild", "child", "n"), key("unruly", "grandchild", deferrable=True)),
    builtins=frozenset({"now", "format", "count", "max", "nextval", "setval", "pg_advisory_xact_lock", "pg_sleep",
                        "lower", "pg_stat_get_activity", "txid_current", "query_to_xml", "lo_get",
                        "pg_get_serial_sequence"}),
    operators={"===": frozenset({"equals"})},
)  # fmt: skip


def footprint(text: str | None) -> Footprint:
    """``r a b w c x d``: reads a and b, writes c, excludes d (a comma stands for a blank in a name)."""
    if text is None:
        return Footprint(everything=True)
    found: dict[str, set[str]] = {"r": set(), "w": set(), "x": set()}
    where = "r"
    for word in text.split():
        if word in found:
            where = word
        else:
            found[where].add(word.replace(",", " "))
    return Footprint(reads=frozenset(found["r"]), writes=frozenset(found["w"]), excludes=frozenset(found["x"]))


@pytest.mark.parametrize(
    ("sql", "touched"),
    [
        ("SELECT 1", ""), ("SELECT now(), pg_sleep(1), f()", ""), ("BEGIN", ""), ("SET x.y = 1", ""), ("SHOW x", ""),
        ("PREPARE p AS SELECT 1 FROM a", ""), ("NOTIFY x", ""), ("SAVEPOINT s", ""),
        ("SELECT * FROM a JOIN public.b ON true WHERE EXISTS (SELECT FROM d)", "r a b d"),
        ("SELECT * FROM nowhere", "r nowhere w sequence,nowhere"), ("TABLE a UNION TABLE b", "r a b"),
        ("VALUES ((SELECT 1 FROM a))", "r a"),
        ("WITH x AS (DELETE FROM a RETURNING 1) INSERT INTO b SELECT * FROM x", "r a w a b"),
        ("WITH a AS (SELECT * FROM a) SELECT * FROM a", "r a"), ("WITH a AS (SELECT 1) SELECT * FROM a", ""),
        ("WITH RECURSIVE a AS (SELECT 1 UNION SELECT * FROM a) SELECT * FROM a", ""),
        ("WITH a AS (SELECT 1) SELECT * FROM public.a", "r a"),
        ("SELECT :'v' FROM d FOR UPDATE", "r d w d"), ("SELECT FROM a, b FOR SHARE OF b", "r a b w b"),
        ("SELECT FROM a x JOIN b y ON true FOR NO KEY UPDATE OF y", "r a b w b"),
        ("SELECT FROM (SELECT * FROM a) q, b FOR KEY SHARE OF q", "r a b w a"),
        ("SELECT (SELECT x FROM a FOR UPDATE) FROM b", "r a b w a"),
        ("INSERT INTO a VALUES (1)", "w a"), ("INSERT INTO a SELECT * FROM b", "r b w a"),
        ("INSERT INTO a VALUES (1) ON CONFLICT DO NOTHING", "r a w a"),
        ("UPDATE a SET x = 1 FROM b", "r a b w a"), ("DELETE FROM a USING b", "r a b w a"),
        ("MERGE INTO a USING b ON true WHEN MATCHED THEN DELETE", "r a b w a"),
        ("COPY a FROM '/x'", "w a"), ("COPY a TO '/x'", "r a"), ("EXPLAIN ANALYZE DELETE FROM a", "r a w a"),
        ("DECLARE k CURSOR FOR SELECT FROM a", "r a"),
        ("LOCK TABLE d", "x d"), ("LOCK TABLE seen", "x a b"), ("TRUNCATE d", "x d"),
        ("TRUNCATE parent", "x parent child grandchild unruly"),
        ("CREATE TEMP TABLE t (x int)", ""), ("CREATE TEMP TABLE t AS SELECT * FROM a", "r a"),
        ("SELECT * INTO TEMP t FROM a", "r a"),
        # functions
        ("SELECT one()", "r a w a"), ("SELECT public.two() AS answer", "r a b w a"), ("CALL two()", "r a b w a"),
        ("SELECT 1 FROM two() WHERE one() IS NULL", "r a b w a"),
        ("SELECT twice()", "r b c w c"), ("SELECT lang_sql()", "r a d w a d"), ("SELECT atomic()", "r a b w b"),
        ("SELECT again()", "r a b"), ("SELECT executes_one()", "r a b w a"),
        ("SELECT assigns()", "r a b c d"), ("SELECT loops()", "r a b c w c"),
        ("SELECT cursor()", "r a w a"), ("SELECT digest()", ""), ("SELECT total(x) FROM a", "r a b w b"),
        ("SELECT 1 === 2", "r b"), ("SELECT other.elsewhere()", "r a w a"), ("SELECT elsewhere()", "r a b w a b"),
        ("SELECT pg_catalog.one()", None), ("SELECT pg_catalog.lower('A')", ""),
        # triggers, views, expressions
        ("UPDATE c SET x = 1", "r a c w a c d"), ("DELETE FROM c", "r c w c"),
        ("DELETE FROM part_1", "r root b w root b"),
        ("INSERT INTO serial VALUES (1)", "r a w serial sequence,serial_seq sequence,other_seq a"),
        ("UPDATE serial SET x = 2", "r serial a w serial a"), ("DELETE FROM serial", "r serial w serial"),
        ("SELECT FROM policed", "r policed b"), ("INSERT INTO policed VALUES (1)", "r b w policed"),
        ("SELECT FROM over_seen", "r a b"), ("UPDATE over_seen SET x = 1", "r a b w a b"),
        ("SELECT FROM over_seen FOR UPDATE", "r a b w a b"), ("INSERT INTO instead VALUES (1)", "r a b w a b"),
        # keys
        ("INSERT INTO child VALUES (1)", "w child parent"), ("UPDATE child SET x = 1", "r child w child"),
        ("UPDATE child SET parent_id = 1", "r child w child parent"),
        ("UPDATE parent SET x = 1", "r parent w parent"), ("UPDATE parent SET id = 1", "r parent w parent child"),
        ("DELETE FROM parent", "r parent w parent child grandchild"),
        ("DELETE FROM grandchild", "r grandchild w grandchild unruly"),
        ("INSERT INTO child VALUES (1) ON CONFLICT (id) DO UPDATE SET id = 2", "r child w child parent grandchild"),
        # what is no table
        ("SELECT nextval('public.s'), setval('q'::regclass, 1)", "w sequence,s sequence,q"),
        ("SELECT pg_advisory_xact_lock(1), my_try_advisory()", None), ("SELECT pg_advisory_xact_lock(1)", "w advisory"),
        ("SELECT lo_get(1)", "w large,objects"),
        # cannot be told
        ("SELECT nextval(name) FROM a", None), ("SELECT unknown_function()", None), ("SELECT executes()", None),
        ("SELECT loops_over()", None), ("SELECT returns()", None), ("SELECT opens()", None),
        ("SELECT calls_it()", None),
        ("SELECT does()", None), ("SELECT python()", None), ("SELECT remote()", None), ("SELECT damaged()", None),
        ("SELECT unended()", None), ("SELECT fetches()", None), ("SELEKT", None), (DEEP, None),
        ("DO $$BEGIN DELETE FROM a; END$$", None), ("EXECUTE prepared", None), ("FETCH c", None),
        ("DROP TABLE a", None), ("ALTER TABLE a ADD x int", None), ("CREATE TABLE z ()", None),
        ("SELECT 1; DROP TABLE a", None), ("SELECT * INTO t FROM a", None), ("SELECT FROM ruled", None),
        ("SELECT FROM pg_stat_activity", None), ("SELECT FROM activity", None), ("SELECT FROM pg_locks", None),
        ("SELECT txid_current()", None), ("SELECT query_to_xml('SELECT 1')", None),
    ],
)  # fmt: skip
def test_footprint(sql: str, touched: str | None) -> None:
    found = footprint_of(sql, CATALOG)
    if touched is None:
        assert found.everything
    else:
        assert found == footprint(touched)


def test_the_entry_leaves_out_what_lies_behind_gates() -> None:
    gated = {r.identity for r in ROUTINES if r.name in ("one", "fires")}
    assert entry_footprint("SELECT two() FROM d", CATALOG, gated) == footprint("r b d")
    assert entry_footprint("UPDATE c SET x = 1", CATALOG, gated) == footprint("r c w c")
    assert entry_footprint("SELECT one()", CATALOG, gated) == Footprint()
    assert entry_footprint("SELECT one()", CATALOG, ()) == footprint_of("SELECT one()", CATALOG)


def test_a_commit_may_run_deferred_triggers_and_keys() -> None:
    assert commit_footprint(CATALOG) == footprint("r a w a grandchild unruly")
    assert commit_footprint(Catalog(rechecked=frozenset({"t"}))) == footprint("w t")
    assert commit_footprint(Catalog()) == Footprint()
