"""What `harness check` says before the run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from harness.adhoc.check import Ready
from harness.model import Going, ScenarioResult


class Reporter(Protocol):
    """Whom a run tells; see `harness.run`."""

    def scenario_started(self, name: str) -> None: ...
    def interleaving_started(self, name: str, look: Callable[[], Going]) -> None: ...
    def schedule_done(self, name: str, done: int, violations: int) -> None: ...
    def campaign_over(self, result: ScenarioResult) -> None: ...
    def scenario_done(self, result: ScenarioResult) -> None: ...


class Announced:
    """A reporter whose first words are ``PostgreSQL 18.6 (embedded) · refund.sql installed · 2 workers`` (not when
    ``quiet``) and the notices; all else goes to ``inner``."""

    def __init__(self, inner: Reporter, ready: Ready, say: Callable[[str], object], *, quiet: bool) -> None:
        self._ready, self._say, self._quiet = ready, say, quiet
        self.scenario_started = inner.scenario_started
        self.interleaving_started = inner.interleaving_started
        self.schedule_done = inner.schedule_done
        self.campaign_over = inner.campaign_over
        self.scenario_done = inner.scenario_done

    def run_started(self, target_description: str, server_version: str, n_scenarios: int) -> None:  # noqa: ARG002
        if not self._quiet:
            self._say(f"PostgreSQL {server_version} ({target_description}) · {self._ready.head}")
        for notice in self._ready.notices:
            self._say(notice)
