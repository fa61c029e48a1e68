"""Choices to follow: what the loader makes of them, where it refuses them, and what a result says of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from histories import run, scenario

from harness.campaign import Options, conclude
from harness.errors import ScenarioError
from harness.model import Action, Choice, Follow, ScenarioResult, Search, Verdict, Violation
from harness.scenario import SCHEMA_FILE, load_scenario, yamltext
from harness.tally import Searched, Tally

SCHEMA = json.loads((Path(__file__).parents[2] / "harness" / "scenario" / SCHEMA_FILE).read_text())
HEAD = """\
version: 1
name: good
setup:
  - charge: {user: alice, job: j1, opening: 5000, amount: 1000}
workers:
  one:
    transaction:
      - refund: {job: j1, user: alice, amount: 1000}
  two:
    statements:
      - SELECT balance FROM user_balances WHERE user_id = :'alice'
orders:
"""


def write(tmp_path: Path, orders: str) -> Path:
    path = tmp_path / "good.yaml"
    path.write_text(HEAD + orders)
    return path


def test_it_is_a_search_of_these_choices_inside_functions(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "  - follow: [one.begin, one.refund, one.refund_job_atomic:41, one.refund_job_atomic:52.2~, two.select]\n"
        "  - {follow: [two.select:commit, one.kill, two.term], name: killed, points: statements}\n"
        "  - follow:\n      - one.begin\n      - one.commit: killed\n",
    )
    jsonschema.validate(yamltext.read(path).data, SCHEMA)
    first, second, third = load_scenario(path).interleavings
    one, two = "one", "two"
    assert first == Follow(
        choices=(
            Choice(worker=one, step="begin"),
            Choice(worker=one, step="refund"),
            Choice(worker=one, step="refund_job_atomic:41"),
            Choice(worker=one, step="refund_job_atomic:52.2~"),
            Choice(worker=two, step="select"),
        ),
    )
    assert isinstance(first, Search)
    assert (first.strategy, first.inside, first.schedules) == ("follow", True, None)
    kill, term = Choice(worker=one, action=Action.KILL), Choice(worker=two, action=Action.TERM)
    assert second == Follow(choices=(Choice(worker=two, step="select:commit"), kill, term), name="killed", inside=False)
    lost = Choice(worker=one, step="commit", action=Action.LOSE)
    assert third == Follow(choices=(Choice(worker=one, step="begin"), lost))


# name: (orders, line, column, part of the message, whether an editor sees it too)
MALFORMED: dict[str, tuple[str, int, int, str, bool]] = {
    "an unknown worker": ("  - follow: [one.begin, thre.select]\n", 13, 25, "unknown worker 'thre'; known:", False),
    "a misspelt worker": ("  - follow: [on.begin]\n", 13, 14, "unknown worker 'on'; did you mean 'one'?", False),
    "no step": ("  - follow: [one]\n", 13, 14, "'one': a step is written worker.step", False),
    "an empty step": ("  - follow: [one.]\n", 13, 14, "'one.': a step is written worker.step", False),
    "no worker": ("  - follow: [.begin]\n", 13, 14, "'.begin': a step is written worker.step", False),
    "a step with white space": ("  - follow: [one.re fund]\n", 13, 14, "a step is written worker.step", False),
    "a misspelt statement": ("  - follow: [one.refnd]\n", 13, 14, "no step 'refnd'; did you mean 'refund'?", False),
    "the commit of no statement": ("  - follow: [two.selct:commit]\n", 13, 14, "two has no step 'selct'", False),
    "a fault that is lost": ("  - follow: [{one.kill: killed}]\n", 13, 14, "one.kill is a fault", False),
    "a declared wait": ("  - follow: [one.begin, {two.select: blocked}]\n", 13, 25, "waits are not declared", True),
    "a number": ("  - follow: [1]\n", 13, 14, "a followed step is `worker.step`", True),
    "nothing": ("  - follow: []\n", 13, 5, "'follow' must not be empty", True),
    "no list": ("  - follow: one.begin\n", 13, 5, "'follow' must be a list", True),
    "an order beside it": ("  - {follow: [one.begin], order: [one.begin]}\n", 13, 5, "found order and follow", True),
    "a strategy beside it": ("  - {follow: [one.begin], strategy: pct}\n", 13, 5, "found strategy and follow", True),
    "a limit": ("  - {follow: [one.begin], schedules: 7}\n", 13, 5, "`follow` is one execution", False),
    "answers": ("  - {follow: [one.begin], expect: {one: {}}}\n", 13, 5, "`expect` belongs to an order", False),
}  # fmt: skip


@pytest.mark.parametrize("case", MALFORMED)
def test_it_is_refused_at_its_place(tmp_path: Path, case: str) -> None:
    orders, line, column, message, seen = MALFORMED[case]
    path = write(tmp_path, orders)
    with pytest.raises(ScenarioError) as caught:
        load_scenario(path)
    error = caught.value
    assert (error.file, error.line, error.column) == (str(path), line, column), error
    assert message in error.message
    assert jsonschema.Draft202012Validator(SCHEMA).is_valid(yamltext.read(path).data) is not seen


AUTO = Searched(strategy="auto", executed=6, exhausted=True, inside=True)
WORKERS = run("a begin\na refund\na commit\nb refund").scenario.workers
CHOICES = (Choice(worker="a", step="begin"),)


def told(*followed: bool, inside: bool = True, seen: bool = False, **more: Any) -> ScenarioResult:
    tally = Tally(executed=len(followed), overlapped=True, changed=True, searches=list(more.get("searches", ())))
    if seen:
        tally.violations = {"deadlock": [Violation(check="deadlock", message="")]}
        tally.first_violation = (1, 0.5)
    tally.orders = more.get("orders", 0)
    plan = tuple(Follow(choices=CHOICES, inside=inside) for _ in followed)
    options = Options(strategy="pct", require_exhausted=more.get("require_exhausted", False))
    found = scenario(WORKERS, interleavings=plan)
    return conclude(found, options, tally, "18.6", 1.0, None, followed)


@pytest.mark.parametrize(
    ("result", "says"),
    [
        (told(False), "1 followed schedule executed on PostgreSQL 18.6: no check failed. Other orders were not tried."),
        (told(True), "1 followed schedule executed (adapted: the saved choices no longer fit exactly) on PostgreSQL"),
        (told(True, False), "2 followed schedules executed (1 adapted: the saved choices no longer fit exactly) on"),
        (told(False, inside=False), "Other orders were not tried and nothing was interleaved inside a statement."),
        (told(False, orders=2), "2 exact orders executed and 1 followed schedule on PostgreSQL 18.6"),
        (told(False, seen=True), "deadlock was violated at schedule 1 of 1."),
        (told(True, seen=True), "1 of 1 (adapted: the saved choices no longer fit exactly)."),
        (told(False, searches=(AUTO,)), "no violation is possible at these points"),
    ],
)  # fmt: skip
def test_the_sentence_counts_followed_schedules_and_says_where_they_were_adapted(
    result: ScenarioResult, says: str
) -> None:
    assert says in result.meaning


def test_no_option_replaces_it_and_it_proves_nothing() -> None:
    result = told(False)
    assert (result.strategy, result.verdict, result.exhausted, result.covered) == ("follow", Verdict.PASS, False, None)
    assert told(False, require_exhausted=True).verdict is Verdict.INCONCLUSIVE


def test_an_exhausted_search_beside_it_stays_exhausted() -> None:
    result = told(False, searches=(AUTO,), require_exhausted=True)
    assert (result.exhausted, result.verdict) == (True, Verdict.PASS)
