"""Configuration files: which one is found, what may stand in it, what is told of one that is wrong."""

from __future__ import annotations

import json
import os
import re
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_docs import ROOT, page
from typer.main import get_command
from typer.testing import CliRunner

from harness.cli import app
from harness.cli.entry import run_command
from harness.cli.group import apart
from harness.config import NOTHING, configuration, environment, find
from harness.config.commands import USED_BY, defaults, parameter
from harness.config.environment import from_environment
from harness.config.form import TABLES, ConfigurationSpec, keys_of
from harness.config.tomltext import parse
from harness.errors import ScenarioError, UsageError

GROUP: Any = get_command(app)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project, and its root as the working directory."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "deep" / "er").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    for name in ("CONFIG", "TARGET", "PG_BIN", "SEED", "OUT"):
        monkeypatch.delenv(f"REFUND_HARNESS_{name}", raising=False)
    return tmp_path


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


# Which file


def test_the_nearest_file_above_is_the_one_up_to_the_root(project: Path) -> None:
    deep = project / "deep" / "er"
    assert find(deep) is None
    outside = write(project.parent / "harness.toml", "seed = 1\n")
    try:
        assert find(deep) is None
    finally:
        outside.unlink()
    shared = write(project / "pyproject.toml", "[tool.refund-harness]\nseed = 2\n")
    assert find(deep) == shared
    own = write(project / "harness.toml", "seed = 3\n")
    assert find(deep) == own
    nearer = write(project / "deep" / "pyproject.toml", "[tool.refund-harness]\n")
    assert find(deep) == nearer
    assert configuration(deep).shared == {}  # files are not joined


@pytest.mark.parametrize(
    "text", ["[project]\nname = 'x'\n", "[project]\ndependencies = ['refund-harness']\n", "no TOML", "\xff"]
)
def test_a_pyproject_without_our_table_is_passed_by(project: Path, text: str) -> None:
    own = write(project / "harness.toml", "seed = 3\n")
    (project / "deep" / "pyproject.toml").write_bytes(text.encode("latin-1"))
    assert find(project / "deep") == own


def test_one_that_names_us_and_is_no_toml_is_told(project: Path) -> None:
    write(project / "pyproject.toml", "[tool.refund-harness]\nseed =\n")
    with pytest.raises(ScenarioError, match=r"^pyproject\.toml:2:7: not TOML: invalid value$"):
        configuration(project)
    write(project / "pyproject.toml", "# refund-harness\n[tool\n")
    with pytest.raises(ScenarioError, match=r"^pyproject\.toml:2:6: not TOML: "):
        configuration(project)


def test_a_link_as_the_root_and_a_file_as_git_are_seen(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worktree has `.git` as a file; a working directory reached by a link is looked at where it lies."""
    write(project / "harness.toml", "seed = 1\n")
    tree = project / "tree"
    tree.mkdir()
    write(tree / ".git", "gitdir: elsewhere\n")
    assert find(tree) is None
    link = project.parent / "link"
    link.symlink_to(project / "deep", target_is_directory=True)
    monkeypatch.chdir(link)
    assert find(Path.cwd()) == project / "harness.toml"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_the_file_of_a_stranger_has_to_be_named(project: Path) -> None:
    own = write(project / "harness.toml", "seed = 1\n")
    os.chown(own, 4711, -1)
    with pytest.raises(UsageError, match=r"^harness\.toml: belongs to another user: name it by --config"):
        find(project / "deep")
    assert configuration(project, own).shared == {"seed": 1}
    os.chown(project / "deep", 4711, -1)  # as where root checks somebody's clone
    assert find(project / "deep") == own


@pytest.mark.skipif(os.geteuid() != 0, reason="needs somebody to whom a folder is closed")
def test_what_lies_in_folders_that_are_closed_to_us_is_not_ours(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(project / "harness.toml", "seed = 1\n")
    project.chmod(0o700)
    (project / "deep").chmod(0o777)
    monkeypatch.chdir(project / "deep")
    os.seteuid(65534)
    try:
        assert find(Path.cwd()) is None
    finally:
        os.seteuid(0)


def test_a_named_file_is_taken_whatever_it_is_called(project: Path) -> None:
    write(project / "harness.toml", "seed = 1\n")
    assert configuration(project, write(project / "nightly.toml", "seed = 2\n")).shared == {"seed": 2}
    with pytest.raises(UsageError, match=r"^--config: there is no file none\.toml$"):
        configuration(project, Path("none.toml"))
    with pytest.raises(UsageError, match=r"pyproject\.toml: has no table \[tool\.refund-harness\]$"):
        configuration(project, write(project / "pyproject.toml", "[project]\nname = 'x'\n"))


# What is wrong in it

WRONG = {
    "sed = 7": "1:1: unknown key 'sed'; did you mean 'seed'?",
    "\n# why\n  sead = 7": "3:3: unknown key 'sead'; did you mean 'seed'?",
    "pg_bin = 'x'": "1:1: unknown key 'pg_bin'; did you mean 'pg-bin'?",
    "seed = '7'": "1:1: 'seed' must be a whole number, found '7'",
    "seed = true": "1:1: 'seed' must be a whole number, found true",
    "seed = 7.5": "1:1: 'seed' must be a whole number, found 7.5",
    "schedules = 0": "1:1: 'schedules' must be greater than or equal to 1, found 0",
    "jobs = 'many'": "1:1: 'jobs' must be a whole number from 1, or \"auto\"",
    "jobs = true": "1:1: 'jobs' must be a whole number from 1, or \"auto\"",
    "budget = 'x'": "1:1: 'budget' must be a valid number, found 'x'",
    "strategy = 'ptc'": "1:1: 'strategy': unknown 'ptc'; did you mean 'pct'?",
    "require = 'all'": "1:1: 'require': unknown 'all'; known: exhausted",
    "server_major = 9": "1:1: 'server_major' must be greater than or equal to 14, found 9",
    "server_major = '15'": "1:1: 'server_major' must be a whole number, found '15'",
    "scenarios = []": "1:1: 'scenarios' must not be empty",
    "scenarios = 3": "1:1: 'scenarios' must be a list, found 3",
    "sql = [\n  'a.sql',\n  3,\n]": "1:1: entry 2 of 'sql' must be text, found 3",
    "out = ''": "1:1: a text must not be empty",
    "target = 'postgres//u:secret@h/d'": "1:1: 'target' must be embedded, container",
    "run = 3": "1:1: 'run' must be a mapping, found 3",
    "[runn]\nseed = 1": "1:1: unknown key 'runn'; did you mean 'run'?",
    "seed = 1\n[run]\nfaults = ['crsh']": "3:1: 'faults': unknown 'crsh'; did you mean 'crash'?",
    "seed = 1\n[run]\nsql = 'x'": "3:1: 'sql' stands at the top of the file, not in [run]",
    "[check]\nserver_major = 15": "2:1: 'server_major' stands at the top of the file, not in [check]",
    "faults = 'all'": "1:1: 'faults' stands in a table of a command: [run] or [soak]",
    "[audit]\nfaults = 'all'": "2:1: unknown key 'faults'; known: ",
    "[soak]\nfaults = 'sigterm'": "2:1: 'faults': unknown 'sigterm'; known: kill, terminate, cancel",
    "[audit]\nsince = 'yesterday'": "2:1: 'since' must be a number and h, d or w, such as 12h, 1d or 2w",
    "[audit]\nlimit = 10_001": "2:1: 'limit' must be less than or equal to 10000, found 10001",
    "run.seeds = 3": "1:1: unknown key 'seeds'; did you mean 'seed'?",
    "run = {seed = 'x'}": "1:1: 'seed' must be a whole number",
    "seed = 1\nseed = 2": "2:9: not TOML: cannot overwrite a value",
    "a = [1,\n": "1:8: not TOML: invalid value",
    'a = "\x01"': "1:6: not TOML: illegal character '\\x01'",
    "a = " + "[" * 5000: "1:1: not TOML: nested too deeply",
}


@pytest.mark.parametrize("text", WRONG, ids=lambda text: repr(text)[:40])
def test_what_is_wrong_is_one_line_with_its_place_and_exit_code_2(
    project: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(project / "harness.toml", text)
    assert run_command(["list"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"harness: harness.toml:{WRONG[text]}"), said
    assert said.count("\n") == 1
    assert "secret" not in said


def test_in_a_pyproject_the_place_is_the_file_s(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = 'x = """\n[tool.refund-harness]\nsed = 1\n"""\n[tool]\nother = [\n  1, # ]\n]\n'
    write(project / "pyproject.toml", before + "[tool.refund-harness]\n\nsed = 1\n")
    assert run_command(["list"]) == 2
    assert capsys.readouterr().err.startswith("harness: pyproject.toml:11:1: unknown key 'sed'")
    write(project / "pyproject.toml", "[tool]\n refund-harness = 3\n")
    assert run_command(["list"]) == 2
    assert capsys.readouterr().err == "harness: pyproject.toml:2:2: 'tool.refund-harness' must be a table\n"


@pytest.mark.parametrize(
    ("text", "said"), [(b"\xef\xbb\xbfsed = 1", ":1:1: unknown key"), (b"\na\xff", ":2:2: not UTF-8")]
)
def test_bytes_that_are_no_plain_text_are_told(
    project: Path, text: bytes, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "harness.toml").write_bytes(text)
    assert run_command(["list"]) == 2
    assert said in capsys.readouterr().err


def test_help_and_commands_that_have_no_defaults_do_not_read_it(project: Path) -> None:
    write(project / "harness.toml", "sed = 7")
    for arguments in (["run", "--help"], ["schema"], ["--help"]):
        assert CliRunner().invoke(app, arguments).exit_code == 0
    for arguments in (["list"], ["run"], ["replay", "x"], ["doctor"]):
        assert isinstance(CliRunner().invoke(app, arguments).exception, UsageError)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("scenarios = 'none'", "1:1: 'scenarios': there is no file or folder ../none"),
        ("seed = 1\nscenarios = ['deep', 'none']", "2:1: 'scenarios': there is no file or folder ../none"),
    ],
)
def test_a_path_that_is_not_there_is_told_by_the_commands_that_need_it(
    project: Path, text: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(project / "harness.toml", text)
    monkeypatch.chdir(project / "deep")
    found = configuration(Path.cwd())
    with pytest.raises(UsageError, match=f"^{re.escape(f'../harness.toml:{said}')}$"):
        defaults(found, "run")
    assert "scenario" not in defaults(found, "check")


# Places: the parser itself is the judge of where a statement ends

KEYS = st.sampled_from(["a", "b-c", "d_e", '"f g"', "'h'"])
VALUES = st.sampled_from(
    ["1", "'x # ]'", '"""\n[t]\nq = 1\n"""', "[\n  1, # ]\n\n  2]", "{p = 1, q = [2]}", "2020-01-01", "'''\n\n'''"]
)


@given(st.lists(st.tuples(KEYS, VALUES, st.sampled_from(["", " ", "\t", "# c\n", "\n\n"])), unique_by=lambda t: t[0]))
def test_every_key_has_the_place_of_its_statement(statements: list[tuple[str, str, str]]) -> None:
    text, expected = "[top]\n", {("top",): (1, 1)}
    for key, value, before in statements:
        text += before
        name = next(iter(tomllib.loads(f"{key} = 1")))
        expected[("top", name)] = text.count("\n") + 1, len(text) - text.rfind("\n")
        text += f"{key} = {value} # end\n"
    places = parse("f", text).keys
    assert {path: place for path, place in places.items() if len(path) < 3} == expected


def test_dotted_keys_and_nested_tables_have_their_places() -> None:
    text = "x.y = 1\n[a.b]\nc = 1\n  [[d]]\ne = 2\n[a.f]\r\n g.h = {i = 1}\n"
    assert parse("f", text).keys == {
        ("x",): (1, 1), ("x", "y"): (1, 1), ("a",): (2, 1), ("a", "b"): (2, 1), ("a", "b", "c"): (3, 1), ("d",): (4, 3),
        ("d", "e"): (5, 1), ("a", "f"): (6, 1), ("a", "f", "g"): (7, 2), ("a", "f", "g", "h"): (7, 2),
        ("a", "f", "g", "h", "i"): (7, 2),
    }  # fmt: skip


# What it gives to commands

WHOLE = """\
scenarios = ["deep", "/tmp"]
sql = "deep/er"
role = "app"
server_major = 15
target = "container:postgres:17"
pg-bin = "bin"
out = "out"
seed = 7
strategy = "pct"
schedules = 9
require = "exhausted"
budget = 1
jobs = 2
[run]
seed = 8
faults = ["crash", "cancel"]
isolation = "all"
[check]
workers = 3
[mutants]
strategy = ["auto", "plain"]
seeds = 2
[soak]
faults = []
seconds = 1.5
[audit]
target = "env:LEDGER"
stuck-after = 5
show-ids = true
"""


def test_a_command_gets_what_holds_for_it_and_paths_from_where_one_is(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(project / "harness.toml", WHOLE)
    monkeypatch.chdir(project / "deep" / "er")
    found = configuration(Path.cwd())
    assert found.file == "../../harness.toml"
    server = {"target": "container:postgres:17", "pg_bin": "../../bin"}
    limits = {"strategy": "pct", "schedules": 9, "require": "exhausted", "budget": 1, "jobs": "2"}
    out = {"out": "../../out"}
    assert {name: defaults(found, name) for name in sorted({c for cs in USED_BY.values() for c in cs})} == {
        "run": server | limits | out | {"scenario": ["..", "/tmp"], "seed": 8}
        | {"faults": "crash,cancel", "isolation": "all"},
        "check": server | limits | out | {"sql": ["."], "role": "app", "seed": 7, "workers": 3},
        "mutants": server | out | {"sql": ["."], "role": "app", "seed": 7, "budget": 1, "jobs": "2"}
        | {"strategy": ["auto", "plain"], "seeds": 2},
        "soak": server | out | {"seed": 7, "faults": "none", "seconds": 1.5},
        "audit": out | {"target": "env:LEDGER", "stuck_after": 5, "show_ids": True},
        "replay": server, "spec": server, "doctor": {"pg_bin": "../../bin"}, "list": {"scenario": ["..", "/tmp"]},
        "report": {"folder": "../../out"}, "init": {"path": ["."], "pg_bin": "../../bin"},
    }  # fmt: skip


def parsed(*words: str) -> dict[str, Any]:
    """The values of a command's parameters, as the whole command line gives them."""
    with GROUP.make_context("harness", list(words)) as context:
        arguments = [*context._protected_args, *context.args]
        name, command, rest = GROUP.resolve_command(context, arguments)
        context.invoked_subcommand = name
        context.invoke(GROUP.callback, **context.params)
        with command.make_context(name, rest, parent=context) as inner:
            return dict(inner.params)


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(project / "harness.toml", WHOLE)
    (project / "bin").mkdir()
    assert parsed("run")["seed"] == 8
    assert parsed("check", "--call", "SELECT 1")["seed"] == 7
    assert parsed("run")["target"] == "container:postgres:17"
    monkeypatch.setenv("REFUND_HARNESS_SEED", "20")
    monkeypatch.setenv("REFUND_HARNESS_TARGET", "embedded")
    monkeypatch.setenv("REFUND_HARNESS_OUT", "elsewhere")
    assert (parsed("run")["seed"], parsed("run")["target"]) == (20, "embedded")
    assert parsed("audit")["target"] == "env:LEDGER"
    assert parsed("soak")["out"] == Path("elsewhere")
    given = parsed("run", "--seed", "30", "--target", "env:X", "--out", "o", "one")
    assert (given["seed"], given["target"], given["out"], given["scenario"]) == (30, "env:X", Path("o"), ["one"])


def test_what_is_typed_pushes_aside_what_does_not_go_with_it(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(project / "harness.toml", "pg-bin = 'bin'\n")
    (project / "bin").mkdir()
    assert parsed("run")["pg_bin"] == Path("bin")
    assert parsed("run", "--target", "container")["pg_bin"] is None
    assert parsed("run", "--target", "container", "--pg-bin", "x")["pg_bin"] == Path("x")  # is refused, in plain words
    monkeypatch.setenv("REFUND_HARNESS_TARGET", "env:X")
    assert parsed("replay", "f")["pg_bin"] is None


@pytest.mark.parametrize("words", ["--config other.toml run", "run --config other.toml", "run --config=other.toml -q"])
def test_the_file_can_be_named_before_the_command_and_behind_it(project: Path, words: str) -> None:
    write(project / "harness.toml", "seed = 1\n")
    write(project / "other.toml", "seed = 2\n")
    assert parsed(*words.split())["seed"] == 2


def test_no_config_looks_for_none(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(project / "harness.toml", "sed = 1\n")
    assert parsed("run", "--no-config")["seed"] == 0
    monkeypatch.setenv("REFUND_HARNESS_CONFIG", str(write(project / "other.toml", "seed = 2\n")))
    assert parsed("run")["seed"] == 2
    assert parsed("run", "--no-config")["seed"] == 0
    with pytest.raises(UsageError, match="give one of them"):
        parsed("run", "--no-config", "--config", "other.toml")
    with pytest.raises(UsageError, match="--config takes a file"):
        apart(["run", "--config"])
    assert apart(["run", "--", "--config"]) == ([], ["run", "--", "--config"])


def test_a_call_under_a_role_may_stand_behind_the_file(project: Path) -> None:
    write(project / "other.toml", "sql = 'deep'\n")
    values = parsed("--config", "other.toml", "check", "--call-as", "anon", "SELECT 1")
    assert values["call"] == ["anon\0SELECT 1"]
    assert values["sql"] == ["deep"]


def test_variables_are_read_for_pytest_as_well() -> None:
    assert from_environment({"REFUND_HARNESS_SEED": " 7 ", "REFUND_HARNESS_TARGET": ""}) == {"seed": 7}
    with pytest.raises(UsageError, match=r"^REFUND_HARNESS_SEED must be a whole number: 'x'$"):
        from_environment({"REFUND_HARNESS_SEED": "x"})


@pytest.mark.parametrize(
    ("version", "warns"), [("15.18 (Debian 15.18-0+deb12u1)", False), ("15beta1", False), ("18.6", True), ("5.1", True)]
)
def test_another_major_version_than_the_expected_one_is_told(project: Path, version: str, warns: bool) -> None:
    write(project / "harness.toml", "server_major = 15\n")
    said = configuration(project).other_major(version)
    number = version.split()[0]
    expected = f"this is PostgreSQL {number}, and harness.toml expects 15: there it may go otherwise"
    assert said == (expected if warns else "")
    assert NOTHING.other_major(version) == ""


# The page, the model, the command line and the schema say the same


def test_editors_are_told_the_same() -> None:
    schema = json.loads(CliRunner().invoke(app, ["schema", "--configuration"]).output)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(tomllib.loads(WHOLE), schema)
    refused = []
    for text in WRONG:
        try:
            data = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError):
            continue
        refused.append(text)
        if "postgres//" not in text and "yesterday" not in text and "out = " not in text:  # which no schema can say
            with pytest.raises(jsonschema.ValidationError):
                jsonschema.validate(data, schema)
    assert len(refused) > 25


TOP = keys_of(ConfigurationSpec) - {*TABLES}


def rows(title: str) -> dict[str, list[str]]:
    """First column → the other ones, of the table under that heading."""
    text = page("config.md").split(f"## {title}\n")[1].split("\n## ")[0]
    found = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| `")
    ]
    return {first.strip("`[]"): rest for first, *rest in found}


def test_the_page_names_every_key_and_what_it_holds_for() -> None:
    assert set(rows("Keys at the top")) == TOP == set(USED_BY)
    for key, (_, _, holds) in rows("Keys at the top").items():
        assert {name for name in GROUP.commands if re.search(rf"\b{name}\b", holds)} == set(USED_BY[key]), key


def test_the_page_names_the_keys_of_every_table() -> None:
    tables = rows("Tables")
    assert set(tables) == set(TABLES)
    for name, (shared, own) in tables.items():
        named = [set(re.findall(r"`([a-z-]+)`", text)) for text in (shared, own)]
        assert named[0] <= {key for key in TOP if name in USED_BY[key]}, name
        assert set.union(*named) == keys_of(TABLES[name]), name


def test_every_key_is_a_parameter_of_the_commands_it_holds_for() -> None:
    held = [(command, key) for key, commands in USED_BY.items() if key != "server_major" for command in commands]
    for command, key in [*held, *((table, key) for table in TABLES for key in keys_of(TABLES[table]))]:
        parameters = {p.name: p for p in GROUP.commands[command].params}
        found = parameters[parameter(command, key)]
        if (command, key) not in {("run", "scenarios"), ("list", "scenarios"), ("report", "out"), ("init", "sql")}:
            assert f"--{key}" in found.opts, (command, key)


NEVER = {
    "json",
    "junit",
    "save",
    "quiet",
    "verbose",
    "call",
    "call_as",
    "setup",
    "invariant",
    "help",
    "mutant",
    "scenario",
}


def test_every_option_of_a_command_with_a_table_can_be_configured() -> None:
    for table in TABLES:
        configurable = {parameter(table, key) for key in keys_of(TABLES[table])}
        assert {p.name for p in GROUP.commands[table].params} - configurable - NEVER == set(), table


def test_the_page_names_every_variable() -> None:
    known = {value for name, value in vars(environment).items() if name.isupper()}
    assert set(rows("What wins")) == known
    used = {p.envvar for c in [GROUP, *GROUP.commands.values()] for p in c.params if p.envvar}
    assert used == known


def test_the_example_of_the_page_is_a_configuration(project: Path) -> None:
    example = re.findall(r"```toml\n(.*?)```", page("config.md"), re.DOTALL)
    for folder in ("concurrency", "supabase/migrations"):
        (project / folder).mkdir(parents=True)
    write(project / "ledger.yaml", "version: 1\n")
    write(project / "harness.toml", example[0])
    found = configuration(project)
    assert defaults(found, "audit") == {
        "target": "env:LEDGER",
        "map": "ledger.yaml",
        "map_": "ledger.yaml",
    } or defaults(found, "audit") == {"target": "env:LEDGER", "map_": "ledger.yaml"}
    assert defaults(found, "run")["isolation"] == "read_committed,repeatable_read"


def test_our_own_project_has_none() -> None:
    assert find(ROOT) is None
