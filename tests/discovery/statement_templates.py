"""Pieces of the small systems on which the reduced search is compared with the plain one.

Every system has table ``a``; a piece that needs more says so in its text: a table, a sequence or a function of `PARTS`
is made where its name stands. ``{t}``: a or b; ``{k}``, ``{j}``: keys, 1 or 2, that differ; ``{i}``: a further
statement of `SIMPLE`.
"""

from __future__ import annotations

PARTS = {
    "a": "CREATE TABLE a (id integer PRIMARY KEY, n integer NOT NULL);\nINSERT INTO a VALUES (1, 10), (2, 20);",
    "b": (
        "CREATE TABLE b (id integer PRIMARY KEY, a_id integer {reference}, n integer);\nINSERT INTO b VALUES (1, 1, 5);"
    ),
    "c": (
        "CREATE TABLE c (id integer GENERATED ALWAYS AS IDENTITY, made timestamptz DEFAULT clock_timestamp(),\n"
        "  ref uuid DEFAULT gen_random_uuid(), word text, n integer);"
    ),
    "s": "CREATE SEQUENCE s;",
    "nested": (
        "CREATE FUNCTION nested(k integer) RETURNS integer LANGUAGE plpgsql AS $$\nDECLARE v integer;\n"
        "BEGIN\n  {i}\n  RETURN v;\nEND $$;"
    ),
    "sum_of_a": (
        "CREATE FUNCTION sum_of_a() RETURNS bigint LANGUAGE plpgsql STABLE AS $$\n"
        "BEGIN\n  RETURN (SELECT sum(n) FROM a);\nEND $$;"
    ),
}
"""What to install, by the name that asks for it, in the order of installation."""

REFERENCES = (
    "REFERENCES a",
    "REFERENCES a",
    "REFERENCES a ON DELETE CASCADE",
    "REFERENCES a ON DELETE SET NULL",
    "REFERENCES a DEFERRABLE INITIALLY DEFERRED",
)

TRIGGERS = {
    "before update reads": (
        "CREATE FUNCTION fired() RETURNS trigger LANGUAGE plpgsql AS $$\n"
        "BEGIN\n  NEW.n := NEW.n + (SELECT count(*) FROM c);\n  RETURN NEW;\nEND $$;\n"
        "CREATE TRIGGER fired BEFORE UPDATE ON a FOR EACH ROW EXECUTE FUNCTION fired();"
    ),
    "after update writes": (
        "CREATE FUNCTION fired() RETURNS trigger LANGUAGE plpgsql AS $$\n"
        "BEGIN\n  INSERT INTO c (word, n) VALUES ('fired', NEW.n);\n  RETURN NULL;\nEND $$;\n"
        "CREATE TRIGGER fired AFTER UPDATE ON a FOR EACH ROW EXECUTE FUNCTION fired();"
    ),
    "after insert updates": (
        "CREATE FUNCTION fired() RETURNS trigger LANGUAGE plpgsql AS $$\n"
        "BEGIN\n  UPDATE a SET n = n + NEW.n WHERE id = NEW.a_id;\n  RETURN NULL;\nEND $$;\n"
        "CREATE TRIGGER fired AFTER INSERT ON b FOR EACH ROW EXECUTE FUNCTION fired();"
    ),
    "deferred": (
        "CREATE FUNCTION fired() RETURNS trigger LANGUAGE plpgsql AS $$\n"
        "BEGIN\n  IF (SELECT count(*) FROM c) > 1 THEN RAISE EXCEPTION 'too many'; END IF;\n  RETURN NULL;\nEND $$;\n"
        "CREATE CONSTRAINT TRIGGER fired AFTER INSERT ON c DEFERRABLE INITIALLY DEFERRED\n"
        "  FOR EACH ROW EXECUTE FUNCTION fired();"
    ),
}

SIMPLE = {
    "read": "SELECT n INTO v FROM {t} WHERE id = {k};",
    "update": "UPDATE {t} SET n = n + 1 WHERE id = {k};",
    "read all": "SELECT sum(n) INTO v FROM {t};",
    "update all": "UPDATE {t} SET n = n * 2;",
    "for update": "SELECT n INTO v FROM {t} WHERE id = {k} FOR UPDATE;",
    "for share": "SELECT n INTO v FROM {t} WHERE id = {k} FOR SHARE;",
    "for no key update": "SELECT n INTO v FROM a WHERE id = {k} FOR NO KEY UPDATE;",
    "update guarded": "UPDATE a SET n = n - 8 WHERE id = {k} AND n > 8;",
    "for key share": "SELECT n INTO v FROM a WHERE id = {k} FOR KEY SHARE;",
    "update key": "UPDATE a SET id = id + 2 WHERE id = {k};",
    "update from variable": "UPDATE {t} SET n = coalesce(v, 0) * 2 WHERE id = {k};",
    "update from read": "UPDATE a SET n = n + (SELECT sum(n) FROM {t}) WHERE id = {k};",
    "insert": "INSERT INTO b VALUES (2, {k}, 7);",
    "on conflict do nothing": "INSERT INTO b VALUES (2, {k}, 7) ON CONFLICT DO NOTHING;",
    "insert generated": "INSERT INTO c (word, n) VALUES ('x', v);",
    "insert not exists": "INSERT INTO c (word) SELECT 'x' WHERE NOT EXISTS (SELECT FROM c WHERE word = 'x');",
    "on conflict do update": "INSERT INTO b VALUES (2, {k}, 7) ON CONFLICT (id) DO UPDATE SET n = b.n + 1;",
    "insert other": "INSERT INTO b VALUES (3, {k}, 7);",
    "delete": "DELETE FROM b WHERE id = 1;",
    "delete parent": "DELETE FROM a WHERE id = {k};",
    "modifying with": "WITH w AS (UPDATE a SET n = n + 1 WHERE id = {k} RETURNING n) SELECT n INTO v FROM w;",
}

COMPOUND = {
    "nowait": "SELECT n INTO v FROM {t} WHERE id = {k} FOR UPDATE NOWAIT;",
    "skip locked": "SELECT id INTO v FROM a ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED;",
    "dynamic": "EXECUTE 'UPDATE a SET n = n + 1 WHERE id = $1' USING {k};",
    "dynamic read": "EXECUTE format('SELECT n FROM %I WHERE id = {k}', '{t}') INTO v;",
    "nested": "v := nested({k});",
    "nested twice": "PERFORM nested({k}) + nested({j});",
    "stable": "v := sum_of_a();",
    "unique violation": "BEGIN INSERT INTO b VALUES (2, {k}, 7); EXCEPTION WHEN unique_violation THEN v := -1; END;",
    "unique violation writes": (
        "BEGIN INSERT INTO b VALUES (2, {k}, 7); EXCEPTION WHEN unique_violation THEN\n"
        "    UPDATE b SET n = n + 1 WHERE id = 2; END;"
    ),
    "others": "BEGIN {i} EXCEPTION WHEN OTHERS THEN said := said || SQLSTATE; END;",
    "others undoes": "BEGIN {i} RAISE EXCEPTION 'undo'; EXCEPTION WHEN raise_exception THEN said := 'undone'; END;",
    "if read": "SELECT n INTO v FROM a WHERE id = {k};\n  IF v > 15 THEN {i} END IF;",
    "if found": "UPDATE a SET n = n - 8 WHERE id = {k} AND n > 8;\n  IF NOT FOUND THEN {i} END IF;",
    "if exists": "IF EXISTS (SELECT FROM b WHERE id = 2) THEN said := 'there'; ELSE {i} END IF;",
    "raise": "{i}\n  IF v IS NULL OR v > 15 THEN RAISE EXCEPTION 'no'; END IF;",
    "advisory": "PERFORM pg_advisory_xact_lock({k});",
    "advisory try": "IF NOT pg_try_advisory_xact_lock({k}) THEN said := 'taken'; END IF;",
    "advisory both": "PERFORM pg_advisory_xact_lock({k});\n  PERFORM pg_advisory_xact_lock({j});",
    "advisory shared": "PERFORM pg_advisory_xact_lock_shared({k});\n  PERFORM pg_advisory_xact_lock({k});",
    "advisory session": "PERFORM pg_advisory_lock({k});\n  {i}\n  PERFORM pg_advisory_unlock({k});",
    "advisory session shared": (
        "PERFORM pg_advisory_lock_shared({k});\n  {i}\n  PERFORM pg_advisory_unlock_shared({k});"
    ),
    "nextval": "v := nextval('s');",
    "count": "v := (SELECT count(*) FROM c);",
    "lock exclusive": "LOCK TABLE {t} IN EXCLUSIVE MODE;",
    "lock access exclusive": "LOCK TABLE a IN ACCESS EXCLUSIVE MODE;",
    "lock share": "LOCK TABLE a IN SHARE MODE;",
    "lock nowait": "LOCK TABLE a IN EXCLUSIVE MODE NOWAIT;",
    "lock both": "LOCK TABLE {t} IN EXCLUSIVE MODE;\n  LOCK TABLE c IN EXCLUSIVE MODE;",
    "lock both turned": "LOCK TABLE c IN EXCLUSIVE MODE;\n  LOCK TABLE {t} IN EXCLUSIVE MODE;",
    "insert both": "INSERT INTO b VALUES (2, 1, 7);\n  INSERT INTO b VALUES (3, 1, 7);",
    "insert both turned": "INSERT INTO b VALUES (3, 1, 7);\n  INSERT INTO b VALUES (2, 1, 7);",
    "update both": "UPDATE a SET n = n + 1 WHERE id = {k};\n  UPDATE a SET n = n + 1 WHERE id = {j};",
    "upgrade": "SELECT n INTO v FROM a WHERE id = {k} FOR SHARE;\n  UPDATE a SET n = v + 1 WHERE id = {k};",
}

PL: dict[str, str] = {**SIMPLE, **COMPOUND}
"""Statements of functions by name. Neighbours get in each other's way."""

CLIENT = (
    "UPDATE a SET n = n + 1 WHERE id = {k}",
    "UPDATE a SET n = n * 2",
    "UPDATE a SET n = 0 WHERE n > 15",
    "UPDATE b SET n = n + (SELECT max(n) FROM a)",
    "SELECT n FROM {t} WHERE id = {k}",
    "SELECT sum(n) FROM {t}",
    "SELECT n FROM {t} WHERE id = {k} FOR UPDATE",
    "SELECT n FROM a WHERE id = {k} FOR SHARE",
    "SELECT n FROM a ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED",
    "INSERT INTO b VALUES (2, {k}, 7)",
    "INSERT INTO b VALUES (3, {k}, 7) ON CONFLICT DO NOTHING",
    "INSERT INTO c (word) SELECT 'x' WHERE NOT EXISTS (SELECT FROM c WHERE word = 'x')",
    "INSERT INTO c (n) SELECT n FROM {t} WHERE id = {k}",
    "DELETE FROM b WHERE id = 1",
    "DELETE FROM a WHERE id = {k}",
    "SELECT nextval('s')",
    "SELECT pg_advisory_xact_lock({k})",
    "SELECT sum_of_a()",
    "SELECT nested({k})",
)
"""What a client may send by itself."""
