"""From trials to scores: pure counting."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from statistics import median

from harness.mutants.setting import AUTO
from harness.mutation import (
    BASELINES,
    PLAIN,
    MutantResult,
    MutationRun,
    SettingResult,
    Spread,
    StrategyScore,
    Trial,
)


def deciding(strategies: Sequence[str], named: Collection[str]) -> tuple[str, ...]:
    """Those of ``strategies`` whose survivors make the run fail: the ``named`` ones that search, else `AUTO`. Baselines
    never do; `PLAIN` has a rule of its own."""
    if not named:
        return tuple(s for s in strategies if s == AUTO)
    return tuple(s for s in strategies if s in named and s not in BASELINES and s != PLAIN)


def spread(values: Iterable[float]) -> Spread | None:
    """None for no values."""
    ordered = sorted(values)
    if not ordered:
        return None
    p90 = ordered[math.ceil(0.9 * len(ordered)) - 1]
    return Spread(median=median(ordered), p90=p90, max=ordered[-1])


def scored(strategy: str, trials: Sequence[Trial], *, decides: bool) -> StrategyScore:
    """The score of one strategy over all its trials."""
    reached = [t for t in trials if t.reached]
    return StrategyScore(
        strategy=strategy,
        decides=decides,
        trials=len(reached),
        killed=sum(t.killed for t in reached),
        schedules=spread(t.schedules for t in reached if t.schedules is not None),
        after_serial=spread(t.after_serial for t in reached if t.after_serial is not None),
        seconds=spread(t.seconds for t in reached if t.seconds is not None),
    )


def whole_run(
    strategies: Sequence[str],
    named: Collection[str],
    settings: Sequence[SettingResult],
    mutants: Sequence[MutantResult],
    *,
    server_version: str,
    seed: int,
    seeds: int,
    elapsed_s: float,
) -> MutationRun:
    """The run with its scores. ``strategies``: what was run, in order; ``named``: what was asked for by name (none: the
    default)."""
    decide = deciding(strategies, named)
    scores = tuple(
        scored(name, [t for m in mutants for t in m.of(name)], decides=name in decide) for name in strategies
    )
    reached = sum(s.trials for s in scores if s.decides)
    killed = sum(s.killed for s in scores if s.decides)
    return MutationRun(
        server_version=server_version,
        seed=seed,
        seeds=seeds,
        elapsed_s=elapsed_s,
        score=killed / reached if reached else None,
        strategies=scores,
        settings=tuple(settings),
        mutants=tuple(mutants),
    )
