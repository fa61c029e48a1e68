"""Functions for the gates to go into, each with calls and, per call, the sites that it passes."""

from __future__ import annotations

from dataclasses import dataclass

TABLES = """
CREATE TABLE a (id integer PRIMARY KEY, n integer NOT NULL CHECK (n >= 0), t text);
CREATE TABLE b (id bigserial PRIMARY KEY, a_id integer REFERENCES a, n integer);
INSERT INTO a VALUES (1, 10, 'one'), (2, 20, 'two'), (3, 30, 'three');
INSERT INTO b (a_id, n) VALUES (1, 1), (2, 2);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """``sql``: after `TABLES`. ``calls``: SQL → the names of the sites that it passes, in order."""

    name: str
    sql: str
    calls: dict[str, str]


def _plpgsql(name: str, body: str, calls: dict[str, str], *, head: str = "f() RETURNS text", after: str = "") -> Sample:
    kind = "PROCEDURE" if head.startswith("p(") else "FUNCTION"
    return Sample(name=name, sql=f"CREATE {kind} {head} LANGUAGE plpgsql AS $f${body}$f$;\n{after}", calls=calls)


SAMPLES = [
    _plpgsql(
        "found and row count",
        """
DECLARE v integer; c integer; r text := '';
BEGIN
  SELECT n INTO v FROM a WHERE id = 1; IF FOUND THEN r := r || 'found '; END IF;
  UPDATE a SET n = n + 1 WHERE id = 99; IF NOT FOUND THEN r := r || 'none '; END IF;
  GET DIAGNOSTICS c = ROW_COUNT; r := r || c;
  UPDATE a SET n = n + 1; GET DIAGNOSTICS c = ROW_COUNT; r := r || c || FOUND;
  PERFORM 1 FROM a WHERE id = 98; r := r || FOUND;
  DELETE FROM b WHERE a_id = 1 RETURNING n INTO STRICT v;
  RETURN r || v;
END""",
        {"SELECT f()": "f:4 f:5 f:5~ f:7 f:7~ f:8 f:9 f:9~"},
    ),
    _plpgsql(
        "comments and strings",
        """ -- BEGIN; UPDATE a SET n = 0;
DECLARE r text := 'UPDATE a; ''';
BEGIN /* ; /* UPDATE a */ SELECT 1 FROM a; */
  -- UPDATE a SET n = 1;
  UPDATE /* WHERE */ a SET t = 'x;''y' || $q$;WHERE $q$ || E'\\'; ' -- WHERE id = 3
  WHERE /* ( */ id = 1 /* ) */ -- end;
  ; r := r || ';'; INSERT INTO b (a_id) SELECT id FROM a -- no WHERE
  /* here either */; RETURN (SELECT t FROM a WHERE id = 1) || r || 'ґ😀'; UPDATE a SET n = 7;
END -- END;
""",
        {"SELECT f()": "f:5 f:5~ f:7 f:7~ f:8"},
    ),
    _plpgsql(
        "several on a line, letters of many bytes",
        """BEGIN /* ґ😀 */ UPDATE a SET t = 'ґ' WHERE t = 'one'; UPDATE a SET t = '😀' WHERE t = 'ґ'; """
        """RETURN (SELECT t FROM a WHERE id = 1); END""",
        {"SELECT f()": "f:1 f:1~ f:1.2 f:1.2~ f:1.3"},
    ),
    _plpgsql(
        "variable conflict",
        """
#variable_conflict use_column
DECLARE n integer := 5; id integer := 2;
BEGIN
  UPDATE a SET n = n + 1 WHERE id = 1;
  RETURN (SELECT max(n) FROM a WHERE id = 1);
END""",
        {"SELECT f()": "f:5 f:5~ f:6"},
    ),
    _plpgsql(
        "elsif",
        """
BEGIN
  IF EXISTS (SELECT 1 FROM a WHERE id = x) THEN RETURN 'a';
  ELSIF x = 50 THEN RETURN 'fifty';
  ELSEIF EXISTS (SELECT 1 FROM b WHERE id = x - 10) THEN
    UPDATE a SET n = 0 WHERE id = 1; RETURN 'b';
  ELSIF x = 60 THEN RETURN 'sixty';
  ELSIF (SELECT count(*) FROM b) = 0
     OR x = 70 THEN RETURN 'empty';
  ELSE UPDATE a SET n = 1 WHERE id = 1;
  END IF; RETURN 'neither';
END""",
        {
            "SELECT f(1)": "f:3",
            "SELECT f(50)": "f:3",
            "SELECT f(12)": "f:3 f:5 f:6 f:6~",
            "SELECT f(60)": "f:3 f:5",
            "SELECT f(70)": "f:3 f:5 f:8",
            "SELECT f(99)": "f:3 f:5 f:8 f:10 f:10~",
        },
        head="f(x integer) RETURNS text",
    ),
    _plpgsql(
        "while",
        """
DECLARE i integer := 0; r text := '';
BEGIN
  <<outer_loop>>
  WHILE (SELECT sum(n) FROM a) < 64
        AND i < 10 LOOP
    i := i + 1; CONTINUE WHEN i = 1;
    UPDATE a SET n = n + 1 WHERE id = 1;
    WHILE i < 3 LOOP i := i + 1; END LOOP;
    WHILE (SELECT NULL::boolean FROM a LIMIT 1) LOOP r := 'never'; END LOOP;
    LOOP EXIT outer_loop WHEN (SELECT count(*) FROM b) = 2 AND i = 5; EXIT; END LOOP;
  END LOOP outer_loop;
  RETURN r || i || FOUND;
END""",
        {
            "SELECT f()": "f:5 f:5 f:8 f:8~ f:10 f:11 f:5 f:8 f:8~ f:10 f:11 f:5 f:8 f:8~ f:10 f:11",
        },
    ),
    _plpgsql(
        "loops",
        """
DECLARE r record; i integer; s text := ''; c CURSOR (k integer) FOR SELECT id FROM a WHERE id >= k ORDER BY id;
BEGIN
  FOR r IN SELECT id FROM a ORDER BY id FOR UPDATE LOOP s := s || r.id; END LOOP;
  FOR r IN c((SELECT min(id) + 1 FROM a)) LOOP s := s || r.id; END LOOP;
  FOR i IN 1..(SELECT count(*) FROM b) LOOP s := s || i; END LOOP;
  FOR i IN REVERSE 3..1 BY 2 LOOP s := s || i; END LOOP;
  FOREACH i IN ARRAY (SELECT array_agg(id ORDER BY id) FROM a) LOOP s := s || i; END LOOP;
  FOR r IN EXECUTE 'SELECT id FROM a WHERE id = $1' USING (SELECT max(id) FROM a) LOOP s := s || r.id; END LOOP;
  FOR r IN UPDATE a SET n = n + 1 WHERE id < 3 RETURNING id LOOP s := s || '!'; END LOOP;
  RETURN s || FOUND;
END""",
        {"SELECT f()": "f:4 f:4~ f:5 f:6 f:8 f:9 f:10 f:10~"},
    ),
    _plpgsql(
        "declare",
        """
DECLARE
  x integer := (SELECT n FROM a WHERE id = 1);
  y CONSTANT integer NOT NULL DEFAULT x + (SELECT count(*) FROM b); z a%ROWTYPE; w a.t%TYPE = 'w';
BEGIN
  UPDATE a SET n = 0 WHERE id = 1;
  FOR i IN 1..2 LOOP
    DECLARE k integer := (SELECT n FROM a WHERE id = 1); BEGIN
      UPDATE a SET n = k + 1 WHERE id = 1;
      SELECT * INTO z FROM a WHERE id = 1;
    END;
  END LOOP;
  RETURN x || ' ' || y || ' ' || z.n || w;
END""",
        {"SELECT f()": "f:3 f:4 f:6 f:6~ f:8 f:9 f:9~ f:10 f:8 f:9 f:9~ f:10"},
    ),
    _plpgsql(
        "case",
        """
BEGIN
  CASE x WHEN 1, 2 THEN UPDATE a SET n = 1 WHERE id = 1;
    WHEN (SELECT 3 FROM a WHERE id = 1) THEN RETURN 'three';
    ELSE NULL; END CASE;
  CASE WHEN x = 1 THEN RETURN 'one'; WHEN EXISTS (SELECT 1 FROM a WHERE n = x * 10) THEN RETURN 'tens';
    WHEN (SELECT max(n) FROM a) < x THEN RETURN 'large'; WHEN x = 4 THEN RETURN 'four';
  END CASE;
  RETURN 'x';
END""",
        {
            "SELECT f(1)": "f:3 f:3.2 f:3.2~",
            "SELECT f(2)": "f:3 f:3.2 f:3.2~ f:6",
            "SELECT f(3)": "f:3",
            "SELECT f(99)": "f:3 f:6 f:7",
            "SELECT f(4)": "f:3 f:6 f:7",
        },
        head="f(x integer) RETURNS text",
    ),
    _plpgsql(
        "errors",
        """
DECLARE m text; c text;
BEGIN
  BEGIN
    UPDATE a SET n = -1 WHERE id = 1;
  EXCEPTION WHEN check_violation OR SQLSTATE '22012' THEN
    GET STACKED DIAGNOSTICS m = MESSAGE_TEXT, c = CONSTRAINT_NAME;
    INSERT INTO b (n) VALUES (length(m));
    WHEN OTHERS THEN RAISE;
  END;
  INSERT INTO a VALUES (4, 4);
  RAISE NOTICE 'n; %', (SELECT count(*) FROM a) USING HINT = 'h';
  ASSERT (SELECT count(*) FROM a) = 4, 'no';
  UPDATE a SET n = n - x
    WHERE id = 4;
  RAISE EXCEPTION 'end %', x USING ERRCODE = 'P0042';
END""",
        {
            "SELECT f(1)": "f:5 f:5~ f:8 f:11 f:12 f:13 f:14 f:14~",
            "SELECT f(9)": "f:5 f:5~ f:8 f:11 f:12 f:13 f:14 f:14~",
        },
        head="f(x integer) RETURNS text",
    ),
    _plpgsql(
        "returns",
        """
BEGIN
  RETURN QUERY SELECT n FROM a ORDER BY id;
  RETURN NEXT (SELECT sum(n) FROM a);
  RETURN QUERY UPDATE a SET n = n + 1 WHERE id = 1 RETURNING n;
  RETURN QUERY EXECUTE 'SELECT n FROM a WHERE id = $1' USING 3;
  IF NOT FOUND THEN RETURN NEXT 0; END IF;
  RETURN;
END""",
        {"SELECT * FROM f()": "f:3 f:4 f:5 f:5~ f:6"},
        head="f() RETURNS SETOF integer",
    ),
    _plpgsql(
        "dynamic",
        """
DECLARE v integer; k text := 'a';
BEGIN
  EXECUTE format('SELECT n FROM %I WHERE id = $1', k) INTO STRICT v USING 1;
  EXECUTE 'UPDATE a SET n = n + 1'; CALL p(v);
  RETURN v || FOUND;
END""",
        {"SELECT f()": "f:4 f:5 p:1 p:1~ p:1.2 p:1.2~"},
        after="CREATE PROCEDURE p(INOUT x integer) LANGUAGE plpgsql AS $$BEGIN UPDATE a SET n = 0 WHERE id = 3;"
        " x := x + 1; UPDATE a SET n = x WHERE id = 2; END$$;",
    ),
    _plpgsql(
        "cursors",
        """
DECLARE c refcursor; d CURSOR FOR SELECT id, n FROM a ORDER BY id FOR UPDATE; r record; s text := '';
BEGIN
  OPEN c SCROLL FOR SELECT id FROM a ORDER BY id; FETCH LAST FROM c INTO r; s := s || r.id; MOVE FIRST FROM c;
  FETCH c INTO r; s := s || r.id || FOUND; CLOSE c;
  OPEN d; FETCH d INTO r;
  UPDATE a SET n = r.n + 1 WHERE CURRENT OF d;
  CLOSE d; RETURN s;
END""",
        {"SELECT f()": "f:4 f:4.2 f:4.3 f:5 f:6 f:6.2 f:7"},
    ),
    _plpgsql(
        "statements with WITH, MERGE-free upserts and subqueries",
        """
DECLARE v integer[]; k integer;
BEGIN
  WITH gone AS (DELETE FROM b WHERE n = 1 RETURNING a_id), up AS (UPDATE a SET n = n + 1
    WHERE id IN (SELECT a_id FROM b) RETURNING id) INSERT INTO b (a_id, n) SELECT id, 9 FROM up;
  INSERT INTO a (id, n) SELECT id, 1 FROM a WHERE id = 1 OR id = 2 ON CONFLICT (id) DO UPDATE SET n = a.n + 1
    WHERE a.id = 1;
  INSERT INTO a (id, n) VALUES (1, 2) ON CONFLICT DO NOTHING;
  UPDATE a SET t = b.n::text FROM b WHERE b.a_id = a.id OR false;
  DELETE FROM b USING a WHERE a.id = b.a_id AND a.n > 1000;
  INSERT INTO b (n) SELECT 5 WHERE NOT EXISTS (SELECT 1 FROM b WHERE n = 5);
  INSERT INTO b (n) SELECT 6 UNION SELECT 7;
  INSERT INTO b (n) (SELECT 8);
  SELECT array_agg(n ORDER BY n), (SELECT max(id) FROM a) INTO v, k FROM b;
  SELECT n INTO k FROM a x WHERE x.id = 1 ORDER BY x.id LIMIT 1 FOR UPDATE OF x NOWAIT;
  INSERT INTO b (n) SELECT max(n) FROM a;
  INSERT INTO b (n) SELECT count(*) FROM a GROUP BY n HAVING count(*) > 5 ORDER BY 1;
  RETURN v::text || k || FOUND;
END""",
        {
            "SELECT f()": "f:4 f:4~ f:6 f:6~ f:8 f:9 f:9~ f:10 f:10~ f:11 f:11~ f:12 f:13 f:14 f:15 f:15~ "
            "f:16 f:16~ f:17 f:17~"
        },
    ),
    _plpgsql(
        "labels and nested blocks",
        """
<<top>>
DECLARE n integer := 1;
BEGIN
  <<deep>>
  DECLARE n integer := 2; BEGIN
    UPDATE a SET n = top.n + deep.n WHERE id = 1;
    <<l>> FOR i IN 1..3 LOOP
      <<m>>
      LOOP UPDATE a SET n = a.n + i WHERE id = 2; CONTINUE l WHEN i < 2; EXIT l; END LOOP m;
    END LOOP;
    EXIT deep;
    UPDATE a SET n = 0;
  END deep;
  BEGIN BEGIN UPDATE a SET t = 'deep' WHERE id = 3; END; EXCEPTION WHEN OTHERS THEN NULL; END;
  RETURN (SELECT string_agg(a.n || t, ',' ORDER BY id) FROM a);
END top""",
        {"SELECT f()": "f:7 f:7~ f:10 f:10~ f:10 f:10~ f:15 f:15~ f:16"},
    ),
    Sample(
        name="triggers",
        sql="""
CREATE FUNCTION before_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.t := (SELECT count(*)::text FROM b) || TG_OP;
  IF TG_OP = 'INSERT' AND TG_WHEN = 'BEFORE' THEN NEW.n := coalesce(NEW.n, 0) + TG_NARGS; END IF;
  RETURN NEW;
END $$;
CREATE FUNCTION after_all() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO b (n) SELECT count(*) FROM changed; RETURN NULL; END $$;
CREATE TRIGGER one BEFORE INSERT OR UPDATE ON a FOR EACH ROW EXECUTE FUNCTION before_row('x');
CREATE TRIGGER two AFTER UPDATE ON a REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION after_all();
CREATE FUNCTION f() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE c integer;
BEGIN
  UPDATE a SET n = n + 1 WHERE id < 3; GET DIAGNOSTICS c = ROW_COUNT;
  INSERT INTO a VALUES (7, 7); RETURN c;
END $$;
""",
        calls={
            "SELECT f()": "f:4 f:4~ before_row:3 before_row:3 after_all:2 after_all:2~ f:5 before_row:3",
            "INSERT INTO a VALUES (8, 8)": "before_row:3",
        },
    ),
    Sample(
        name="procedure that commits",
        sql="""
CREATE PROCEDURE p() LANGUAGE plpgsql AS $$
BEGIN
  UPDATE a SET n = 1 WHERE id = 1;
  COMMIT;
  SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;
  LOCK TABLE b;
  UPDATE a SET t = current_setting('transaction_isolation') WHERE id = 2; ROLLBACK;
  FOR i IN 1..2 LOOP INSERT INTO b (n) VALUES (i); COMMIT AND CHAIN; END LOOP;
END $$;
""",
        calls={"CALL p()": "p:3 p:3~ p:4 p:7 p:7~ p:7.2 p:8 p:8.2 p:8 p:8.2"},
    ),
    Sample(
        name="sql functions",
        sql="""
CREATE FUNCTION f(k integer) RETURNS integer LANGUAGE sql AS $$
  -- first; the row
  SELECT n FROM a WHERE id = k FOR UPDATE; UPDATE a SET n = n + 1 WHERE id = $1;
  SELECT 1;
  INSERT INTO b (n) SELECT 3 WHERE NOT EXISTS (SELECT FROM b WHERE n = 3);
  SELECT n FROM a WHERE id = k -- last
$$;
CREATE FUNCTION g() RETURNS SETOF a LANGUAGE sql AS 'UPDATE a SET n = n + 1 WHERE id < 3; TABLE a ORDER BY id';
CREATE FUNCTION h() RETURNS void LANGUAGE sql AS 'SELECT f(1); DELETE FROM b;';
CREATE FUNCTION one() RETURNS integer LANGUAGE sql AS 'SELECT n FROM a WHERE id = 1';
""",
        calls={
            "SELECT f(1)": "f:3 f:3~ f:3.2 f:3.2~ f:5 f:5~ f:6",
            "SELECT * FROM g()": "g:1 g:1~ g:1.2",
            "SELECT h()": "f:3 f:3~ f:3.2 f:3.2~ f:5 f:5~ f:6 h:1 h:1~",
            "SELECT one() + one()": "one:1 one:1",
            "SELECT id FROM a WHERE n > one() ORDER BY id": "one:1 one:1 one:1",
        },
    ),
    Sample(
        name="overloads and nested calls",
        sql="""
CREATE FUNCTION f(x integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE v integer; BEGIN
  PERFORM f(x::text); v := f(x::text); IF f(x::text) > 0 THEN v := v + 1; END IF;
  INSERT INTO b (n) VALUES (f(x::text));
  RETURN v; END $$;
CREATE FUNCTION f(x text) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN UPDATE a SET n = n + 1 WHERE id = x::integer; RETURN 1; END $$;
""",
        calls={"SELECT f(1)": "f#2:2 f#2:2~ f#2:2 f#2:2~ f#2:2 f#2:2~ f:4 f#2:2 f#2:2~"},
    ),
    Sample(
        name="locks beside tables",
        sql="""
CREATE SEQUENCE s;
CREATE FUNCTION f() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(7);
  RETURN nextval('s');
END $$;
""",
        calls={"SELECT f()": "f:3 f:4"},
    ),
    Sample(
        name="arrays of rows, VARIADIC, OUT",
        sql="""
CREATE FUNCTION f(OUT x integer, OUT y a, VARIADIC z integer[] DEFAULT '{1}') LANGUAGE plpgsql AS $$
DECLARE all_rows a[] := ARRAY(SELECT a FROM a ORDER BY id); r public.a;
BEGIN
  SELECT array_length(all_rows, 1), n INTO x, x FROM a WHERE id = z[1];
  SELECT * INTO y FROM a WHERE id = 2 FOR UPDATE;
  y.t := (SELECT t FROM a WHERE id = 3); all_rows[(SELECT 1 FROM a LIMIT 1)] := y;
END $$;
""",
        calls={"SELECT f(1, 2)": "f:2 f:4 f:5 f:5~ f:6 f:6.2", "SELECT * FROM f()": "f:2 f:4 f:5 f:5~ f:6 f:6.2"},
    ),
]
