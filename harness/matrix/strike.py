"""One execution in which a fault is to strike, judged."""

from __future__ import annotations

from dataclasses import dataclass

from harness.campaign import Options
from harness.checks import judge
from harness.matrix.evidence import fired
from harness.model import Execution, Violation
from harness.stage import Stage
from harness.strategies.faulted import Faulted
from harness.strategies.protocol import Strategy
from harness.strategies.struck import Struck


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """``fired``: the events show that the fault struck."""

    execution: Execution
    violations: tuple[Violation, ...]
    fired: bool


def strike(stage: Stage, strategy: Faulted | Struck, options: Options) -> Strike:
    """Execute ``strategy``, which has not been started, and judge what happened. Raises `HarnessError`."""
    strategy.start()
    execution, violations = executed(stage, strategy, options)
    struck = fired(execution, strategy.worker, strategy.action, strategy.turn)
    return Strike(execution=execution, violations=violations, fired=struck)


def executed(stage: Stage, strategy: Strategy, options: Options) -> tuple[Execution, tuple[Violation, ...]]:
    """One execution of a strategy that has been started, and what it violates. Raises `HarnessError`."""
    execution = stage.execute(strategy, stage.next_number(), seed=options.seed)
    context = stage.context(execution, None)
    violations = tuple(v for result in judge(context) for v in result.violations)
    if options.watch is not None:
        options.watch(context)
    return execution, violations
