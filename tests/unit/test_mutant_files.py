"""Headers of mutant files: what they say, and one line with its place for each thing that can be wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.mutants.files import load_mutants, read_mutant
from harness.mutants.setting import plainly, search, with_mutant
from harness.scenario import load_scenario

SETTING = """\
# yaml-language-server: $schema=refund-harness.schema.json
version: 1
name: two
install: [tables.sql]
invariants: [never_negative.sql]
workers:
  w1: {statements: [SELECT take()]}
  w2: {statements: [SELECT take()]}
orders: [{strategy: auto, schedules: 77}]
"""
GOOD = """\
-- Mutant: the row is read without a lock,
--   so two calls read it before either writes.
-- Setting: two
-- Trips: never_negative
-- Plain: an overdraft is a serial outcome
--   of other calls.
--
-- | time | w1            | w2            | balance |
-- |------|---------------|---------------|---------|
-- | T0   | SELECT → 1000 |               | 1000    |
-- | T1   |               | SELECT → 1000 | 1000    |
--
-- And whatever else there is to say.
CREATE OR REPLACE FUNCTION take() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$;
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one mutant, its setting, and what that installs."""
    (tmp_path / "settings").mkdir()
    (tmp_path / "settings" / "two.yaml").write_text(SETTING)
    (tmp_path / "settings" / "tables.sql").write_text("CREATE TABLE t (balance int);\n")
    (tmp_path / "settings" / "never_negative.sql").write_text("SELECT * FROM t WHERE balance < 0\n")
    (tmp_path / "unlocked.sql").write_text(GOOD)
    return tmp_path


def test_a_header_says_it_all(folder: Path) -> None:
    [mutant] = load_mutants([str(folder)])
    assert (mutant.name, mutant.trips) == ("unlocked", "never_negative")
    assert mutant.about == "the row is read without a lock, so two calls read it before either writes."
    assert mutant.plain == "an overdraft is a serial outcome of other calls."
    assert mutant.setting == folder / "settings" / "two.yaml"
    assert [row.split("|")[1].strip() for row in mutant.race] == ["time", "------", "T0", "T1"]
    assert (mutant.script.text, mutant.file) == (GOOD, str(folder / "unlocked.sql"))


def test_plain_may_be_left_out(folder: Path) -> None:
    path = folder / "unlocked.sql"
    path.write_text(GOOD.replace("-- Plain: an overdraft is a serial outcome\n--   of other calls.\n", ""))
    assert read_mutant(path).plain == ""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("-- Setting: two\n", "", ":1:1: `-- Setting: …` is missing in the header"),
        ("-- Trips: never_negative\n", "", ":1:1: `-- Trips: …` is missing in the header"),
        ("-- Trips: never_negative\n", "-- Trips:\n", ":4:1: `-- Trips: …` is empty in the header"),
        ("-- Setting: two", "-- Setting: tow", ":3:13: no setting 'tow' in "),
        ("-- Setting: two", "-- Setting: ../two", ":3:13: no setting '../two' in "),
        ("-- Trips: never_negative", "-- Trips: never_negatives", ":4:11: two.yaml makes no check 'never_negatives'"),
        ("-- Trips: never_negative", "-- Trips: ledger_model", ":4:11: two.yaml makes no check 'ledger_model'"),
        ("-- Trips: never", "-- Trip: never", ":4:4: unknown key 'Trip'; did you mean 'Trips'?"),
        ("-- Setting: two\n", "-- Setting: two\n-- Setting: two\n", ":4:4: Setting is given twice"),
        ("-- Setting: two\n", "-- Setting: two\n-- by the way\n", ":4:1: not a line of a mutant's header"),
        ("|", "!", ":8:1: not a line of a mutant's header"),
        ("| T1 ", "| T2 ", ":11:6: T1 should stand here, found 'T2'"),
        ("| w2            | bal", "| w3            | bal", ":8:4: the table of the race has no column 'w2'"),
        ("| time |", "| step |", ":8:4: the table of the race has no column 'time'"),
        ("| 1000    |\n-- | T1", "\n-- | T1", ":10:4: 2 columns, the heading has 4"),
        ("CREATE OR REPLACE FUNCTION", "CREATE OR REPLACE FUNTCION", ":14:19: bad SQL: syntax error"),
        ("SELECT 1 $$;", "SELECT 1 $$; SELECT :'run';", ":14:1: :'run' is an id of one execution"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(folder: Path, old: str, new: str, said: str) -> None:
    path = folder / "unlocked.sql"
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(UsageError) as error:
        read_mutant(path)
    assert str(error.value).startswith(f"{path}{said}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", ":1:1: `-- Mutant: …` is missing in the header"),
        (b"-- Mutant: \xff\n", ":1:1: not UTF-8"),
        (GOOD.split("CREATE")[0].encode(), ":14:1: no SQL below the header"),
        (GOOD[: GOOD.index("-- |")].encode() + b"SELECT 1;", ":1:1: the table of the race is missing"),
        (GOOD[: GOOD.index("-- | T1")].encode() + b"SELECT 1;", ":8:4: a race has two steps at least"),
        (b"-- |------|---------------|---------------|---------|\n", ":8:4: below the heading"),
    ],
)
def test_a_file_that_is_no_mutant(folder: Path, content: bytes, said: str) -> None:
    path = folder / "unlocked.sql"
    path.write_bytes(content if not content.startswith(b"-- |---") else GOOD.encode().replace(content, b""))
    with pytest.raises(UsageError) as error:
        read_mutant(path)
    assert str(error.value).startswith(f"{path}{said}")


def test_a_setting_that_is_wrong_points_into_the_setting(folder: Path) -> None:
    setting = folder / "settings" / "two.yaml"
    setting.write_text(SETTING.replace("strategy: auto", "strategy: atuo"))
    with pytest.raises(UsageError, match=r"two\.yaml:9:\d+: .*auto"):
        load_mutants([str(folder)])


def test_names(folder: Path) -> None:
    with pytest.raises(UsageError, match="no mutant 'nowhere': neither a file or folder here nor shipped"):
        load_mutants(["nowhere"])
    (folder / "none").mkdir()
    with pytest.raises(UsageError, match=r"none: no mutants here \(files that end in \.sql\)"):
        load_mutants([str(folder / "none")])
    with pytest.raises(UsageError, match="the name 'unlocked' is already used by"):
        load_mutants([str(folder / "unlocked.sql"), str(folder / "unlocked.sql")])
    (folder / "1st.sql").write_text(GOOD)
    with pytest.raises(UsageError, match=r"1st\.sql: a mutant's file name is a letter"):
        read_mutant(folder / "1st.sql")


def test_the_written_scenario_says_what_the_one_in_memory_says(folder: Path, tmp_path: Path) -> None:
    mutant = read_mutant(folder / "unlocked.sql")
    run = tmp_path / "run"
    run.mkdir()
    for scenario in (with_mutant(mutant, None), with_mutant(mutant, run)):
        assert [s.text for s in scenario.install] == ["CREATE TABLE t (balance int);\n", GOOD]
        assert (scenario.name, scenario.expect_violation) == ("unlocked", ("never_negative",))
        assert [i.name for i in scenario.invariants] == ["never_negative"]
        assert scenario.interleavings == (search(load_scenario(mutant.setting), "auto"),)
        plain = plainly(scenario)
        assert (plain.invariants, plain.state, plain.model, plain.expect_violation) == ((), (), "", ())
    assert load_scenario(run / "unlocked.yaml").text_hash == with_mutant(mutant, run).text_hash


def test_a_search_keeps_the_settings_limit_for_auto_only(folder: Path) -> None:
    setting = load_scenario(folder / "settings" / "two.yaml")
    assert search(setting, "auto").schedules == 77
    assert search(setting, "auto", 5).schedules == 5
    assert search(setting, "pct").schedules is None
    assert search(setting, "pct").inside


def test_every_shipped_mutant_is_well_formed() -> None:
    mutants = load_mutants()
    assert len(mutants) >= 40
    assert len({m.name for m in mutants}) == len(mutants)
