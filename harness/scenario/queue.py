"""The key ``queue``: a worker for every delivery that the model of the queue makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.model import Worker
from harness.queue.bull import deliveries
from harness.queue.precedence import predecessors
from harness.queue.settings import Delivery, Happening, JobState, Settings
from harness.scenario.schema import QueueSpec, nearest
from harness.scenario.yamltext import Document


def delivered(document: Document, spec: QueueSpec, workers: Sequence[Worker]) -> tuple[Worker, ...]:
    """Each delivery of the job as a worker with the statements of the one that it is given to, which must have ended
    before another begins where the model says so; all others run at once. The first delivery to a worker keeps its
    name, the second becomes ``name_2``. Raises `ScenarioError`: an unknown worker, one that is never given the job, a
    job that nobody is left to take."""
    names = [w.name for w in workers]
    for key, given in (("stalls", spec.stalls), ("fails", spec.fails)):
        for i, name in enumerate(given):
            if name not in names:
                raise document.error(("queue", key, i), f"unknown worker {name!r}{nearest(name, names)}")
            if name in given[:i] or (key == "fails" and name in spec.stalls):
                raise document.error(("queue", key, i), f"{name!r} stands twice: one thing befalls a worker")
    run = deliveries(_settings(spec), [spec.job], names, _happenings(spec))
    if run.jobs[spec.job] is JobState.WAITING:
        raise document.error(("queue",), f"nobody is left to take {spec.job} once more: it needs another worker")
    taking = [d.worker for d in run.deliveries]
    for name in names:
        if name not in taking:
            message = f"{name} is never given {spec.job}: it needs more `stalls` or `fails`, or fewer workers"
            raise document.error(("workers", name), message)
    called = _names(document, run.deliveries, names)
    by_name = {w.name: w for w in workers}
    return tuple(
        replace(by_name[d.worker], name=name, after=tuple(called[i] for i in before))
        for d, name, before in zip(run.deliveries, called, predecessors(run.deliveries), strict=True)
    )


def _settings(spec: QueueSpec) -> Settings:
    return Settings(
        lock_duration=spec.lock_duration,
        stalled_interval=spec.stalled_interval,
        max_stalled_count=spec.max_stalled_count,
        attempts=spec.attempts,
        backoff=spec.backoff,
    )


def _happenings(spec: QueueSpec) -> list[Happening]:
    stalled = [Happening(worker=name, silent_from=0, takes=None) for name in spec.stalls]
    return [*stalled, *(Happening(worker=name, fails=True, takes=1) for name in spec.fails)]


def _names(document: Document, found: Sequence[Delivery], names: Sequence[str]) -> list[str]:
    called: list[str] = []
    for i, delivery in enumerate(found):
        n = sum(d.worker == delivery.worker for d in found[: i + 1])
        name = delivery.worker if n == 1 else f"{delivery.worker}_{n}"
        if n > 1 and name in names:
            raise document.error(("workers", name), f"{name} is what delivery {n} to {delivery.worker} is called")
        called.append(name)
    return called
