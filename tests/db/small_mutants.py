"""A small system with a setting and mutants of it, for tests of the mutants' room."""

from __future__ import annotations

from pathlib import Path

TABLES = """\
CREATE TABLE accounts (id int PRIMARY KEY, balance int NOT NULL);
INSERT INTO accounts VALUES (1, 1000);
"""
TAKE = """\
CREATE OR REPLACE FUNCTION take() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  b int;
BEGIN
  SELECT balance INTO b FROM accounts WHERE id = 1 FOR UPDATE;
  IF b < 1000 THEN
    RETURN 'refused';
  END IF;
  UPDATE accounts SET balance = balance - 1000 WHERE id = 1;
  RETURN 'paid';
END $$;
"""
UNLOCKED = TAKE.replace(" FOR UPDATE", "")
SLOW = UNLOCKED.replace("  UPDATE", "  PERFORM pg_sleep(0.02);\n  UPDATE")
SETTING = """\
# yaml-language-server: $schema=refund-harness.schema.json
version: 1
name: {name}
install: [{install}]
invariants: [never_negative.sql]
workers:
  w1: {{statements: [SELECT take()]}}
  w2: {{statements: [SELECT take()]}}
orders: [auto]
"""
HEADER = """\
-- Mutant: {about}
-- Setting: {setting}
-- Trips: {trips}
--
-- | time | w1             | w2             | balance |
-- |------|----------------|----------------|---------|
-- | T0   | SELECT → 1000  |                | 1000    |
-- | T1   |                | SELECT → 1000  | 1000    |
-- | T2   | UPDATE, COMMIT |                | 0       |
-- | T3   |                | UPDATE, COMMIT | -1000   |
"""


def write_system(folder: Path) -> Path:
    """The tables, the correct function, an invariant, and the settings ``two`` (correct) and ``broken`` (as it is)."""
    settings = folder / "settings"
    settings.mkdir()
    (settings / "tables.sql").write_text(TABLES)
    (settings / "take.sql").write_text(TAKE)
    (settings / "unlocked.sql").write_text(UNLOCKED)
    (settings / "never_negative.sql").write_text("SELECT * FROM accounts WHERE balance < 0\n")
    (settings / "two.yaml").write_text(SETTING.format(name="two", install="tables.sql, take.sql"))
    (settings / "broken.yaml").write_text(SETTING.format(name="broken", install="tables.sql, unlocked.sql"))
    return folder


def write_mutant(
    folder: Path, name: str, sql: str, *, trips: str = "never_negative", setting: str = "two", about: str = "no lock."
) -> Path:
    """A mutant file."""
    path = folder / f"{name}.sql"
    path.write_text(HEADER.format(about=about, setting=setting, trips=trips) + sql)
    return path
