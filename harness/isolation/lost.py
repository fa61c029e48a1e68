"""Operations that are lost to serialization failures: the price of the stronger levels, and no violation."""

from __future__ import annotations

from dataclasses import dataclass, replace

from harness.campaign import Options
from harness.checks.protocol import Context
from harness.model import EventKind, Worker

SERIALIZATION_FAILURE = "40001"


@dataclass(slots=True)
class Lost:
    """Counts the executions in which a serialization failure ended a worker."""

    executions: int = 0

    def counted(self, options: Options) -> Options:
        """``options`` under which every execution of a campaign is counted here as well."""
        watch = options.watch

        def both(context: Context) -> None:
            self.executions += any(ended_by_failure(context, w) for w in context.scenario.workers)
            if watch is not None:
                watch(context)

        return replace(options, watch=both)


def ended_by_failure(context: Context, worker: Worker) -> bool:
    """Whether the last thing that the worker was told is a serialization failure, after which it did not go on: with
    `on_error: retry` the next attempt would have followed."""
    mine = [op for op in context.operations if op.worker == worker.name]
    if not mine or worker.keep_going:
        return False
    return mine[-1].outcome is EventKind.FAIL and mine[-1].sqlstate == SERIALIZATION_FAILURE
