"""What `harness explain` does: wiring only. It reads what a run has saved, and needs neither server nor scenario."""

from __future__ import annotations

from pathlib import Path

from harness.errors import UsageError

_HISTORY = ".history.jsonl"
_SCHEDULE = ".schedule"


def explain_file(file: Path) -> int:
    """Explain the counterexample in ``file``, a schedule or a history; the other one lies beside it. The history of an
    execution that violated nothing has no schedule. Raises `UsageError`."""
    from harness.causes import reasons_of
    from harness.model import LEVELS, Counterexample, Schedule, Story, Violation
    from harness.recorded import read_history
    from harness.report.explaining import print_explanation
    from harness.schedule import read_saved

    of_history = file.name.endswith(_HISTORY)
    schedule = file.with_name(file.name.removesuffix(_HISTORY) + _SCHEDULE) if of_history else file
    history = file if of_history else file.with_suffix(_HISTORY)
    saved = read_saved(schedule) if not of_history or schedule.is_file() else None
    if not history.is_file():
        raise UsageError(f"{history}: is not there: the history lies beside the schedule, where the run has saved both")
    recorded = read_history(history, saved.schedule if saved is not None else Schedule(seed=0, decisions=()))
    if saved is None:
        if recorded.violations:
            raise UsageError(f"{schedule}: is not there: the schedule lies beside the history of a violation")
        name = file.name.removesuffix(_HISTORY)
        example = Counterexample(scenario=name, execution=recorded.execution, violations=(), replay="")
        print_explanation(example, f"{name}: violates nothing")
        return 0
    violations = recorded.violations or tuple(Violation(check=c, message="") for c in saved.checks)
    reasons = reasons_of(recorded.execution, violations, saved.isolation)
    example = Counterexample(
        scenario=saved.scenario, execution=recorded.execution, violations=violations, replay=str(schedule),
        without=saved.without, story=Story(reasons=reasons),
    )  # fmt: skip
    parts = [
        saved.scenario,
        *([f"the call {saved.case}"] if saved.case else []),
        f"PostgreSQL {saved.server}",
        *([LEVELS[saved.isolation]] if saved.isolation else []),
        saved.file,
    ]
    print_explanation(example, " · ".join(parts))
    return 0
