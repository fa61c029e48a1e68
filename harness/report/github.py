"""A run where GitHub Actions shows it: Markdown on the page of the job, and annotations beside the files.

GitHub says by environment variables that it is there: `GITHUB_STEP_SUMMARY` names a file to append Markdown to,
`GITHUB_ACTIONS` is "true" where standard output is searched for commands. Without them nothing is written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path

from harness.files import cannot_write
from harness.model import Counterexample, RunResult, ScenarioResult, Verdict, Violation
from harness.report.console import plain_console
from harness.report.grid import GAP, MARK, WAITING
from harness.report.places import place_of
from harness.report.reasons import reason_lines, turns_told
from harness.report.text import one_line
from harness.report.timeline import Timeline, TimelineRow, elide, with_tables
from harness.report.words import LABELS, SYMBOLS, headline, outcome, replay_command, seconds, server_words, undocumented

SUMMARY = "GITHUB_STEP_SUMMARY"
ACTIONS = "GITHUB_ACTIONS"
WORKSPACE = "GITHUB_WORKSPACE"

_ROWS = 20
"""Of a table, like the terminal's screen: rows far from the broken turn give way first."""
_PART = 100_000
"""Bytes for the rows of scenarios, and for the violations: GitHub shows nothing of a summary above a megabyte, and
several runs may share one."""
_CELL = 200
_MESSAGE = 1_000

_TELLING = re.compile(r"[&<>|$\\`*_~\[\]#!]")


def append_summary(run: RunResult, environment: Mapping[str, str]) -> None:
    """Append the run as Markdown to the file that `GITHUB_STEP_SUMMARY` names. Raises `SaveError`."""
    append_markdown(lambda: summary(run), environment)


def append_markdown(text: Callable[[], str], environment: Mapping[str, str]) -> None:
    """Append ``text()`` to the file that `GITHUB_STEP_SUMMARY` names, where it names one. Raises `SaveError`."""
    if not (name := environment.get(SUMMARY)):
        return
    try:
        with Path(name).open("ab") as file:
            file.write(text().encode())
    except OSError as error:
        raise cannot_write(Path(name), error) from None


def print_annotations(run: RunResult, environment: Mapping[str, str]) -> None:
    """Print the `error_commands`, where GitHub Actions reads them."""
    if environment.get(ACTIONS) == "true":
        console = plain_console()
        for line in error_commands(run, environment.get(WORKSPACE, "")):
            # What the stream cannot encode must not end the run.
            shown = line.encode(console.encoding, "replace").decode(console.encoding)
            console.print(shown, soft_wrap=True)


def summary(run: RunResult) -> str:
    """The run as Markdown: a headline, a row per scenario, and each violation that is not documented with its table.

    About 200 kB at most; it says how much was left out.
    """
    said = f"{server_words(run.server_version)}, seed {run.seed}, {seconds(run.elapsed_s)}."
    parts = [f"\n## {SYMBOLS[run.verdict]} {markdown(headline(run))}\n\n{markdown(said)}\n"]
    if run.scenarios:
        parts += ["\n", table_line("scenario", "verdict", "observed", "schedules", "meaning"), table_line(*["---"] * 5)]
        parts += _fitting(map(_scenario, run.scenarios), len(run.scenarios), "scenarios")
    found = [(result, undocumented(result)) for result in run.scenarios]
    findings = (_finding(result, *told) for result, pairs in found for told in with_tables(pairs))
    parts += _fitting(findings, sum(len(pairs) for _, pairs in found), "violations")
    return "".join(parts)


def error_commands(run: RunResult, workspace: str = "") -> list[str]:
    """A workflow command per violation that is not documented, and per scenario that is red without one. It points at
    the line of the function in which it broke, and a notice then at the scenario's file; where no line is known the
    error is at the scenario's file. Files inside of `workspace`, the folder of the checkout ("": unknown), are named
    from there."""
    lines = []
    for result in run.scenarios:
        scenario = {"file": _place(result.file, workspace), "line": "1"}
        found = undocumented(result)
        placed = [(example, violation, place_of(example, violation)) for example, violation in found]
        for example, violation, place in placed:
            again = f"\nagain: {command}" if (command := replay_command(example.replay)) else ""
            title = f"{one_line(result.name, 60)}: {one_line(violation.check, 60)}"
            at = scenario if place is None else {"file": _place(place.file, workspace), "line": str(place.line)}
            lines.append(_command("error", at | {"title": title}, one_line(violation.message, _MESSAGE) + again))
        name = one_line(result.name, 60)
        if steps := [place.step for _, _, place in placed if place is not None]:
            said = f"shows a violation that came about at {one_line(', '.join(dict.fromkeys(steps)), 200)}"
            lines.append(_command("notice", scenario | {"title": name}, f"This scenario {said}."))
        if not found and result.verdict is not Verdict.PASS:
            lines.append(_command("error", scenario | {"title": f"{name}: {LABELS[result.verdict]}"}, outcome(result)))
    return lines


def markdown(text: str, limit: int | None = None) -> str:
    """Foreign text as one line of Markdown that shows the same, in a table, too; cut to `limit` characters before."""
    # Between two dollars GitHub sets formulas, and a backslash does not keep it from that.
    escaped = _TELLING.sub(lambda found: f"\\{found[0]}", one_line(text, limit))
    return escaped.replace("\\$", "<span>$</span>")


def table_line(*cells: str) -> str:
    """A row of a table in Markdown; the cells are Markdown already."""
    return f"| {' | '.join(cells)} |\n"


def _scenario(result: ScenarioResult) -> str:
    return table_line(
        markdown(result.name, 80),
        f"{SYMBOLS[result.verdict]} {LABELS[result.verdict]}",
        LABELS[result.observed],
        f"{result.schedules:,}{', all there are' if result.exhausted else ''}",
        markdown(result.meaning, 400),
    )


def _finding(result: ScenarioResult, example: Counterexample, violation: Violation, drawn: Timeline) -> str:
    symbol = SYMBOLS[Verdict.VIOLATION]
    head = f"\n### {symbol} {markdown(result.name, 80)} · {markdown(violation.check, 80)}\n"
    table = "".join(_table(drawn, turns_told(example)))
    why = "".join(f"- {markdown(sentence, _MESSAGE)}\n" for sentence in reason_lines(example))
    command = replay_command(example.replay)
    # A single line that begins with our own word cannot end the block, whatever it holds.
    again = f"Again:\n\n```sh\n{command}\n```\n" if command else "It cannot be replayed: the workers ran in no order.\n"
    return "\n".join(filter(None, (head, f"{markdown(violation.message, _MESSAGE)}\n", table, why, again)))


def _table(found: Timeline, told: Collection[int | None]) -> Iterator[str]:
    if not found.rows:
        return
    yield table_line("turn", *(markdown(worker) for worker in found.workers), markdown(found.balance_title, _CELL))
    yield table_line(*["---"] * (len(found.workers) + 2))
    for row in elide(found.rows, _ROWS, told):
        if row is None:
            yield table_line(GAP, *[""] * (len(found.workers) + 1))
            continue
        balance = markdown(row.balance, _CELL)
        yield table_line(row.label, *_cells(found, row), f"{balance} **{MARK}**".lstrip() if row.broken else balance)


def _cells(found: Timeline, row: TimelineRow) -> Iterator[str]:
    for worker in found.workers:
        waiting = WAITING if found.waits(worker, row.turn) else ""
        yield markdown(row.cells[worker].text, _CELL) if worker in row.cells else waiting


def _fitting(parts: Iterable[str], number: int, what: str) -> list[str]:
    """The first of `parts` that have room, and how many of their `number` there are beyond them: those are not made."""
    kept, room = list[str](), _PART
    for part in parts:
        room -= len(part.encode())
        if room < 0:
            return [*kept, f"\n… and {number - len(kept):,} {what} more in the report.\n"]
        kept.append(part)
    return kept


def _place(file: str, workspace: str) -> str:
    path = Path(one_line(file)).absolute()
    if workspace and path.is_relative_to(workspace):
        return str(path.relative_to(workspace))
    return one_line(file)


def _command(name: str, properties: Mapping[str, str], message: str) -> str:
    shown = ",".join(f"{key}={_escaped(value, ':,')}" for key, value in properties.items())
    return f"::{name} {shown}::{_escaped(message)}"


def _escaped(text: str, also: str = "") -> str:
    """As GitHub reads it back: a percent sign, ends of lines and the characters of `also` by their codes."""
    return "".join(f"%{ord(char):02X}" if char in f"%\r\n{also}" else char for char in text)
