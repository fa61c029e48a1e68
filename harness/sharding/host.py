"""In a shard: a server, a stage for the campaign that was asked for last, and worker processes."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import Any, Self

from harness.db import answering
from harness.driver.pool import WorkerPool
from harness.errors import HarnessError, TargetError
from harness.model import Decision, Effect
from harness.sharding.judged import judged
from harness.sharding.work import Batch, Place, Play, Recorded
from harness.stage import Stage
from harness.strategies.around import Around
from harness.strategies.protocol import Strategy
from harness.targets import open_target
from harness.targets.databases import Databases


class Host:
    """A context manager that leaves nothing behind. Raises what its server and the batches raise."""

    def __init__(self, place: Place) -> None:
        self._last = ExitStack()
        self._stage: Stage | None = None
        self._digest = ""
        try:
            target = open_target(place.target, pg_bin=place.pg_bin, embedded=place.settings or None)
            self._target = self._last.enter_context(target)
            if place.server_version not in ("", target.server_version):
                raise TargetError(
                    f"PostgreSQL {target.server_version} here, {place.server_version} where the campaign is: "
                    f"orders that exist on the one need not exist on the other"
                )
            self._databases = Databases(target)
            self._last.callback(self._databases.close)
            self._pool = self._last.enter_context(WorkerPool())
        except BaseException:
            self._last.close()
            raise

    def execute(self, batch: Batch) -> list[Recorded]:
        """Execute by every guide, in order; fewer than there are when one fails that is not the first."""
        same = _Same()
        found: list[Recorded] = []
        with answering():
            stage = self._on_stage(batch.play)
            for guide in batch.guides:
                strategy = _Watched(guide.strategy())
                strategy.start()
                try:
                    execution = stage.execute(strategy, stage.next_number(), seed=batch.play.seed)
                    one = judged(stage.context(execution, None), stage)
                except HarnessError:
                    if not found:
                        raise
                    self._leave_stage()
                    break
                wanted = one.violated or (batch.passing and one.overlapped)
                found.append(
                    Recorded(
                        judged=replace(
                            one,
                            decisions=tuple(same.decision(d) for d in one.decisions),
                            results=one.results if one.told else same.one(one.results),
                            execution=execution if wanted else None,
                        ),
                        effects=tuple(same.effect(e) for e in strategy.effects),
                    )
                )
        return found

    def close(self) -> None:
        try:
            self._leave_stage()
        finally:
            self._last.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _on_stage(self, play: Play) -> Stage:
        """One campaign at a time: shards are few, and so are campaigns that need them."""
        if self._stage is None or play.digest != self._digest:
            self._leave_stage()
            self._stage = Stage(
                play.scenario, self._target, self._databases, self._pool, inside=play.inside, isolation=play.isolation
            )
            self._digest = play.digest
        return self._stage

    def _leave_stage(self) -> None:
        stage, self._stage = self._stage, None
        if stage is not None:
            stage.close()


class _Same:
    """Of what is equal the first one: it travels once, and is unpacked once."""

    def __init__(self) -> None:
        self._known: dict[Any, Any] = {}

    def one(self, value: Any) -> Any:
        return self._known.setdefault(value, value)

    def decision(self, made: Decision) -> Decision:
        known: Decision | None = self._known.get(made)
        if known is None:
            enabled = self.one(tuple(self.one(choice) for choice in made.enabled))
            known = self._known[made] = replace(made, choice=self.one(made.choice), enabled=enabled)
        return known

    def effect(self, seen: Effect) -> Effect:
        known: Effect | None = self._known.get(seen)
        if known is None:
            parts = {name: self.one(getattr(seen, name)) for name in ("footprint", "seen", "held", "workers", "ended")}
            known = self._known[seen] = replace(seen, **parts)
        return known


class _Watched(Around):
    """``effects``: what each turn did."""

    def __init__(self, inner: Strategy) -> None:
        super().__init__(inner)
        self.effects: list[Effect] = []

    def observe(self, effect: Effect) -> None:
        self.effects.append(effect)
        super().observe(effect)
