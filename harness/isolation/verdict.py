"""What a level means for its scenario's verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.campaign import Options
from harness.model import LEVELS, Counterexample, LevelResult, Scenario, ScenarioResult, Verdict

_FROM_BEST = (Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.VIOLATION, Verdict.ERROR)


def level_verdict(scenario: Scenario, level: str, result: ScenarioResult, options: Options) -> Verdict:
    """The verdict at a level that is not the scenario's own, of whose campaign ``result`` is.

    What the scenario says of the level by name must be so. Where it says nothing, a violation that its ``expect``
    documents is no finding here either, and need not show: a stronger level may well prevent it.
    """
    if scenario.levels.get(level) is not None or not result.expect:
        return result.verdict
    if result.observed is Verdict.VIOLATION:
        return Verdict.PASS if set(result.expect) & set(violated(result)) else Verdict.VIOLATION
    if result.observed is Verdict.PASS:
        return Verdict.INCONCLUSIVE if options.require_exhausted and not result.exhausted else Verdict.PASS
    return result.verdict


def violated(result: ScenarioResult) -> tuple[str, ...]:
    """Names of the checks that were violated."""
    return tuple(check.check for check in result.checks if check.violations)


def with_rows(
    result: ScenarioResult, rows: Sequence[LevelResult], examples: Sequence[Counterexample], elapsed_s: float
) -> ScenarioResult:
    """``result`` of the scenario at its own level, with ``rows`` of all: the worst verdict counts. ``examples``: of
    violations that nobody documents, at other levels. Its other figures stay those of its own level."""
    verdict = max((result.verdict, *(row.verdict for row in rows)), key=_FROM_BEST.index)
    others = [row for row in rows if not row.own]
    seen = [row.observed for row in others if row.verdict is not Verdict.PASS]
    # What a reader sees first should be what the verdict is about.
    before, after = (examples, ()) if result.verdict is Verdict.PASS else ((), examples)
    return replace(
        result,
        verdict=verdict,
        observed=max((result.observed, *seen), key=_FROM_BEST.index),
        meaning=" ".join([result.meaning, *(sentence(row) for row in others)]),
        elapsed_s=result.elapsed_s + elapsed_s,
        counterexamples=(*before, *result.counterexamples, *after),
        levels=tuple(rows),
    )


def sentence(row: LevelResult) -> str:
    """One level in words."""
    where = f"At {level_words(row.level)}"
    if row.observed not in (Verdict.PASS, Verdict.VIOLATION):
        return f"{where}: {row.meaning}"
    figures = f"{row.schedules:,} schedule{'' if row.schedules == 1 else 's'}{', all there are' * row.exhausted}"
    if row.lost:
        figures += f"; {row.lost:,} lost a worker to a serialization failure"
    if row.observed is Verdict.VIOLATION:
        said = f"{_and(row.violated)} {'was' if len(row.violated) == 1 else 'were'} violated"
        said += ", as documented" if row.verdict is Verdict.PASS else ""
    else:
        said = "nothing was violated"
        said += f", though {_and(row.expect)} is documented there" if row.verdict is Verdict.VIOLATION else ""
    return f"{where} ({figures}) {said}."


def level_words(level: str) -> str:
    """``repeatable_read`` as SQL writes it."""
    return LEVELS.get(level, level.replace("_", " ")).upper()


def _and(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
