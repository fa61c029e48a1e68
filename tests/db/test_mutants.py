"""Mutants on a real server: what is a kill, what is a survival, and what `harness mutants` makes of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import harness
from small_mutants import SLOW, TAKE, UNLOCKED, write_mutant, write_system

from harness.driver.pool import WorkerPool
from harness.model import Verdict
from harness.mutants.files import read_mutant
from harness.mutants.run import run_mutants
from harness.mutants.trial import NOT_REACHED, Limits, alone, attempt
from harness.mutation import BASELINES, Mutant, MutantResult, MutationRun, SettingResult, Trial
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget
from harness.targets.protocol import Target
from harness.targets.server import ServerTarget


@pytest.fixture
def system(tmp_path: Path) -> Path:
    return write_system(tmp_path)


class Trials:
    """Attempts on mutants of one folder, on the server of this test process."""

    def __init__(self, system: Path, target: EmbeddedTarget, databases: Databases, pool: WorkerPool) -> None:
        self.system, self._on = system, (target, databases, pool)

    def __call__(
        self, sql: str, strategy: str = "auto", *, trips: str = "never_negative", name: str = "m", seed: int = 0,
        saved: bool = False, limits: Limits | None = None,
    ) -> Trial:  # fmt: skip
        mutant = read_mutant(write_mutant(self.system, name, sql, trips=trips))
        return attempt(mutant, strategy, seed, *self._on, self.system if saved else None, limits or Limits())


@pytest.fixture
def tried(system: Path, target: EmbeddedTarget, databases: Databases, pool: WorkerPool) -> Trials:
    return Trials(system, target, databases, pool)


def without_times(trial: Trial) -> tuple[object, ...]:
    return (trial.mutant, trial.strategy, trial.seed, trial.killed, trial.schedules, trial.after_serial,
            trial.executed, trial.verdict, trial.seen, trial.why)  # fmt: skip


def test_a_kill_comes_after_the_serial_orders_and_is_saved(tried: Trials) -> None:
    trial = tried(UNLOCKED, saved=True)
    assert (trial.killed, trial.reached, trial.verdict) == (True, True, Verdict.VIOLATION)
    assert trial.schedules is not None
    assert trial.after_serial == trial.schedules - 2 > 0
    assert trial.executed == trial.schedules
    assert trial.seconds is not None
    assert {"never_negative", "serial_equivalence"} <= set(trial.seen)
    assert trial.replay == str(tried.system / "auto-0" / "m-1.schedule")
    assert Path(trial.replay).is_file()
    assert (tried.system / "m.yaml").is_file()


@pytest.mark.parametrize("strategy", ["auto", "pct", "random_walk"])
def test_the_same_seed_gives_the_same_trial(tried: Trials, strategy: str) -> None:
    first, second = (without_times(tried(UNLOCKED, strategy, seed=3)) for _ in range(2))
    assert first == second
    assert first[3] is True


@pytest.mark.own_server("only there a search can be exhausted")
def test_a_mutant_that_changes_nothing_survives(tried: Trials) -> None:
    trial = tried(TAKE)
    assert (trial.killed, trial.schedules, trial.verdict, trial.seen) == (False, None, Verdict.PASS, ())
    assert trial.why == f"never_negative held in {trial.executed} schedules, all there are"


def test_another_check_than_the_named_one_is_no_kill(tried: Trials) -> None:
    trial = tried(UNLOCKED, trips="deadlock")
    assert (trial.killed, trial.schedules, trial.replay) == (False, None, "")
    assert "never_negative" in trial.seen
    assert trial.why == f"violated {', '.join(trial.seen)}, not deadlock"


def test_a_deadlock_is_a_kill_where_a_deadlock_is_named(tried: Trials) -> None:
    sql = UNLOCKED.replace("WHERE id = 1;\n  IF", "WHERE id = 1 FOR SHARE;\n  IF")
    trial = tried(sql, trips="deadlock")
    assert (trial.killed, trial.seen) == (True, ("deadlock",))
    assert not tried(sql).killed


def test_sql_that_the_server_refuses_is_a_survival(tried: Trials) -> None:
    trial = tried(TAKE.replace("RETURNS text", "RETURNS no_such_type"))
    assert (trial.killed, trial.executed, trial.verdict) == (False, 0, Verdict.ERROR)
    assert trial.why.startswith(f"{tried.system / 'm.sql'}:")
    assert 'type "no_such_type" does not exist' in trial.why


def test_a_mutant_that_fails_whenever_it_is_called_is_a_survival(tried: Trials) -> None:
    trial = tried(TAKE.replace("FROM accounts WHERE", "FROM nowhere WHERE"))
    assert (trial.killed, trial.verdict) == (False, Verdict.INCONCLUSIVE)
    assert "nothing was shown" in trial.why


def test_without_invariants_any_check_kills(tried: Trials) -> None:
    trial = tried(UNLOCKED, "plain", trips="deadlock")
    assert trial.killed
    assert "never_negative" not in trial.seen
    assert "serial_equivalence" in trial.seen
    assert not tried(TAKE, "plain").killed


@pytest.mark.parametrize("strategy", BASELINES)
def test_baselines_see_the_named_check_or_say_how_often_they_looked(tried: Trials, strategy: str) -> None:
    trial = tried(SLOW, strategy)
    assert (trial.killed, trial.replay, trial.after_serial) == (True, "", None)
    assert trial.executed == trial.schedules
    other = tried(SLOW, strategy, trips="liveness", limits=Limits(schedules=3))
    assert (other.killed, other.executed, other.seen) == (False, 3, ("never_negative", "serial_equivalence"))
    assert other.why == "not seen in 3 runs: violated never_negative, serial_equivalence"
    assert tried(TAKE, strategy, limits=Limits(schedules=3)).why == "not seen in 3 runs"


def test_out_of_time_is_not_reached(tried: Trials) -> None:
    trial = tried(UNLOCKED, limits=Limits(deadline=0.0))
    assert (trial.killed, trial.reached, trial.survived, trial.why) == (False, False, False, NOT_REACHED)


def test_settings_alone(system: Path, target: Target, databases: Databases, pool: WorkerPool) -> None:
    good = alone(system / "settings" / "two.yaml", 0, target, databases, pool)
    assert (good.sound, good.exhausted, good.verdict) == (True, target.at_hand, Verdict.PASS)
    bad = alone(system / "settings" / "broken.yaml", 0, target, databases, pool)
    assert (bad.sound, bad.verdict) == (False, Verdict.VIOLATION)
    assert "never_negative" in bad.meaning


def test_where_nothing_can_be_exhausted_a_setting_is_sound_when_it_is_green(
    system: Path, target: Target, pool: WorkerPool
) -> None:
    dsn = target.conninfo(target.maintenance_database)
    with ServerTarget(dsn) as theirs, Databases(theirs) as databases:
        good, bad = (
            alone(system / "settings" / f"{name}.yaml", 0, theirs, databases, pool) for name in ("two", "broken")
        )
    assert (good.sound, good.exhausted, good.verdict) == (True, False, Verdict.PASS)
    assert (bad.sound, bad.verdict) == (False, Verdict.VIOLATION)


class Told:
    def __init__(self) -> None:
        self.started: list[tuple[object, ...]] = []
        self.settings: list[str] = []
        self.mutants: list[str] = []

    def run_started(self, *what: object) -> None:
        self.started.append(what)

    def setting_done(self, result: SettingResult) -> None:
        self.settings.append(result.name)

    def mutant_done(self, result: MutantResult) -> None:
        self.mutants.append(result.mutant.name)


def a_run(mutants: list[Mutant], target: EmbeddedTarget, *, jobs: int) -> tuple[MutationRun, Told]:
    told = Told()
    run = run_mutants(
        mutants,
        target,
        told,
        strategies=("auto", "pct"),
        seed=0,
        seeds=2,
        jobs=jobs,
        folder=None,
        limits=Limits(schedules=40),
    )
    return run, told


def test_a_run_comes_in_order_and_does_not_depend_on_jobs(system: Path, target: EmbeddedTarget) -> None:
    mutants = [read_mutant(write_mutant(system, f"m{i}", sql)) for i, sql in enumerate((UNLOCKED, TAKE, UNLOCKED))]
    runs = [a_run(mutants, target, jobs=jobs) for jobs in (1, 3)]
    found = []
    for run, told in runs:
        assert (told.settings, told.mutants) == (["two"], ["m0", "m1", "m2"])
        assert (run.deciding, run.exit_code) == (("auto", "pct"), 1)
        assert [(t.strategy, t.seed) for t in run.mutants[0].trials] == [
            ("auto", 0), ("auto", 1), ("pct", 0), ("pct", 1)
        ]  # fmt: skip
        assert {t.mutant for t in run.survivors} == {"m1"}
        assert [(s.strategy, s.killed, s.trials) for s in run.strategies] == [("auto", 4, 6), ("pct", 4, 6)]
        found.append([without_times(t) for m in run.mutants for t in m.trials])
    assert found[0] == found[1]


# ------------------------------------------------------------------------------------------------ the command


def test_all_killed_is_0_and_a_kill_replays(system: Path) -> None:
    write_mutant(system, "unlocked", SLOW)
    done = harness("mutants", ".", "--json", "m.json", cwd=system, fresh=True)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].endswith("(embedded) · 1 mutant in 1 setting")
    assert lines[-1].startswith("✓ 1 of 1 mutant killed by auto. seed 0, ")
    found = json.loads((system / "m.json").read_text())
    latest = system / "reports" / "latest"
    assert found == json.loads((latest / "mutants.json").read_text())
    assert (found["version"], found["score"]) == (1, 1.0)
    assert [s["name"] for s in found["strategies"]] == [
        "auto", "plain", "pct", "random_walk", "free_running", "barrier_threads"
    ]  # fmt: skip
    assert (latest / "mutants.png").read_bytes().startswith(b"\x89PNG")
    [again] = [line for line in lines if line.startswith("again")]
    replayed = harness(*again.split("harness ", 1)[1].split("   (")[0].split(), cwd=system)
    assert replayed.returncode == 1, replayed.stderr
    assert "reproduced 1 of 1" in replayed.stdout


def test_a_survivor_a_red_setting_and_no_time(system: Path) -> None:
    write_mutant(system, "same", TAKE)
    done = harness("mutants", "same.sql", "--strategy", "auto", cwd=system)
    assert done.returncode == 1
    assert "✗ same SURVIVED auto: never_negative held in " in done.stdout
    write_mutant(system, "unlocked", UNLOCKED, setting="broken")
    done = harness("mutants", "unlocked.sql", "--strategy", "auto", "-q", cwd=system)
    assert done.returncode == 1
    assert done.stdout.startswith("✗ broken: the setting itself is broken: ")
    assert "1 setting broken without any mutant: the score means nothing; 1 of 1 mutant killed" in done.stdout
    done = harness("mutants", "unlocked.sql", "--budget", "0", cwd=system)
    assert done.returncode == 3
    assert "not reached within the budget" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere",), "no mutant 'nowhere'"),
        (("bad.sql",), "bad.sql:3:11: two.yaml makes no check 'nothing'"),
        (("--strategy", "atuo"), "--strategy: unknown 'atuo'; did you mean 'auto'?"),
        (("--call", "SELECT 1"), "--call, --setup, --role, --workers and --invariant go with --sql"),
        (("bad.sql", "--sql", "bad.sql", "--call", "SELECT 1"), "bad.sql: mutant files and --sql are two different"),
        (("--sql", "bad.sql"), "--call is missing"),
        (("--sql", "bad.sql", "--call", "SELECT take()", "--seeds", "2"), "--sql: the mutants of your own functions"),
    ],
)
def test_bad_usage_is_2_and_one_line(system: Path, arguments: tuple[str, ...], message: str) -> None:
    write_mutant(system, "bad", UNLOCKED, trips="nothing")
    done = harness("mutants", *arguments, cwd=system)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"harness: {message}")
    assert done.stderr.count("\n") == 1
    assert not list(system.glob("reports/*"))


def test_mutants_of_somebodys_own_function(system: Path) -> None:
    done = harness(
        "mutants", "--sql", "settings/tables.sql", "--sql", "settings/take.sql", "--call", "SELECT take()",
        "--invariant", "never_negative=@settings/never_negative.sql", "--json", "m.json", cwd=system,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "")
    found = json.loads((system / "m.json").read_text())
    assert found == json.loads((system / "reports" / "latest" / "mutants.json").read_text())
    fates = {m["operator"]: m["fate"] for m in found["mutants"]}
    assert (fates["drop_lock"], fates["drop_guard"]) == ("killed", "killed")
    assert fates["drop_statement"] == "survived"  # no invariant says that money must go down
    assert "survivors of drop_statement" in done.stdout
