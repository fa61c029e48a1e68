"""What a red run says at its end: the first finding in full, the others in a line each, within one screen."""

from __future__ import annotations

from rich.cells import cell_len

from harness.model import Counterexample, RunResult, ScenarioResult, Verdict, Violation
from harness.report.grid import GAP, fit, timeline_text, wrap
from harness.report.reasons import turns_told, why_lines
from harness.report.text import one_line
from harness.report.timeline import timeline
from harness.report.words import SYMBOLS, culprits, effort, in_order, outcome, replay_command, seconds

_MIN_TABLE = 8
_MESSAGE_LINES = 10
"""A deadlock needs as many: who holds and who waits for what."""
_MAX_OTHERS = 5
_LEFT_OUT = f"{GAP}       left out here; -v and the report have every turn"
_BADNESS = (Verdict.VIOLATION, Verdict.ERROR, Verdict.INCONCLUSIVE)


def red_summary(run: RunResult, report_path: str, width: int, height: int | None) -> list[str]:
    """Lines of at most `width` cells (a command or a path may be longer), about `height` of them (None: no bound)."""
    red = [result for verdict in _BADNESS for result in run.scenarios if result.verdict is verdict]
    others = _others(red[1:], width, height is not None)
    ending = [f"report  {report_path}"] if report_path else []
    used = sum(-(-max(cell_len(line), 1) // width) for line in [*others, *ending])
    return [*_first(red[0], width, None if height is None else height - used), *ending, *others]


def _first(result: ScenarioResult, width: int, height: int | None) -> list[str]:
    found = culprits(result)
    if not found:
        name = f"{SYMBOLS[result.verdict]} {one_line(result.name, 60)}"
        return [name, *(f"  {line}" for line in wrap(outcome(result), width - 2, 8)), ""]
    example, violation = found[0]
    head = _head(result, example, violation, width)
    command = replay_command(example.replay)
    again = f"again   {command}" if command else "again   not possible: the workers were released together, in no order"
    most = None if height is None else 1
    why = why_lines(example, width, most)
    room = None
    if height is not None:
        room = max(height - len(head) - 2 - len(why) - -(-cell_len(again) // width), _MIN_TABLE)
    table = timeline_text(timeline(example.execution.history, [violation]), width, room, turns_told(example, most))
    # Whoever misses a turn learns where it is.
    rows = table.replace(f"\n{GAP}\n", f"\n{fit(_LEFT_OUT, width)}\n", 1).split("\n")
    return [*head, *(["", *rows, ""] if table else []), *why, again]


def _head(result: ScenarioResult, example: Counterexample, violation: Violation, width: int) -> list[str]:
    figures = effort(result)
    if result.schedules_to_first_violation is not None:
        figures = f"schedule {result.schedules_to_first_violation:,}"
        if result.seconds_to_first_violation is not None:
            figures += f", {seconds(result.seconds_to_first_violation)}"
    name = f"{SYMBOLS[result.verdict]} {one_line(result.name, 60)} · {one_line(violation.check, 60)}"
    room = width - cell_len(name) - cell_len(figures)
    lines = [name + " " * room + figures] if room >= 2 else [fit(name, width)]
    lines += [f"  {said}" for said in wrap(one_line(violation.message), width - 2, _MESSAGE_LINES)]
    also = [one_line(other.check, 40) for other in in_order(result, example) if other is not violation]
    if also:
        lines.append(fit(f"  also broken: {', '.join(also)}", width))
    return lines


def _others(red: list[ScenarioResult], width: int, bounded: bool) -> list[str]:
    shown = red[:_MAX_OTHERS] if bounded else red
    lines = [fit(f"{SYMBOLS[other.verdict]} {one_line(other.name, 40)}  {outcome(other)}", width) for other in shown]
    more = len(red) - len(shown)
    return [*lines, f"  and {more:,} more in the report"] if more else lines
