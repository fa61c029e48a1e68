"""Every fault as text and back: in saved schedules, in exact orders, on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ScenarioError, UsageError
from harness.model import CRASHES, FAULTS, MARKS, Action, Choice, Decision, Follow, Order, Schedule
from harness.scenario import load_scenario
from harness.scenario.faults import every_fault, parse_faults
from harness.schedule import SavedSchedule, decode, encode

NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,20}", fullmatch=True)
STRIKES = [a for a in Action if a.strikes]
OLD_FAULTS = ("kill", "term")
"""Names that no statement could have in a saved schedule before, either."""
CHOICES = st.one_of(
    st.builds(Choice, worker=NAMES, action=st.sampled_from(STRIKES)),
    st.builds(
        Choice,
        worker=NAMES,
        step=NAMES.filter(lambda n: n not in OLD_FAULTS),
        action=st.sampled_from([Action.RUN, *MARKS.values()]),
    ),
)
DECISIONS = st.builds(Decision, choice=CHOICES, enabled=st.lists(CHOICES, max_size=3).map(tuple), blocked=st.booleans())

SCENARIO = """\
version: 1
name: s
setup:
  - charge: {user: alice, job: j1, opening: 5000, amount: 1000}
workers:
  a: {role: service_role, transaction: [{refund: {job: j1, user: alice, amount: 1000}}]}
  b: {role: service_role, transaction: [{refund: {job: j1, user: alice, amount: 1000}}]}
"""


def saved(decisions: tuple[Decision, ...], retry: str = "") -> SavedSchedule:
    return SavedSchedule(
        scenario="s", file="s.yaml", hash="00", server="18.6", order=0, checks=("deadlock",), retry=retry,
        schedule=Schedule(seed=0, decisions=decisions),
    )  # fmt: skip


@given(st.lists(DECISIONS, max_size=8).map(tuple), st.one_of(st.just(""), NAMES))
def test_a_schedule_with_any_fault_survives_the_round_trip(decisions: tuple[Decision, ...], retry: str) -> None:
    whole = saved(decisions, retry)
    assert decode(encode(whole), "x") == whole


@pytest.mark.parametrize("name", ["cancel", "reset", "terminate", "run_on"])
def test_a_statement_may_bear_the_name_of_a_fault(name: str) -> None:
    step, fault = Choice(worker="a", step=name), Choice(worker="a", action=Action(name))
    assert str(step) != str(fault)
    decisions = (Decision(choice=step, enabled=(step,)), Decision(choice=fault, enabled=()))
    assert decode(encode(saved(decisions)), "x").schedule.decisions == decisions


def test_a_fault_that_there_is_not_is_refused_with_its_line() -> None:
    text = encode(saved((Decision(choice=Choice(worker="a", action=Action.RESET), enabled=()),)))
    with pytest.raises(UsageError, match=r"x:10:1: 'a.!rest': no such fault"):
        decode(text.replace("!reset", "!rest"), "x")


def test_every_named_fault_is_an_action_of_its_own() -> None:
    actions = [*FAULTS.values(), *CRASHES.values()]
    assert set(actions) == set(Action) - {Action.RUN, Action.HEAL}
    assert len(set(actions)) == len(actions)
    assert [a for a in Action if a.crashes] == list(CRASHES.values())


def test_names_on_the_command_line() -> None:
    assert parse_faults("all") == tuple(FAULTS)
    assert parse_faults("lost_answer, crash,crash") == ("crash", "lost_answer")
    assert every_fault([]) == ()
    assert parse_faults("server_crash,all,backend_crash") == (*FAULTS, *CRASHES)
    with pytest.raises(UsageError, match=r"--faults: unknown 'crush'; did you mean 'crash'\?"):
        parse_faults("crush")
    with pytest.raises(UsageError, match="--faults: name some of crash"):
        parse_faults(" , ")


def test_the_key_of_a_scenario(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(SCENARIO + "faults: [reset, crash]\n")
    assert load_scenario(path).faults == ("crash", "reset")
    path.write_text(SCENARIO + "faults: [all]\n")
    assert load_scenario(path).faults == tuple(FAULTS)
    path.write_text(SCENARIO + "faults: [crush]\n")
    with pytest.raises(ScenarioError, match=r"s\.yaml:8:10: .*'crash'"):
        load_scenario(path)


def test_faults_in_an_exact_order(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(SCENARIO + "orders: [[a.begin, a.refund, b.begin, b.refund: blocked, b.!cancel, a.!reset]]\n")
    [order] = load_scenario(path).interleavings
    assert isinstance(order, Order)
    assert [s.choice.action for s in order.steps[-2:]] == [Action.CANCEL, Action.RESET]


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ("a.begin, a.refund, b.begin, b.refund: blocked, b.!cancel, b.commit", "b.commit is out of order"),
        ("a.begin, a.refund, b.begin, b.refund: blocked, b.!lock_timeout, b.commit", "b.commit is out of order"),
        ("a.begin, a.refund, b.begin, b.refund: blocked, a.!cancel, b.commit", "b is still blocked"),
        ("a.begin, a.refund, b.begin, b.refund: blocked, a.!statement_timeout, b.commit", "b is still blocked"),
        ("a.begin, a.!reset: blocked", "a.!reset is a fault: it cannot be blocked"),
        ("a.begin, a.!heal: lost_ack", "a.!heal is a fault: it cannot be lost_ack"),
        ("a.begin, a.refund: lost_request, a.commit", "a.commit is out of order: next comes nothing more of a"),
        ("a.begin, a.refund, b.begin, b.refund: blocked, a.commit: black_hole, b.commit", "b is still blocked"),
        ("a.begin, a.refund, b.begin, b.refund: blocked, b.commit: lost_ack", "b is still blocked"),
    ],
)
def test_orders_that_nobody_could_carry_out_after_a_fault(steps: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(SCENARIO + f"orders: [[{steps}]]\n")
    with pytest.raises(ScenarioError, match=message):
        load_scenario(path)


def test_a_reset_lets_go_of_what_others_wait_for(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(SCENARIO + "orders: [[a.begin, a.refund, b.begin, b.refund: blocked, a.!terminate, b.commit]]\n")
    [order] = load_scenario(path).interleavings
    assert isinstance(order, Order)
    assert order.steps[-1].choice == Choice(worker="b", step="commit")


@pytest.mark.parametrize("mark", [m for m in MARKS if m != "killed"])
def test_faults_of_the_wire_stand_beside_a_statement(mark: str, tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(SCENARIO + f"orders: [[a.begin, 'a.refund': {mark}, b.begin], {{follow: ['a.refund': {mark}]}}]\n")
    order, follow = load_scenario(path).interleavings
    assert isinstance(order, Order)
    assert isinstance(follow, Follow)
    struck = Choice(worker="a", step="refund", action=MARKS[mark])
    assert (order.steps[1].choice, follow.choices) == (struck, (struck,))
    assert str(struck) == f"a.refund!{mark}"


def test_a_fault_beside_a_statement_that_there_is_not_is_refused_with_its_line() -> None:
    struck = Choice(worker="a", step="s", action=Action.LOST_ACK)
    text = encode(saved((Decision(choice=struck, enabled=()),)))
    with pytest.raises(UsageError, match=r"x:10:1: 'a.s!lost_act': no such fault"):
        decode(text.replace("lost_ack", "lost_act"), "x")


@pytest.mark.parametrize("steps", [
    "a.begin, a.refund, b.begin, b.refund: blocked, a.commit: lost_ack, b.commit",
    "a.begin, a.refund, b.begin, b.refund: blocked, a.commit: lost_request, b.commit",
    "a.begin, a.refund, a.commit: black_hole, b.begin, b.refund: blocked, a.!heal, b.commit",
    "a.begin, a.refund, a.commit: black_hole, b.begin, b.refund: blocked, a.!terminate, b.commit",
    "a.begin, a.refund, a.commit: black_hole, b.begin, b.refund: blocked",
])  # fmt: skip
def test_orders_in_which_the_wire_fails(steps: str, tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(SCENARIO + f"orders: [[{steps}]]\n")
    [order] = load_scenario(path).interleavings
    assert isinstance(order, Order)
    assert len(order.steps) == steps.count(",") + 1
