"""Broken functions for soaks, with windows so wide that any load falls into them."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
_GUARD = "  IF v_status = 'failed' THEN"
_ALL_REFUND = "public.refund_job_atomic(p_job_id text, p_user_id uuid, p_amount integer, p_error_message text)"


def wide_race(folder: Path) -> Path:
    """The job's row is read without a lock, and then nothing happens for a while."""
    text = (ROOT / "sql" / "mutants" / "no_lock.sql").read_text(encoding="utf-8")
    assert text.count(_GUARD) == 1
    return _write(folder, "wide_race", text.replace(_GUARD, f"  PERFORM pg_sleep(0.05);\n{_GUARD}"))


def refuses_all(folder: Path) -> Path:
    """Nobody is ever refunded."""
    body = 'SELECT \'{"success": false, "error": "Job not found"}\'::jsonb'
    text = f"CREATE OR REPLACE FUNCTION {_ALL_REFUND} RETURNS jsonb LANGUAGE sql AS $$ {body} $$;"
    return _write(folder, "refuses_all", text)


def says_so_and_does_not(folder: Path) -> Path:
    """A refund that is acknowledged and never paid."""
    body = 'SELECT \'{"success": true, "refunded": true}\'::jsonb'
    text = f"CREATE OR REPLACE FUNCTION {_ALL_REFUND} RETURNS jsonb LANGUAGE sql AS $$ {body} $$;"
    return _write(folder, "says_so", text)


def never_ends(folder: Path) -> Path:
    """The second refund waits for a lock that the first one's session keeps."""
    text = f"""
CREATE OR REPLACE FUNCTION {_ALL_REFUND} RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_lock(1);
  RETURN jsonb_build_object('success', true, 'refunded', false);
END
$$;"""
    return _write(folder, "never_ends", text)


def other_tables(folder: Path) -> Path:
    """The ledger has lost a column that invariants need."""
    return _write(folder, "other_tables", "ALTER TABLE public.balance_transactions RENAME COLUMN seq TO number;")


def _write(folder: Path, name: str, text: str) -> Path:
    path = folder / f"{name}.sql"
    path.write_text(text, encoding="utf-8")
    return path
