"""Which orders of points were seen."""

from __future__ import annotations

from orders import choices

from harness.coverage import Coverage


def coverage(*executions: str) -> Coverage:
    found = Coverage()
    for text in executions:
        found.add(choices(text))
    return found


def test_a_pair_counts_in_the_order_in_which_it_was_seen() -> None:
    found = coverage("a.x b.y", "a.x b.y", "b.y a.x")
    assert found.pairs == {(("a", "x"), ("b", "y")): 2, (("b", "y"), ("a", "x")): 1}
    assert found.possible == 2


def test_steps_of_one_worker_are_no_pair() -> None:
    assert coverage("a.x a.y").pairs == {}


def test_a_step_in_a_loop_counts_where_it_was_taken_first() -> None:
    assert coverage("a.x b.y a.x").pairs == {(("a", "x"), ("b", "y")): 1}


def test_steps_are_in_the_order_of_the_code_whichever_execution_reached_them() -> None:
    found = coverage("a.begin a.lock b.begin b.lock a.commit", "b.begin a.begin a.lock a.pay a.commit b.lock b.pay")
    assert found.ordered == (
        *(("a", step) for step in ("begin", "lock", "pay", "commit")),
        *(("b", step) for step in ("begin", "lock", "pay")),
    )


def test_points_are_the_most_steps_of_each_worker() -> None:
    assert coverage("a.x b.x", "b.x b.y a.x b.z").points == 4


def test_a_step_overlaps_when_another_worker_is_under_way() -> None:
    assert coverage("a.x a.y b.x b.y").never_overlapped == (("a", "x"), ("a", "y"), ("b", "x"), ("b", "y"))
    assert coverage("a.x b.x b.y a.y").never_overlapped == (("a", "x"), ("a", "y"))
    assert coverage("a.x b.x b.y a.y", "b.x a.x a.y b.y").never_overlapped == ()
