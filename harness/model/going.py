"""How far a campaign is while it goes on: for whoever watches it."""

from __future__ import annotations

from dataclasses import dataclass

from harness.model.judgement import Covered


@dataclass(frozen=True, slots=True, kw_only=True)
class Going:
    """One interleaving of a campaign, an exact order or a search. ``executed``: of it, of ``limit`` at most; ``after``:
    the most executions that may follow in other interleavings. ``exhausted``: it came to an end of its own.
    ``covered``: by the whole campaign so far, None where nothing goes inside functions. ``violated``: names of checks;
    ``documented``: of these, the ones whose violation the scenario expects."""

    strategy: str
    executed: int
    limit: int
    after: int = 0
    exhausted: bool = False
    covered: Covered | None = None
    violated: tuple[str, ...] = ()
    documented: tuple[str, ...] = ()
