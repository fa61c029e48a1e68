"""A comparison of two runs for people: a table on the terminal, the same as Markdown for a job's page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from rich.table import Table
from rich.text import Text

from harness.model import Verdict
from harness.report.compare import WORSE, Change, Comparison, Kind
from harness.report.console import plain_console
from harness.report.github import markdown, table_line
from harness.report.results_read import ReadScenario
from harness.report.text import one_line
from harness.report.words import LABELS, SYMBOLS, seconds

HEAD = ("scenario", "change", "schedules", "proof", "points", "pairs", "time", "violated")
_STYLES = {Kind.INCONCLUSIVE: "yellow", Kind.GREEN: "green"} | dict.fromkeys(WORSE, "bold red")
_PIPE = 400
"""Columns where nobody looks: a line per scenario, whatever it holds."""


def print_comparison(found: Comparison) -> None:
    """What differs in anything but time, as a table; before it what the runs were not alike in, behind it the sum."""
    console = plain_console()
    if not console.is_terminal:
        console.width = _PIPE

    def show(line: Text) -> None:
        # What the stream cannot encode must not end the command; as long as before, so that the colours stay in place.
        line.plain = line.plain.encode(console.encoding, "replace").decode(console.encoding)
        console.print(line, soft_wrap=True)

    for condition in found.conditions:
        show(Text(f"not alike: {one_line(condition, 400)}", style="yellow"))
    if rows := [c for c in found.changes if c.differs]:
        with console.capture() as caught:
            console.print(_table(rows))
        # Cells are padded to the width of the table, which would make every line of a log as long as the longest.
        for line in caught.get().splitlines():
            show(Text.from_ansi(line.rstrip()))
    for line in _below(found):
        show(Text(line))
    show(Text(f"{_symbol(found)} {headline(found)}", style="bold red" if found.worse else "green"))


def comparison_markdown(found: Comparison) -> str:
    """The same for GitHub's page of a job."""
    parts = [f"\n## {_symbol(found)} {markdown(headline(found))}\n\n"]
    parts += [f"Not alike: {markdown(condition, 400)}\n\n" for condition in found.conditions]
    if rows := [c for c in found.changes if c.differs]:
        parts += [table_line(*HEAD), table_line(*["---"] * len(HEAD))]
        parts += [table_line(*(markdown(cell, 400) for cell in _cells(change))) for change in rows]
    parts += [f"\n{markdown(line, 400)}\n" for line in _below(found)]
    return "".join(parts)


def headline(found: Comparison) -> str:
    """`1 turned red, 2 turned green, 19 as before; 12.3 s → 11.9 s`."""
    number = Counter(c.kind for c in found.changes)
    said = ", ".join(f"{number[kind]:,} {kind}" for kind in Kind if number[kind]) or "no scenario in either"
    return f"{said}; {_moved(seconds(found.old.elapsed_s), seconds(found.new.elapsed_s))}"


def _table(rows: Sequence[Change]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in HEAD:
        table.add_column(title, overflow="fold", no_wrap=title == HEAD[0])
    for change in rows:
        name, what, *figures = _cells(change)
        table.add_row(Text(name), Text(what, style=_STYLES.get(change.kind, "")), *map(Text, figures))
    return table


def _below(found: Comparison) -> Iterator[str]:
    if found.trouble:
        yield f"{SYMBOLS[Verdict.ERROR]} {one_line(found.trouble, 400)}"
    for change in found.changes:
        if change.less:
            yield f"{one_line(change.name, 60)} was searched to its end before, and is not any more"


def _cells(change: Change) -> tuple[str, ...]:
    sides = [_figures(side) for side in (change.old, change.new) if side is not None]
    checks = [f"+ {one_line(check, 80)}" for check in change.came] + [
        f"- {one_line(check, 80)}" for check in change.went
    ]
    return one_line(change.name, 60), _what(change), *map(_moved, sides[0], sides[-1]), ", ".join(checks)


def _what(change: Change) -> str:
    labels = [LABELS[side.verdict] for side in (change.old, change.new) if side is not None]
    return f"{change.kind} ({_moved(labels[0], labels[-1])})"


def _figures(scenario: ReadScenario) -> tuple[str, ...]:
    """Schedules, how much of all that there is they were, points, ordered pairs, time."""
    pairs = scenario.ordered_pairs
    return (
        f"{scenario.schedules:,}",
        _proof(scenario),
        "–" if scenario.points is None else f"{scenario.points:,}",
        "–" if pairs is None else f"{pairs.seen:,}/{pairs.possible:,}",
        seconds(scenario.elapsed_s),
    )


def _proof(scenario: ReadScenario) -> str:
    if scenario.exhausted:
        return "all there are"
    return "until violated" if scenario.observed is Verdict.VIOLATION else "not all"


def _moved(old: str, new: str) -> str:
    return old if old == new else f"{old} → {new}"


def _symbol(found: Comparison) -> str:
    return SYMBOLS[Verdict.VIOLATION if found.worse else Verdict.PASS]
