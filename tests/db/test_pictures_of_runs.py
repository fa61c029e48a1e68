"""What real runs give to pictures: the orders that were seen, and the balance that would be right."""

from __future__ import annotations

from pathlib import Path

from harness.api import run_scenario
from harness.report.coverage_png import coverage_picture
from harness.report.expected import expected_balances
from harness.report.order_grid import OrderGrid, order_grids

SCENARIOS = Path(__file__).parents[2] / "scenarios"


def test_the_missing_lock_shows_as_orders_and_as_a_balance() -> None:
    result = run_scenario(SCENARIOS / "unlocked_inside.yaml")
    [example] = result.counterexamples
    assert expected_balances(example.violations, {"alice"}) == {"alice": (5000.0,)}
    assert coverage_picture(result) is not None


def test_the_lock_shows_as_orders_that_never_were() -> None:
    result = run_scenario(SCENARIOS / "double_workers.yaml")
    assert result.exhausted
    assert result.covered is not None
    [grid] = order_grids(result.covered)
    assert (grid.row, grid.column) == ("original", "retry")
    pay = next(i for i, row in enumerate(grid.rows) if row.endswith("UPDATE user_balances"))
    lock, last = 2, len(grid.rows) - 1
    assert "FOR UPDATE" in grid.rows[lock]
    assert (grid.rows[0], grid.rows[last]) == ("begin", "commit")
    assert apart(grid, pay, pay)  # one of the two pays, never both
    assert grid.first[lock][lock] > 0 < grid.last[lock][lock]
    assert grid.first[last][pay] == 0 < grid.last[last][pay]  # the one that pays is the first to commit
    seen = sum(n > 0 for counts in (grid.first, grid.last) for row in counts for n in row)
    assert seen == result.covered.pairs


def apart(grid: OrderGrid, row: int, column: int) -> bool:
    return grid.first[row][column] == grid.last[row][column] == 0
