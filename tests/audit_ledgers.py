"""Ledgers to audit: a correct one of any size, with what is normal and looks odd, and faults to plant in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from harness.model import Script
from harness.resources import shipped

ROWS_PER_USER = 20

# A user's rows by their place k: 1 opens the account, 2 is a purchase, then come six triples: a job is charged and
# refunded (it failed), and another one charged. What a user has at any place follows from k alone, so that nothing need
# be added up. Rows of all users are interleaved by seq, as they are in life. `created_at` is the beginning of a
# transaction: of some triples it runs backwards, of others all three are the same.
_LEDGER = """
INSERT INTO public.balance_transactions
  (seq, user_id, type, amount, balance_before, balance_after, metadata, created_at)
OVERRIDING SYSTEM VALUE
SELECT (r.k - 1)::bigint * :users + r.u, public.audit_user(r.u), r.type, r.amount, r.before, r.before + r.amount,
       CASE WHEN r.k < 3 THEN '{}' ELSE jsonb_build_object('job_id', public.audit_job(r.u, r.t, r.p = 2)) END,
       timestamptz '2026-01-01' + (r.t * 3 + CASE (r.u + r.t) % 5 WHEN 0 THEN 2 - r.p WHEN 1 THEN 0 ELSE r.p END)
         * interval '1 minute'
FROM (
  SELECT k, u, t, p,
         CASE k WHEN 1 THEN 'initial' WHEN 2 THEN 'purchase' ELSE CASE p WHEN 1 THEN 'refund' ELSE 'generation' END END
           AS type,
         CASE k WHEN 1 THEN 10000 WHEN 2 THEN 5000 ELSE CASE p WHEN 1 THEN cost ELSE -cost END END AS amount,
         CASE k WHEN 1 THEN 0 WHEN 2 THEN 10000 ELSE 15000 - cost * t - CASE p WHEN 1 THEN cost ELSE 0 END END AS before
  FROM (
    SELECT k, u, CASE WHEN k < 3 THEN 0 ELSE (k - 3) / 3 END AS t, k % 3 AS p, 100 + u % 7 * 10 AS cost
    FROM generate_series(1, 20) AS k, generate_series(1, :users) AS u
  ) AS place
) AS r;
"""
# Without a STABLE operator in them (text || integer is one) these are expanded in place.
_SETTING = """
CREATE FUNCTION public.audit_user(u integer) RETURNS uuid LANGUAGE sql IMMUTABLE
  AS $$ SELECT ('a0000000-0000-4000-8000-' || lpad(to_hex(u), 12, '0'))::uuid $$;
CREATE FUNCTION public.audit_job(u integer, t integer, second boolean) RETURNS text LANGUAGE sql IMMUTABLE
  AS $$ SELECT 'bull:' || u::text || ':' || t::text || CASE WHEN second THEN 'b' ELSE 'a' END $$;
REVOKE EXECUTE ON FUNCTION public.audit_user(integer), public.audit_job(integer, integer, boolean) FROM PUBLIC;
"""
_JOBS = """
INSERT INTO public.story_jobs (job_id, user_id, status, story_id, created_at, started_at, completed_at)
SELECT public.audit_job(u, t, second), public.audit_user(u), CASE WHEN second THEN 'completed' ELSE 'failed' END,
       CASE WHEN second THEN 'story' END, timestamptz '2026-01-01', timestamptz '2026-01-01', timestamptz '2026-01-01'
FROM generate_series(1, :users) AS u, generate_series(0, 5) AS t, unnest(ARRAY[false, true]) AS second;
INSERT INTO public.story_jobs (job_id, user_id, status) SELECT 'waiting:' || u, public.audit_user(u), 'pending'
FROM generate_series(1, :users, 100) AS u;
INSERT INTO public.story_jobs (job_id, user_id, status, started_at)
SELECT 'running:' || u, public.audit_user(u), 'processing', now() FROM generate_series(1, :users, 100) AS u;
INSERT INTO public.user_balances (user_id, balance)
SELECT public.audit_user(u), 15000 - 6 * (100 + u % 7 * 10) FROM generate_series(1, :users) AS u;
"""


def migrations() -> list[Script]:
    """The shipped ones."""
    return [Script(name=p.name, text=p.read_text()) for p in sorted((shipped("sql") / "migrations").glob("*.sql"))]


def ledger_script(users: int) -> Script:
    """Fills the migrated tables: 20 rows per user."""
    text = _SETTING + (_LEDGER + _JOBS).replace(":users", str(users))
    return Script(name=f"ledger_{users}.sql", text=text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """A fault: statements that make it, with ``{u}`` for the number of the user that it befalls, and what an audit says
    of it: ``check``, and the witness' ``id`` in the column ``column``."""

    check: str
    statements: tuple[str, ...]
    column: str = "job_id"
    id: str = "planted:{u}"

    def planted(self, connection: psycopg.Connection[Any], user: int) -> str:
        """Make it; the id that the audit is to tell, user ids as they are."""
        for statement in self.statements:
            connection.execute(statement.replace("{u}", str(user)).encode())
        return uuid_of(user) if self.id == "user" else self.id.replace("{u}", str(user))


def uuid_of(user: int) -> str:
    return f"a0000000-0000-4000-8000-{user:012x}"


def _append(kind: str, amount: int, job: str = "planted:{u}", gap: int = 0, user: str = "{u}") -> str:
    """A row at the end of the user's chain, as a correct transaction writes it but for the ``gap`` before it."""
    metadata = f"jsonb_build_object('job_id', '{job}')" if job else "'{}'"
    return f"""WITH now AS (
      UPDATE public.user_balances SET balance = balance + {amount + gap}
      WHERE user_id = public.audit_user({user}) RETURNING balance)
    INSERT INTO public.balance_transactions (user_id, type, amount, balance_before, balance_after, metadata)
    OVERRIDING USER VALUE
    SELECT public.audit_user({user}), '{kind}', {amount}, balance - {amount}, balance, {metadata} FROM now"""


def _job(status: str) -> str:
    return f"""INSERT INTO public.story_jobs (job_id, user_id, status, started_at)
    VALUES ('planted:{{u}}', public.audit_user({{u}}), '{status}', now())"""


# After explicit seq values the identity must go on above them.
CATCH_UP = """SELECT setval(pg_get_serial_sequence('public.balance_transactions', 'seq'),
  (SELECT max(seq) FROM public.balance_transactions))"""
_CHARGED = _append("generation", -100)
_DROP_CHECK = "ALTER TABLE public.user_balances DROP CONSTRAINT IF EXISTS user_balances_balance_check"

PLANTS: tuple[Plant, ...] = (
    Plant(check="one_refund_per_job", statements=(_append("refund", 100, "bull:{u}:3a"),), id="bull:{u}:3a"),
    Plant(check="refund_matches_charge", statements=(_job("failed"), _CHARGED, _append("refund", 150))),
    Plant(check="refund_without_charge", statements=(_job("failed"), _append("refund", 100))),
    Plant(check="completed_not_refunded", statements=(_append("refund", 50, "bull:{u}:2b"),), id="bull:{u}:2b"),
    Plant(check="failed_means_refunded", statements=(_job("failed"), _CHARGED)),
    Plant(check="refunded_means_failed", statements=(_job("processing"), _CHARGED, _append("refund", 100))),
    Plant(check="wrong_user", statements=(_job("failed"), _CHARGED, _append("refund", 100, user="{u} - 1"))),
    Plant(check="orphan_job", statements=(_CHARGED,)),
    Plant(check="ledger_chain", statements=(_append("bonus", 30, "", gap=-7),), column="user_id", id="user"),
    Plant(
        check="ledger_arithmetic",
        statements=(
            "UPDATE public.balance_transactions SET amount = amount + 1"
            " WHERE user_id = public.audit_user({u}) AND type = 'purchase'",
        ),
        column="user_id",
        id="user",
    ),
    Plant(
        check="balance_matches_ledger",
        statements=("UPDATE public.user_balances SET balance = balance + 13 WHERE user_id = public.audit_user({u})",),
        column="user_id",
        id="user",
    ),
    Plant(
        check="no_negative_balance",
        statements=(_DROP_CHECK, _append("bonus", -20000, ""), _append("bonus", 20000, "")),
        column="user_id",
        id="user",
    ),
    Plant(check="amount_sign", statements=(_job("failed"), _CHARGED, _append("refund", -100))),
    Plant(
        check="orphan_user",
        statements=("DELETE FROM public.user_balances WHERE user_id = public.audit_user({u})",),
        column="user_id",
        id="user",
    ),
)
WARNINGS: tuple[Plant, ...] = (
    Plant(check="refund_below_charge", statements=(_job("failed"), _CHARGED, _append("refund", 60))),
    Plant(check="completed_without_charge", statements=(_job("completed"),)),
    Plant(check="no_job_id", statements=(_append("generation", -100, ""),), column="user_id", id="user"),
    Plant(
        check="incomplete_row",
        statements=(
            "ALTER TABLE public.balance_transactions ALTER amount DROP NOT NULL",
            "UPDATE public.balance_transactions SET amount = NULL"
            " WHERE user_id = public.audit_user({u}) AND type = 'purchase'",
        ),
        column="user_id",
        id="user",
    ),
    Plant(
        check="unknown_status",
        statements=(
            "ALTER TABLE public.story_jobs DROP CONSTRAINT IF EXISTS story_jobs_status_check",
            _job("cancelled"),
        ),
    ),
    Plant(
        check="stuck_in_processing",
        statements=(
            _job("processing"),
            "UPDATE public.story_jobs SET started_at = now() - interval '2 hours' WHERE job_id = 'planted:{u}'",
        ),
    ),
)


def plant(connection: psycopg.Connection[Any], plants: Sequence[Plant], users: int, total: int) -> set[tuple[str, str]]:
    """Plant ``total`` faults, the plants in turn, on users spread over all; (check, id) of each."""
    connection.execute(CATCH_UP)
    return set(_planted(connection, plants, users, total))


def _planted(
    connection: psycopg.Connection[Any], plants: Sequence[Plant], users: int, total: int
) -> Iterator[tuple[str, str]]:
    for number in range(total):
        one = plants[number % len(plants)]
        yield one.check, one.planted(connection, (number + 1) * (users // (total + 1)))


def told(checks: Sequence[Any], plants: Sequence[Plant]) -> set[tuple[str, str]]:
    """(check, id) of each broken row of an audit with ids shown; checks of the deployment left out."""
    columns = {p.check: p.column for p in plants}
    return {(c.check, str(row[columns.get(c.check, "job_id")])) for c in checks for row in c.rows if c.part == "ledger"}
