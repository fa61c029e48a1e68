"""The fault matrix on the terminal: points down, faults across, and under it what each red cell violates."""

from __future__ import annotations

from pathlib import Path

from rich.cells import cell_len

from harness.model import DrawnFaults, FaultCell, FaultMatrix, FaultOutcome, RunResult
from harness.report.console import plain_console
from harness.report.fault_grid import BEHIND, HELD, NOTHING, VIOLATED, grid_rows, headings
from harness.report.fault_png import fault_png
from harness.report.text import one_line
from harness.report.words import plural
from harness.report.write import stems


def print_faults(run: RunResult) -> None:
    """Every scenario's matrix, where there is one."""
    console = plain_console()
    for result in run.scenarios:
        if result.faults is not None:
            console.print(f"\nfaults of {one_line(result.name, 60)}", soft_wrap=True)
            for line in fault_lines(result.faults):
                console.print(line, soft_wrap=True)


def write_fault_pictures(run: RunResult, folder: Path) -> None:
    """``NAME-faults.png`` in ``folder`` for every scenario with a matrix."""
    for result, stem in zip(run.scenarios, stems([r.name for r in run.scenarios]), strict=True):
        if result.faults is not None:
            fault_png(result.faults, result.name, folder / f"{stem}-faults.png")


def fault_lines(matrix: FaultMatrix) -> list[str]:
    """The table, what its marks mean, and for every red cell its checks and how to replay it."""
    rows = grid_rows(matrix)
    table = [("", *headings(matrix), "after the retry")]
    worker = ""
    for row in rows:
        if row.worker != worker:
            worker = row.worker
            table.append((worker, *("" for _ in matrix.faults), ""))
        table.append((f"  {row.site}", *(text for text, _ in row.cells), row.left))
    widths = [max(cell_len(line[i]) for line in table) for i in range(len(table[0]))]
    lines = [_line(line, widths) for line in table]
    struck = sum(c.fired for c in matrix.cells)
    lines.append(f"{HELD} struck, retried, nothing violated   {VIOLATED} n: so many violations   "
                 f"{NOTHING} nothing to strike")  # fmt: skip
    lines.append(f"{plural(struck, 'fault')} struck, as the events show")
    if not matrix.complete:
        lines.append("the time was up: points are missing")
    return [*lines, *_red_lines(matrix), *_drawn_lines(matrix.drawn)]


def _drawn_lines(drawn: DrawnFaults | None) -> list[str]:
    """Faults in mid-race: how many struck, and the first violation."""
    if drawn is None or not drawn.executed:
        return []
    struck = ", ".join(f"{name} {times}" for name, times in drawn.struck.items())
    lines = [f"in mid-race, {plural(drawn.executed, 'execution')} in drawn orders; struck: {struck}"]
    if drawn.checks:
        lines.append(f"{VIOLATED} the last one: {', '.join(drawn.checks)}")
        lines += [f"    again harness replay {drawn.replay}"] if drawn.replay else []
    return lines


def _red_lines(matrix: FaultMatrix) -> list[str]:
    """Of red cells that differ only in their point the first, and how many there are; each has a schedule of its own
    beside the first one's."""
    groups: dict[tuple[str, str, tuple[str, ...]], list[FaultCell]] = {}
    for cell in matrix.cells:
        if cell.outcome is FaultOutcome.VIOLATED:
            groups.setdefault((cell.worker, cell.fault, tuple(cell.checks)), []).append(cell)
    lines = []
    for (worker, fault, checks), cells in groups.items():
        first = cells[0]
        place = f"before {first.step}" if first.step else BEHIND
        where = f"{worker} {place}, {fault}" + (f" (and {len(cells) - 1} more)" * (len(cells) > 1))
        lines.append(one_line(f"{VIOLATED} {where}: {', '.join(checks)}; {first.message}", 400))
        if first.replay:
            lines.append(f"    again harness replay {first.replay}")
    return lines


def _line(texts: tuple[str, ...], widths: list[int]) -> str:
    return "  ".join(text + " " * (width - cell_len(text)) for text, width in zip(texts, widths, strict=True)).rstrip()
