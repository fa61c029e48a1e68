"""The sentences of a report. Checks return data; what people read about a whole run is written here."""

from __future__ import annotations

import shlex

from harness.model import Counterexample, LevelResult, RunResult, ScenarioResult, Verdict, Violation
from harness.report.text import one_line

SYMBOLS = {Verdict.PASS: "✓", Verdict.VIOLATION: "✗", Verdict.INCONCLUSIVE: "?", Verdict.ERROR: "!"}
LABELS = {
    Verdict.PASS: "pass",
    Verdict.VIOLATION: "violation",
    Verdict.INCONCLUSIVE: "inconclusive",
    Verdict.ERROR: "error",
}


def plural(number: int, noun: str) -> str:
    """`1 schedule`, `1,204 schedules`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def seconds(value: float) -> str:
    """A duration for people: `0.31 s`, `12.4 s`, `3 min 05 s`."""
    if value < 60:
        return f"{value:.2f} s" if value < 10 else f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest:02d} s"


def server_words(version: str) -> str:
    """`PostgreSQL 18.6`, whether or not the version says so itself."""
    version = one_line(version, 80)
    return version if version.lower().startswith("postgresql") else f"PostgreSQL {version}".rstrip()


def documented(result: ScenarioResult) -> bool:
    """Whether a known-bad scenario did what its file says it does: violated, and passed for that."""
    return result.verdict is Verdict.PASS and bool(result.expect)


def culprits(result: ScenarioResult) -> tuple[tuple[Counterexample, Violation], ...]:
    """Every violation with its counterexample; those that the scenario does not document come first."""
    found = [(example, violation) for example in result.counterexamples for violation in example.violations]
    return tuple(sorted(found, key=lambda pair: pair[1].check in result.expect))


def in_order(result: ScenarioResult, example: Counterexample) -> tuple[Violation, ...]:
    """The violations of one counterexample, the telling ones first: what was documented where that is what was seen,
    else what was not. The first is the one whose turn timelines mark: a rule that is broken for a moment on the way
    (refunded, not yet marked failed) would only distract."""
    telling = documented(result)
    return tuple(sorted(example.violations, key=lambda violation: (violation.check in result.expect) != telling))


def undocumented(result: ScenarioResult) -> list[tuple[Counterexample, Violation]]:
    """What made the scenario red: its violations but for those that its file documents, the telling ones first."""
    if result.verdict is not Verdict.VIOLATION:
        return []
    found = [(example, v) for example in result.counterexamples for v in in_order(result, example)]
    return [(example, violation) for example, violation in found if violation.check not in result.expect]


def outcome(result: ScenarioResult) -> str:
    """One line on a scenario: the broken check in words, or what its verdict means."""
    if documented(result):
        return f"violation seen, as documented ({', '.join(one_line(check, 40) for check in result.expect)})"
    if result.verdict is Verdict.VIOLATION:
        for _, violation in culprits(result):
            return f"{one_line(violation.check, 60)}: {one_line(violation.message, 400)}"
        if result.expect:
            return f"the documented violation was not seen ({', '.join(one_line(c, 40) for c in result.expect)})"
    if result.verdict is Verdict.PASS:
        return "nothing violated"
    return one_line(result.meaning, 400) or LABELS[result.verdict]


def effort(result: ScenarioResult) -> str:
    """`24 schedules, all there are` or `200 schedules, sampled`."""
    how = ", all there are" if result.exhausted else ""
    return f"{plural(result.schedules, 'schedule')}{how}"


def reach(result: ScenarioResult | LevelResult) -> str:
    """How much of all the schedules that there are was executed."""
    if result.exhausted:
        return "all there are"
    if result.observed is Verdict.VIOLATION:
        return "until violated"
    return "exact orders" if exact_orders(result.strategy) else "sampled"


def exact_orders(strategy: str) -> bool:
    """Nothing was searched: only orders that somebody wrote down were executed."""
    return set(strategy.split(", ")) <= {"fixed", "follow"}


def headline(run: RunResult) -> str:
    """One sentence on the whole run."""
    number = {verdict: sum(1 for s in run.scenarios if s.verdict is verdict) for verdict in Verdict}
    if not run.scenarios:
        return "No scenario was run, so nothing was shown."
    total = plural(len(run.scenarios), "scenario")
    parts = [one_line(run.trouble, 400)] if run.trouble else []
    if number[Verdict.ERROR]:
        parts.append(f"the harness or its environment failed in {number[Verdict.ERROR]:,} of {total}")
    if number[Verdict.VIOLATION]:
        red = [result for result in run.scenarios if result.verdict is Verdict.VIOLATION]
        which = f": {one_line(red[0].name, 60)}" if len(red) == 1 else ""
        verb = "shows" if len(red) == 1 else "show"
        parts.append(f"{len(red):,} of {total} {verb} a violation{which}")
    if number[Verdict.INCONCLUSIVE]:
        parts.append(f"{number[Verdict.INCONCLUSIVE]:,} of {total} showed nothing either way")
    if not parts:
        parts.append(_green(run))
    sentence = "; ".join(parts) + "."
    return sentence[0].upper() + sentence[1:]


def _green(run: RunResult) -> str:
    clean = [result for result in run.scenarios if not documented(result)]
    known = len(run.scenarios) - len(clean)
    exact = sum(exact_orders(result.strategy) for result in clean)
    sampled = sum(1 for result in clean if not result.exhausted) - exact
    parts = []
    if clean:
        schedules = plural(sum(result.schedules for result in clean), "schedule")
        parts.append(f"nothing violated in {plural(len(clean), 'scenario')}, {schedules}")
    if sampled:
        parts.append(f"{sampled:,} sampled rather than exhausted")
    if exact:
        parts.append(f"{exact:,} in exact orders only")
    if known:
        parts.append(f"{plural(known, 'known-bad scenario')} violated, as documented")
    return "; ".join(parts)


def coverage(result: ScenarioResult) -> str:
    """How far the points inside functions were covered, in a line; "" where none was used."""
    covered = result.covered
    if covered is None:
        return ""
    parts = [f"{plural(covered.points, 'point')}, {covered.pairs:,} of {covered.possible:,} ordered pairs seen"]
    if covered.pruned:
        parts.append(f"{plural(covered.pruned, 'execution')} repeated an equivalent one")
    parts += [f"{one_line(o.function, 80)} ran as one step ({one_line(o.reason, 120)})" for o in covered.opaque]
    return "; ".join(parts)


def replay_command(path: str) -> str:
    """The command that runs a saved counterexample again, quoted for a shell; "" for one that cannot be replayed."""
    if not path:
        return ""
    return f"harness replay {shlex.quote(one_line(path))}"
