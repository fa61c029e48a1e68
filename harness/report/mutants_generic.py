"""What became of generic mutants: as JSON for programs, and as text whose last lines are the survivors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harness.fates import Difference, Fate, GenericResult, Judged
from harness.model import Json, Verdict
from harness.report.grid import fit
from harness.report.text import compact_json, one_line, value_text
from harness.report.words import SYMBOLS, plural, seconds

__all__ = ["generic_json", "generic_text"]

VERSION = 1
_SHOWN = 60
"""Characters of what was changed, in a line."""
_COLUMNS = (Fate.KILLED, Fate.EQUIVALENT, Fate.SURVIVED, Fate.UNPROVEN, Fate.ERROR, Fate.STILLBORN)


def generic_json(result: GenericResult) -> dict[str, Any]:
    """The result as plain JSON values; version 1 may gain keys. Equal runs give equal values, but for the keys that end
    in ``_s``, which are seconds."""
    return {
        "version": VERSION,
        "scenario": result.scenario,
        "verdict": result.verdict.value,
        "score": result.score,
        "original": {
            "observed": result.original.value,
            "meaning": result.meaning,
            "schedules": result.schedules,
            "exhausted": result.exhausted,
            "outcomes": result.outcomes,
        },
        "counts": {fate.value: result.count(fate) for fate in _COLUMNS},
        "operators": {
            operator: {fate.value: result.count(fate, operator=operator) for fate in _COLUMNS}
            for operator in result.operators
        },
        "mutants": [_mutant(judged) for judged in result.judged],
        "untouched": [{"function": o.function, "reason": o.reason} for o in result.untouched],
        "elapsed_s": round(result.elapsed_s, 3),
    }


def _mutant(judged: Judged) -> dict[str, Any]:
    mutation, found = judged.mutation, judged.difference
    return {
        "name": mutation.name,
        "operator": mutation.operator,
        "function": mutation.function,
        "line": mutation.line or None,
        "before": mutation.before,
        "after": mutation.after,
        "fate": judged.fate.value,
        "check": judged.check or None,
        "checks": list(judged.checks),
        "message": judged.message or None,
        "reason": judged.reason or None,
        "difference": None if found is None else _difference(found),
        "schedules": judged.schedules,
        "schedules_to_first_violation": judged.first,
        "exhausted": judged.exhausted,
        "elapsed_s": round(judged.elapsed_s, 3),
    }


def _difference(found: Difference) -> dict[str, Json]:
    return {"subject": found.subject, "row": found.row or None, "value": found.value, "usual": list(found.usual)}


def generic_text(result: GenericResult, width: int = 100, *, verbose: bool = False) -> str:
    """Lines of about ``width`` cells: the table by operator, the score, then every survivor. ``verbose``: all mutants,
    each with what became of it."""
    return "\n".join(_lines(result, width, verbose=verbose))


def _lines(result: GenericResult, width: int, *, verbose: bool) -> Iterator[str]:
    name = one_line(result.scenario, 60)
    if result.original is not Verdict.PASS:
        yield f"{SYMBOLS[result.original]} {name}: nothing to measure, the original is not green"
        yield f"  {one_line(result.meaning)}"
        return
    how = ", all there are" if result.exhausted else ", not all there are: nothing can be called equivalent"
    outcomes = plural(result.outcomes, "outcome")
    yield f"{name} · original green: {plural(result.schedules, 'schedule')}{how}; {outcomes}"
    yield ""
    yield from _table(result)
    for opaque in result.untouched:
        yield fit(f"not mutated: {one_line(opaque.function, 80)} ({one_line(opaque.reason)})", width)
    if verbose:
        yield ""
        for judged in result.judged:
            yield fit(f"{judged.fate.value:<10} {_what(judged)}  {_why(judged)}".rstrip(), width)
    yield ""
    yield _score(result)
    for operator in result.operators:
        alive = [j for j in result.survivors if j.mutation.operator == operator]
        if alive:
            yield ""
            yield f"survivors of {operator}"
        for judged in alive:
            yield f"{SYMBOLS[Verdict.VIOLATION]} {_what(judged)}"
            yield f"    {_why(judged)}"


def _table(result: GenericResult) -> Iterator[str]:
    columns = [fate for fate in _COLUMNS if result.count(fate)] or [Fate.KILLED]
    heads = [fate.value for fate in columns]
    first = max([len("operator"), *(len(o) for o in result.operators)])
    yield "  ".join([f"{'operator':<{first}}", *heads])
    for operator in result.operators:
        numbers = [result.count(fate, operator=operator) for fate in columns]
        cells = [f"{n or '·':>{len(head)}}" for n, head in zip(numbers, heads, strict=True)]
        yield "  ".join([f"{operator:<{first}}", *cells])
    yield "  ".join([f"{'all':<{first}}", *(f"{result.count(f):>{len(f.value)}}" for f in columns)])


def _score(result: GenericResult) -> str:
    killed, alive = result.count(Fate.KILLED), len(result.survivors)
    took = seconds(result.elapsed_s)
    if result.score is None:
        return f"{SYMBOLS[Verdict.INCONCLUSIVE]} no score: no mutant makes a difference under these calls ({took})"
    symbol = SYMBOLS[Verdict.VIOLATION if alive else Verdict.PASS]
    return f"{symbol} score {result.score:.0%}: {killed:,} of {plural(killed + alive, 'mutant')} killed ({took})"


def _what(judged: Judged) -> str:
    """``refund:12 drop_lock  FOR UPDATE → (left out)``."""
    mutation = judged.mutation
    after = one_line(mutation.after, _SHOWN) or "(left out)"
    return f"{one_line(mutation.name, 120)}  {one_line(mutation.before, _SHOWN)} → {after}"


def _why(judged: Judged) -> str:
    if judged.fate is Fate.KILLED:
        return f"{one_line(judged.check, 60)}: {one_line(judged.message, 200)}"
    if judged.fate is Fate.ERROR:
        return f"could not be judged, so it was not killed: {one_line(judged.reason, 300)}"
    if judged.fate is Fate.UNPROVEN and judged.difference is None:
        return f"no check of yours sees this; whether it makes a difference is unproven: {one_line(judged.reason, 200)}"
    if judged.difference is None:
        return one_line(judged.reason, 200)
    doubt = f" (unproven: {one_line(judged.reason, 200)})" if judged.reason else ""
    return f"no check of yours sees this: {_sentence(judged.difference)}{doubt}"


def _sentence(found: Difference) -> str:
    where = f" of {one_line(found.row, 60)}:" if found.row else ""
    said = f"{one_line(found.subject, 80)}{where} {_value(found.value)}"
    if not found.usual:
        return f"{said}, each known alone, together in no interleaving of the original"
    usual = [_value(value) for value in found.usual[:3]] + (["…"] if len(found.usual) > 3 else [])
    return f"{said}; every interleaving of the original gives {' or '.join(usual)}"


def _value(value: Json) -> str:
    return compact_json(value, 100) if isinstance(value, (dict, list)) else value_text(value)
