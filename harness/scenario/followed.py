"""Choices to follow: parsed. What the SQL must still say for them is not asked: they outlive its changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.model import MARKS, Action, Choice, Worker
from harness.scenario.orders import FAULTS
from harness.scenario.schema import StepSpec, nearest
from harness.scenario.yamltext import Document, Path_

COMMIT = ":commit"
"""Ends the name of the commit behind a statement that is its own transaction."""


def check_followed(
    document: Document, where: Path_, steps: Sequence[StepSpec], workers: Sequence[Worker]
) -> tuple[Choice, ...]:
    """The choices that ``steps`` name. A step with a colon is a point inside a function (``refund:41``), which may be
    gone by now; any other is a statement of the worker, or a fault. Raises `ScenarioError`."""
    return tuple(_choices(document, where, steps, {w.name: w for w in workers}))


def _choices(
    document: Document, where: Path_, steps: Sequence[StepSpec], workers: dict[str, Worker]
) -> Iterator[Choice]:
    for i, spec in enumerate(steps):
        place = (*where, i)
        name, dot, step = spec.step.partition(".")
        if not (name and dot and step) or any(c.isspace() for c in step):
            raise document.error(place, f"{spec.step!r}: a step is written worker.step")
        if name not in workers:
            raise document.error(place, f"unknown worker {name!r}{nearest(name, list(workers))}")
        if step in FAULTS:
            if spec.mark:
                raise document.error(place, f"{spec.step} is a fault: it cannot be {spec.mark}")
            yield Choice(worker=name, action=FAULTS[step])
            continue
        names = [s.name for s in workers[name].statements]
        statement = step.removesuffix(COMMIT)
        if (":" not in step or statement != step) and statement not in names:
            raise document.error(place, f"{name} has no step {statement!r}{nearest(statement, [*names, *FAULTS])}")
        yield Choice(worker=name, step=step, action=MARKS.get(spec.mark or "", Action.RUN))
