"""The ledger as the rules see it: one query per kind of thing that is judged, whatever tables and columns are called.

Each reads what it needs once and lets the server group and sort it; only broken rows, and of these the first, leave the
server. So a query needs no cursor (under one the server would not work in parallel), and memory here stays small.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.audit import rules
from harness.audit.rules import Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """A ledger that is there. ``jobs``, ``entries``, ``balances``: SELECTs with the columns that sources read, under
    their own names; ``ordered``: there is a sequence column; ``chained``: rows say balance before and after;
    ``timed``: jobs say when they were started; ``dated``: rows say when they were made. ``number``: the SQL type that
    holds every amount, balance and sequence number. ``tables``: their names, in the order jobs, entries, balances."""

    jobs: str
    entries: str
    balances: str
    tables: tuple[str, str, str]
    ordered: bool
    chained: bool
    timed: bool
    dated: bool
    number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """``ctes``: named queries, the last of which is `source`; ``key``: the columns that broken rows are ordered by;
    ``unit``: what a row is; ``table``: index into `Ledger.tables` of the table whose rows are counted as examined."""

    unit: str
    table: int
    ctes: str
    key: str
    rules: tuple[Rule, ...]


def sources(ledger: Ledger, stuck_s: int) -> tuple[Source, ...]:
    """All that is to be judged. ``stuck_s``: a job in processing for more seconds is stuck."""
    return _jobs(ledger, stuck_s), _entries(ledger), _users(ledger)


def query(source: Source, limit: int) -> str:
    """One statement for all rules of ``source``. A row of its result: every column of the source, and ``rule`` (an
    index), ``rule_total``, ``rule_credits`` of all rows that break that rule, of which it is among the first
    ``limit``."""
    conditions = [f"({rule.broken})" for rule in source.rules]
    cases = ",\n    ".join(
        f"({number}, {condition}, ({rule.credits})::numeric)"
        for number, (condition, rule) in enumerate(zip(conditions, source.rules, strict=True))
    )
    # The first WHERE is for speed: nearly all rows break nothing, and are gone before they are multiplied.
    return f"""WITH {source.ctes}, broken AS (
  SELECT s.*, r.rule, r.credits
  FROM source AS s CROSS JOIN LATERAL (VALUES
    {cases}
  ) AS r (rule, broken, credits)
  WHERE ({" OR ".join(conditions)}) AND r.broken
), numbered AS (
  SELECT b.*, count(*) OVER (PARTITION BY b.rule) AS rule_total,
         sum(b.credits) OVER (PARTITION BY b.rule) AS rule_credits,
         row_number() OVER (PARTITION BY b.rule ORDER BY {source.key}) AS place
  FROM broken AS b
)
SELECT * FROM numbered WHERE place <= {limit} ORDER BY rule, place"""


def _jobs(ledger: Ledger, stuck_s: int) -> Source:
    last = "max(e.created_at) FILTER (WHERE e.refund)" if ledger.dated else "NULL::timestamptz"
    stuck = f"(j.processing AND j.started_at < now() - interval '{stuck_s} seconds')" if ledger.timed else "false"
    # Collation "C": equality is all that matters, bytes compare fastest, and columns may have collations that differ.
    ctes = f"""jobs AS NOT MATERIALIZED ({ledger.jobs}), entries AS NOT MATERIALIZED ({ledger.entries}), facts AS (
  SELECT e.job_id,
         count(*) FILTER (WHERE e.charge) AS charges,
         coalesce(-sum(e.summand) FILTER (WHERE e.charge), 0) AS charged,
         count(*) FILTER (WHERE e.refund) AS refunds,
         coalesce(sum(e.summand) FILTER (WHERE e.refund), 0) AS refunded,
         min(e.user_text) AS first_user, max(e.user_text) AS last_user,
         {last} AS last_refund_at
  FROM (SELECT n.*, n.user_id::text COLLATE "C" AS user_text FROM entries AS n) AS e
  WHERE (e.charge OR e.refund) AND e.job_id IS NOT NULL
  GROUP BY e.job_id
), source AS (
  SELECT coalesce(j.job_id, f.job_id) AS job_id, j.user_id, j.status, j.failed, j.completed, j.started_at,
         j.job_id IS NOT NULL AS known, coalesce(f.charges, 0) AS charges, coalesce(f.charged, 0) AS charged,
         coalesce(f.refunds, 0) AS refunds, coalesce(f.refunded, 0) AS refunded, f.last_refund_at,
         ARRAY[f.first_user, nullif(f.last_user, f.first_user)] AS booked_to,
         f.first_user <> f.last_user OR j.user_id::text COLLATE "C" <> f.first_user AS users_differ,
         NOT j.listed AS status_unknown,
         {stuck} AS stuck
  FROM jobs AS j FULL JOIN facts AS f ON f.job_id COLLATE "C" = j.job_id COLLATE "C"
)"""
    of_jobs = (*rules.OF_JOBS, rules.STUCK) if ledger.timed else rules.OF_JOBS
    return Source(unit="job", table=0, ctes=ctes, key='b.job_id COLLATE "C"', rules=of_jobs)


def _entries(ledger: Ledger) -> Source:
    chain = ledger.ordered and ledger.chained
    before = "lag(e.balance_after) OVER (PARTITION BY e.user_id ORDER BY e.seq)" if chain else "NULL"
    unsaid = " OR e.balance_before IS NULL OR e.balance_after IS NULL" if ledger.chained else ""
    ctes = f"""entries AS NOT MATERIALIZED ({ledger.entries}), source AS (
  SELECT e.user_id, e.seq, e.type, e.job_id, e.amount, e.charge, e.refund, e.balance_before, e.balance_after,
         ({before})::{ledger.number} AS expected_before,
         e.user_id IS NULL OR e.type IS NULL OR e.amount IS NULL{unsaid} AS incomplete
  FROM entries AS e
)"""
    found: tuple[Rule, ...] = (rules.SIGN, rules.NO_JOB, rules.INCOMPLETE)
    if ledger.chained:
        found += (rules.ARITHMETIC, rules.NEGATIVE_ROW)
        found += (rules.CHAIN,) if ledger.ordered else ()
    key = 'b.user_id::text COLLATE "C", b.seq, b.job_id COLLATE "C", b.amount'
    return Source(unit="ledger row", table=1, ctes=ctes, key=key, rules=found)


def _users(ledger: Ledger) -> Source:
    found: tuple[Rule, ...]
    if not ledger.chained:
        shape, found = _SUMMED, (rules.BALANCE, rules.ORPHAN_USER, rules.NEGATIVE_BALANCE)
    elif ledger.ordered:
        shape, found = _ORDERED.replace("NUMBER", ledger.number), (rules.BALANCE, rules.ORPHAN_USER)
    else:
        shape, found = _UNORDERED, (rules.BALANCE, rules.ORPHAN_USER, rules.NO_ORDER)
    ctes = (
        f"""entries AS NOT MATERIALIZED ({ledger.entries}), balances AS NOT MATERIALIZED ({ledger.balances}), {shape}"""
    )
    return Source(unit="user", table=2, ctes=ctes, key='b.user_id::text COLLATE "C"', rules=found)


_SUMMED = """source AS (
  SELECT coalesce(b.user_id, t.user_id) AS user_id, b.user_id IS NOT NULL AS has_balance, b.balance,
         coalesce(t.entries, 0) AS entries,
         coalesce(t.moved, 0) AS moved, coalesce(t.moved, 0) AS closing
  FROM balances AS b FULL JOIN (
    SELECT e.user_id, count(*) AS entries, sum(e.summand) AS moved FROM entries AS e GROUP BY e.user_id
  ) AS t ON t.user_id = b.user_id
)"""
# The greatest pair (seq, after) is the last row: an aggregate that can be hashed, where DISTINCT ON would sort.
_ORDERED = """source AS (
  SELECT coalesce(b.user_id, t.user_id) AS user_id, b.user_id IS NOT NULL AS has_balance, b.balance,
         coalesce(t.entries, 0) AS entries,
         coalesce(t.moved, 0) AS moved, coalesce(t.closing, 0) AS closing
  FROM balances AS b FULL JOIN (
    SELECT e.user_id, count(*) AS entries, sum(e.summand) AS moved,
           (max(ARRAY[e.seq::NUMBER, e.balance_after::NUMBER]))[2] AS closing
    FROM entries AS e GROUP BY e.user_id
  ) AS t ON t.user_id = b.user_id
)"""
# Rows as edges from before to after: they can be put into an order that chains only if every value is left as often as
# it is reached, but for one where the user began and one where the user ends (a walk over every edge once). A user who
# ends where they began may be at any value of the walk: then it is enough that some row ended at the balance.
_UNORDERED = """loose AS (
  SELECT v.user_id, v.value, sum(v.step) AS excess
  FROM (
    SELECT e.user_id, e.balance_before AS value, 1 AS step FROM entries AS e
    UNION ALL SELECT e.user_id, e.balance_after, -1 FROM entries AS e
  ) AS v
  GROUP BY v.user_id, v.value HAVING sum(v.step) <> 0
), ends AS (
  SELECT l.user_id, sum(l.excess) FILTER (WHERE l.excess > 0) AS starts,
         min(l.value) FILTER (WHERE l.excess < 0) AS closing
  FROM loose AS l GROUP BY l.user_id
), totals AS (
  SELECT e.user_id, count(*) AS entries, sum(e.summand) AS moved, bool_or(e.balance_after = b.balance) AS reached,
         min(e.balance_after) AS lowest
  FROM entries AS e LEFT JOIN balances AS b ON b.user_id = e.user_id GROUP BY e.user_id
), source AS (
  SELECT coalesce(b.user_id, t.user_id) AS user_id, b.user_id IS NOT NULL AS has_balance, b.balance,
         coalesce(t.entries, 0) AS entries,
         coalesce(t.moved, 0) AS moved, coalesce(n.starts, 0) AS starts,
         CASE WHEN n.starts > 1 THEN NULL  -- nobody can tell where it ends, and the broken chain is the finding
              WHEN n.starts = 1 THEN n.closing
              WHEN t.reached THEN b.balance
              ELSE coalesce(t.lowest, 0) END AS closing
  FROM balances AS b FULL JOIN totals AS t ON t.user_id = b.user_id
  LEFT JOIN ends AS n ON n.user_id = t.user_id
)"""
