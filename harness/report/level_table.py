"""The isolation levels on the terminal: scenarios and their levels down, and what came of each across."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len

from harness.model import LevelResult, RunResult, Verdict
from harness.report.console import plain_console
from harness.report.text import one_line
from harness.report.words import LABELS, SYMBOLS, plural, reach, replay_command

_HEAD = ("isolation", "", "violated", "schedules", "proof", "lost a worker to 40001")
_INDENT = "  "
_NAMED = 2


def print_levels(run: RunResult) -> None:
    """One table of all scenarios that have levels."""
    if any(result.levels for result in run.scenarios):
        console = plain_console()
        console.print("")
        for line in level_lines(run):
            console.print(line, soft_wrap=True)


def level_lines(run: RunResult) -> list[str]:
    """The table, and under it what is worth a sentence: violations with the command that shows them again, workers with
    a level of their own, orders that were left out."""
    table: list[tuple[str, ...]] = [_HEAD]
    notes: list[str] = []
    left_out: list[str] = []
    for result in run.scenarios:
        if result.levels:
            name = one_line(result.name, 60)
            table.append((name, *[""] * (len(_HEAD) - 1)))
            table += [_cells(row) for row in result.levels]
            notes += _notes(name, result.levels)
            orders = max(row.left_out for row in result.levels)
            left_out += [f"{name} {orders}"] if orders else []
    if left_out:
        notes.append(f"exact orders, which hold for a scenario's own level and were left out at others: "
                     f"{', '.join(left_out)}")  # fmt: skip
    widths = [max(cell_len(line[i]) for line in table) for i in range(len(_HEAD))]
    return [*(_line(line, widths) for line in table), *notes]


def level_name(row: LevelResult) -> str:
    """As SQL writes it, with a mark where it is the scenario's own."""
    name = row.level.replace("_", " ").upper() or "not known"
    return f"{name} (own)" if row.own else name


def level_line(row: LevelResult) -> str:
    """One level in a line: `SERIALIZABLE: pass, 24 schedules, all there are, 12 lost a worker to 40001`."""
    _, verdict, violated, _, proof, lost = _cells(row)
    said = [verdict[2:], violated, plural(row.schedules, "schedule"), proof]
    said += [f"{lost} lost a worker to 40001"] if row.lost else []
    return f"{level_name(row)}: {', '.join(part for part in said if part not in ('', '–'))}"


def _cells(row: LevelResult) -> tuple[str, ...]:
    return (
        f"{_INDENT}{level_name(row)}",
        f"{SYMBOLS[row.verdict]} {_verdict(row)}",
        _violated(row),
        f"{row.schedules:,}",
        reach(row) if row.exhausted or row.schedules else "–",
        f"{row.lost:,}",
    )


def _violated(row: LevelResult) -> str:
    names = ", ".join(one_line(check, 40) for check in row.violated[:_NAMED]) or "–"
    return f"{names} and {len(row.violated) - _NAMED} more" if len(row.violated) > _NAMED else names


def _verdict(row: LevelResult) -> str:
    if row.verdict is Verdict.PASS and row.violated:
        return "as documented"
    return "not as documented" if row.verdict is Verdict.VIOLATION and not row.violated else LABELS[row.verdict]


def _notes(name: str, levels: Sequence[LevelResult]) -> Iterator[str]:
    for row in levels:
        if row.own or row.verdict is Verdict.PASS:
            continue  # a scenario's own level is reported as ever
        what = row.message if row.violated else row.meaning
        yield one_line(f"{SYMBOLS[row.verdict]} {name} at {level_name(row)}: {what}", 400)
        if row.replay:
            yield f"    again {replay_command(row.replay)}"
    if names := levels[0].set_by:
        yield f"{name}: of {', '.join(names)} the level counts that they set themselves, whatever the row says"


def _line(texts: tuple[str, ...], widths: list[int]) -> str:
    return "  ".join(text + " " * (width - cell_len(text)) for text, width in zip(texts, widths, strict=True)).rstrip()
