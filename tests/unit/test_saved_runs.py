"""A run that was saved is the same run again, and so is its report; what is no saved run is refused in one line."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import samples
from pydantic import TypeAdapter
from test_results_schema import whole

from harness.cli.reporting import reported
from harness.errors import UsageError
from harness.model import HeldLock, Moment, Nearest, Reason, ReasonKind, RunResult, SessionMoment, SessionState, Source
from harness.model import Story as Told
from harness.report.saved import FILE, _keyed, find_run, read_run, write_run
from harness.report.terminal import ConsoleReporter

STORY = Told(
    moments=(
        Moment(
            turn=0,
            sessions=(
                SessionMoment(
                    worker="a", state=SessionState.WAITING, at="s", waits_for=("b",),
                    locks=(HeldLock(kind="row", on="t", mode="ForUpdate", granted=False),),
                ),
            ),
        ),
    ),
    sources=(Source(function="f", body="BEGIN\n\ud800END", file="f.sql", first_line=3),),
    reasons=(Reason(kind=ReasonKind.STALE_READ, worker="a", before={"x": [1, None]}, after=2**80),),
    nearest=Nearest(execution=samples.execution(samples.double_workers_history()), agrees=1, replay="x.schedule"),
)  # fmt: skip


def told_run() -> RunResult:
    run = samples.red_run()
    red = run.scenarios[1]
    example = replace(red.counterexamples[0], story=STORY)
    return replace(run, scenarios=(replace(red, counterexamples=(example,)),))


def odd_run() -> RunResult:
    row = {"big": 10**400, "\udcff": "\ud800 \x00 \u2028", "deep": [{"a": [None, True, -0.0]}], "": {}, "inf": math.inf}
    history = replace(samples.legacy_history(), opening={"t": (row,)}, closing={})
    return samples.run_of(samples.scenario("odd", passing=samples.execution(history), file="\udcff.yaml"))


@pytest.mark.parametrize("make", [samples.red_run, samples.hostile_run, samples.empty_run, whole, told_run, odd_run])
def test_what_is_read_is_what_was_written(make: Callable[[], RunResult], tmp_path: Path) -> None:
    run = make()
    write_run(run, tmp_path)
    again = read_run(tmp_path)
    assert again == run
    first = (tmp_path / FILE).read_bytes()
    write_run(again, tmp_path)
    assert (tmp_path / FILE).read_bytes() == first


@pytest.mark.parametrize("make", [samples.red_run, samples.hostile_run, samples.empty_run, whole, told_run, odd_run])
def test_what_is_written_is_what_the_library_that_reads_it_would_write(
    make: Callable[[], RunResult], tmp_path: Path
) -> None:
    write_run(make(), tmp_path)
    fields = TypeAdapter(RunResult).dump_python(make(), exclude_defaults=True, warnings=False)
    written = gzip.decompress((tmp_path / FILE).read_bytes())
    assert json.loads(written)["run"] == json.loads(json.dumps(_keyed(fields, json.dumps), default=str))


@pytest.mark.parametrize("make", [whole, told_run, odd_run])
def test_its_types_are_the_same_too(make: Callable[[], RunResult], tmp_path: Path) -> None:
    write_run(make(), tmp_path)
    assert repr(read_run(tmp_path)) == repr(make())


def test_what_is_no_number_stays_so(tmp_path: Path) -> None:
    row = {"n": math.nan}
    history = replace(samples.legacy_history(), closing={"t": (row,)})
    write_run(samples.run_of(samples.scenario("nan", passing=samples.execution(history))), tmp_path)
    passing = read_run(tmp_path).scenarios[0].passing
    assert passing is not None
    assert math.isnan(passing.history.closing["t"][0]["n"])


def test_a_run_that_was_cut_short_is_saved_and_so_is_one_with_trouble(tmp_path: Path) -> None:
    def go(keep: Callable[[RunResult], None]) -> RunResult:
        keep(done)
        raise KeyboardInterrupt

    done = samples.run_of(samples.green_scenario())
    folder = tmp_path / "run"
    folder.mkdir()
    with pytest.raises(KeyboardInterrupt):
        reported(go, folder, None, None, ConsoleReporter(quiet=True))
    assert read_run(folder) == done
    nowhere = tmp_path / "nowhere" / "results.json"
    assert reported(lambda _: done, folder, nowhere, None, ConsoleReporter(quiet=True)) == 4
    assert "cannot write" in read_run(folder).trouble


def saved(folder: Path, **changes: Any) -> None:
    write_run(samples.red_run(), folder)
    value = json.loads(gzip.decompress((folder / FILE).read_bytes()))
    (folder / FILE).write_bytes(gzip.compress(json.dumps(value | changes).encode()))


def packed(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)  # the same in every process that collects these tests


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not a saved run"),
        (b"hello", "Not a gzipped file"),
        (packed(b"hello")[:-5], "not a saved run"),
        (packed(b"hello"), "not a saved run"),
        (packed(b"[1, 2]"), "not a saved run"),
        (packed(b'{"version": 1}'), "not a saved run"),
        (packed(b'{"version": 1, "harness": "0", "run": []}'), "not a saved run"),
        (packed(b'{"version": 1, "harness": "0", "run": {"scenarios": [1]}}'), "not a saved run"),
        (packed(b'{"version": 1, "harness": "0", "run": {"scenarios": []}}'), "verdict: "),
        (packed(b'{"version": 2, "harness": "9.9", "run": {}}'), "saved by harness 9.9 as version 2; this is "),
    ],
)
def test_what_is_no_saved_run_is_refused_in_one_line(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(UsageError) as refused:
        read_run(tmp_path)
    assert str(refused.value).startswith(f"{tmp_path / FILE}: ")
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_of_a_later_harness_fields_may_have_come(tmp_path: Path) -> None:
    write_run(samples.red_run(), tmp_path)
    run = json.loads(gzip.decompress((tmp_path / FILE).read_bytes()))["run"]
    saved(tmp_path, run={**run, "weather": "fine"}, later=True)
    assert read_run(tmp_path) == samples.red_run()


def test_a_run_is_found_by_its_folder_and_by_that_of_all_reports(tmp_path: Path) -> None:
    run = tmp_path / "20260101T000000Z-abcd"
    run.mkdir()
    with pytest.raises(UsageError, match="holds no saved run"):
        find_run(tmp_path)
    write_run(samples.empty_run(), run)
    assert find_run(run) == run
    with pytest.raises(UsageError, match="holds no saved run"):
        find_run(tmp_path)
    (tmp_path / "latest.txt").write_text(f"{run.name}\n")
    assert find_run(tmp_path) == run
    (tmp_path / "latest").symlink_to(run.name)
    assert find_run(tmp_path) == tmp_path / "latest"
    with pytest.raises(UsageError, match="no such folder"):
        find_run(tmp_path / "nowhere")
