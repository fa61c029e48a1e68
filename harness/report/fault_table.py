"""The fault matrix on the terminal: points down, faults across, and under it what each red cell violates."""

from __future__ import annotations

from rich.cells import cell_len

from harness.model import FaultMatrix, RunResult
from harness.report.console import plain_console
from harness.report.fault_grid import HELD, NOTHING, VIOLATED, grid_rows, headings
from harness.report.fault_words import notes, red_places
from harness.report.text import one_line
from harness.report.words import replay_command


def print_faults(run: RunResult) -> None:
    """Every scenario's matrix, where there is one."""
    console = plain_console()
    for result in run.scenarios:
        if result.faults is not None:
            console.print(f"\nfaults of {one_line(result.name, 60)}", soft_wrap=True)
            for line in fault_lines(result.faults):
                console.print(line, soft_wrap=True)


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
    lines.append(f"{HELD} struck, retried, nothing violated   {VIOLATED} n: so many violations   "
                 f"{NOTHING} nothing to strike")  # fmt: skip
    lines += notes(matrix)
    for red in red_places(matrix):
        lines.append(f"{VIOLATED} {red.what}")
        lines += [f"    again {replay_command(red.replay)}"] if red.replay else []
    return lines


def _line(texts: tuple[str, ...], widths: list[int]) -> str:
    return "  ".join(text + " " * (width - cell_len(text)) for text, width in zip(texts, widths, strict=True)).rstrip()
