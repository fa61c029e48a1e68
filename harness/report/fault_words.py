"""What the fault matrix says beside its table: how often faults struck, and what was violated where."""

from __future__ import annotations

from dataclasses import dataclass

from harness.model import FaultCell, FaultMatrix, FaultOutcome
from harness.report.fault_grid import BEHIND
from harness.report.text import one_line
from harness.report.words import plural

LIMIT = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class RedPlace:
    """``what`` was violated and where, on one line; ``replay``: path of its schedule, where one was saved."""

    what: str
    replay: str


def notes(matrix: FaultMatrix) -> list[str]:
    """How many faults struck, in the matrix and in mid-race, how evenly, and what is missing."""
    struck = sum(c.fired for c in matrix.cells)
    lines = [f"{plural(struck, 'fault')} struck, as the events show"]
    if not matrix.complete:
        lines.append("the time was up: points are missing")
    drawn = matrix.drawn
    if drawn is None or not drawn.executed:
        return lines
    each = ", ".join(f"{name} {drawn.fired.get(name, 0)}" for name in matrix.faults)
    orders = "in drawn orders"
    if drawn.searched:
        orders = "of every order with at most one fault" if drawn.exhausted else "of orders with few switches"
    lines.append(f"in mid-race, {plural(drawn.executed, 'execution')} {orders}; struck: {each}")
    if times := matrix.times:
        worker, step, fault = least = min(times, key=times.__getitem__)
        pairs, fewest, most = plural(len(times), "pair"), plural(times[least], "time"), max(times.values())
        lines.append(one_line(f"with the matrix: {pairs} of fault and point, each struck {fewest} or more "
                              f"({fault} before {worker}.{step}), at most {most}", LIMIT))  # fmt: skip
    return lines


def red_places(matrix: FaultMatrix) -> list[RedPlace]:
    """Of red cells that differ only in their point the first, and how many there are; each has a schedule of its own
    beside the first one's. Then what was violated in mid-race."""
    groups: dict[tuple[str, str, tuple[str, ...]], list[FaultCell]] = {}
    for cell in matrix.cells:
        if cell.outcome is FaultOutcome.VIOLATED:
            groups.setdefault((cell.worker, cell.fault, tuple(cell.checks)), []).append(cell)
    found = []
    for (worker, fault, checks), cells in groups.items():
        first = cells[0]
        place = f"before {first.step}" if first.step else BEHIND
        where = f"{worker} {place}, {fault}" + (f" (and {len(cells) - 1} more)" * (len(cells) > 1))
        what = one_line(f"{where}: {', '.join(checks)}; {first.message}", LIMIT)
        found.append(RedPlace(what=what, replay=first.replay))
    drawn = matrix.drawn
    if drawn is not None and drawn.checks:
        what = one_line(f"in mid-race, the last execution: {', '.join(drawn.checks)}", LIMIT)
        found.append(RedPlace(what=what, replay=drawn.replay))
    return found
