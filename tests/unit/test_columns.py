"""What statements read and write, column by column, as far as their texts tell."""

from __future__ import annotations

import pytest

from harness.sqltext.access import Equal, Look, Put, Source
from harness.sqltext.columns import access_of
from harness.sqltext.nodes import bare_name

TABLES = {
    "jobs": frozenset({"id", "owner", "status", "payload"}),
    "accounts": frozenset({"id", "balance", "version"}),
    "refunds": frozenset({"job", "amount"}),
    '"Billing Dept"."User.Balances"': frozenset({"User Id", "Balance"}),
}


def looks(text: str) -> dict[str, Look]:
    return {look.table: look for look in access_of(text, TABLES).looks}


@pytest.mark.parametrize(
    "text",
    [
        "SELECT status FROM jobs WHERE id = 'j1'",
        "SELECT j.status INTO v_status FROM public.jobs AS j WHERE j.id = 'j1'::text",
        "IF EXISTS (SELECT status FROM jobs WHERE 'j1' = id) THEN",
        "ELSIF (SELECT status FROM jobs WHERE id = 'j1') = 'open'",
        "WHILE (SELECT status FROM jobs WHERE id = 'j1') = 'open' LOOP",
        "CASE (SELECT status FROM jobs WHERE id = 'j1') WHEN 'open' THEN x := 1; …",
        "v_status := (SELECT status FROM jobs WHERE id = 'j1')",
        "v_status text := (SELECT status FROM jobs WHERE id = 'j1')",
        "PERFORM status FROM jobs WHERE id = 'j1'",
        "FOR r IN SELECT status FROM jobs WHERE id = 'j1' LOOP",
        "<< rows >> FOR a, b IN SELECT status FROM jobs WHERE id = 'j1' LOOP",
        "OPEN c FOR SELECT status FROM jobs WHERE id = 'j1'",
        "RETURN (SELECT status FROM jobs WHERE id = 'j1')",
        "RETURN QUERY SELECT status FROM jobs WHERE id = 'j1';",
        "CREATE TEMP TABLE t AS SELECT status FROM jobs WHERE id = 'j1'",
        "WITH found AS (SELECT status FROM jobs WHERE id = 'j1') SELECT * FROM found",
    ],
)
def test_a_look_by_any_statement(text: str) -> None:
    [look] = access_of(text, TABLES).looks
    assert (look.table, look.columns) == ("jobs", {"id", "status"})
    assert look.equal == (Equal(column="id", value="j1"),)
    assert (look.fresh, look.vague, look.skips, look.bounded) == (False, (), False, False)


def test_variables_that_take_what_is_read() -> None:
    assert access_of("SELECT a, b INTO STRICT v_a, r.b FROM jobs", TABLES).into == {"v_a", "r"}
    assert access_of("UPDATE jobs SET status = 'x' RETURNING id INTO v_id", TABLES).into == {"v_id"}
    assert access_of("INSERT INTO jobs VALUES (1)", TABLES).into == frozenset()
    fetch = access_of("FETCH NEXT FROM c INTO v_id, v_left", TABLES)
    assert (fetch.cursor, fetch.into) == ("c", {"v_id", "v_left"})


def test_what_a_condition_is_about() -> None:
    [look] = access_of(
        "SELECT 1 FROM jobs WHERE payload ->> 'user' = p_user AND status = 'open' AND id > p_since AND v_on", TABLES
    ).looks
    assert look.equal == (Equal(column="payload", key="user"), Equal(column="status", value="open"))
    assert look.vague == (frozenset({"id"}),)


def test_rows_that_are_locked_are_read_as_they_are_then() -> None:
    assert looks("SELECT status FROM jobs WHERE id = 'j1' FOR UPDATE")["jobs"].fresh
    assert looks("SELECT status FROM jobs FOR UPDATE SKIP LOCKED")["jobs"].skips
    assert not looks("SELECT status FROM jobs FOR KEY SHARE")["jobs"].fresh
    both = looks("SELECT j.id FROM jobs j WHERE NOT EXISTS (SELECT FROM refunds r WHERE r.job = j.id) FOR UPDATE OF j")
    assert both["jobs"].fresh
    assert not both["refunds"].fresh
    assert both["refunds"].equal == (Equal(column="job"),)
    written = access_of("UPDATE jobs SET status = 'x' WHERE id = (SELECT id FROM jobs ORDER BY id LIMIT 1)", TABLES)
    assert [(look.fresh, look.first, look.order) for look in written.looks] == [
        (False, 1, (("id", False),)),
        (True, None, ()),
    ]


def test_what_cannot_be_locked() -> None:
    assert looks("SELECT status FROM jobs")["jobs"].lockable
    for text in ("SELECT count(*) FROM jobs", "SELECT DISTINCT id FROM jobs", "SELECT id FROM jobs GROUP BY id"):
        assert not looks(text)["jobs"].lockable


@pytest.mark.parametrize(
    ("value", "source"),
    [
        ("balance + p_amount", Source.OWN),
        ("a.balance - 3", Source.OWN),
        ("v_balance + p_amount", Source.OTHER),
        ("(SELECT balance FROM accounts WHERE id = 'other')", Source.OTHER),
        ("4000", Source.CONSTANT),
        ("'4000'::integer", Source.CONSTANT),
    ],
)
def test_what_a_column_is_set_to(value: str, source: Source) -> None:
    put = access_of(f"UPDATE accounts a SET balance = {value} WHERE id = 'x'", TABLES).puts[0]
    assert (put.table, put.event, dict(put.columns)) == ("accounts", "update", {"balance": source})


def test_writes_of_other_kinds() -> None:
    rows = access_of("UPDATE accounts SET (balance, version) = (r.balance, r.version) WHERE id = r.id", TABLES).puts[0]
    assert rows.names == dict.fromkeys(("balance", "version"), frozenset({"r.balance", "r.version"}))
    upsert = "INSERT INTO accounts VALUES (p, v) ON CONFLICT (id) DO UPDATE SET balance = excluded.balance"
    inserted, updated = access_of(upsert, TABLES).puts
    assert inserted == Put(table="accounts", event="insert", names={"": frozenset({"p", "v"})})
    assert updated.names["balance"] == {"excluded.balance", "p", "v"}
    merge = "MERGE INTO refunds r USING (SELECT 1) s ON r.job = p WHEN NOT MATCHED THEN INSERT VALUES (p, 1)"
    assert [(p.table, p.event) for p in access_of(merge, TABLES).puts] == [("refunds", "insert")]
    assert [p.event for p in access_of("DELETE FROM refunds WHERE job = 'x'", TABLES).puts] == ["delete"]


def test_names_that_need_quotes() -> None:
    [look] = access_of('SELECT b."Balance" FROM "Billing Dept"."User.Balances" AS b', TABLES).looks
    assert (look.table, look.columns) == ('"Billing Dept"."User.Balances"', {"Balance"})
    assert [bare_name(n) for n in ("t", "s.t", '"a.b"', 's."a""b"')] == ["t", "t", "a.b", 'a"b']


@pytest.mark.parametrize(
    "text",
    [
        "",
        ";",
        "EXECUTE 'SELECT 1 FROM jobs'",
        "this is no SQL",
        "SELECT (",
        "NULL",
        "RAISE NOTICE 'x'",
        "SELECT " + "(" * 99,
    ],
)
def test_what_cannot_be_read_gives_nothing(text: str) -> None:
    access = access_of(text, TABLES)
    assert (access.looks, access.puts) == ((), ())
