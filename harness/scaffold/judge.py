"""How much two calls have to do with each other: what they do alone, and one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.scaffold.bench import Bench, Call, Outcome
from harness.scaffold.schema import Table

_SMALL = 200
"""Rows of a table that is compared before and after."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two calls. ``variant``: ``retry`` (the same one twice), ``requests``, ``apart`` (about different rows),
    ``opposite``, ``first`` (the same one twice, where neither finds anything), ``both`` (of two functions). ``grade``:
    3: one after the other, a call has another effect than alone; 2: it answers something else, or the order shows in
    the rows; 1: both change rows; 0: not both. ``outcomes``: of each alone, of the second one after the first, of the
    first one after the second (only those alone at grade 0). ``meets``: how many columns both change in the same row.
    ``given``: what stands in each slot of the calls (None: nothing); ``said``: where the first call's values come from.
    """

    variant: str
    calls: tuple[Call, Call]
    grade: int
    outcomes: tuple[Outcome, ...]
    meets: int = 0
    said: tuple[str, ...] = ()
    given: tuple[tuple[str | None, ...], ...] = ()


class Judge:
    """How much calls have to do with each other (see `Pair`), in the state that the database is in. ``tables``: those
    that are compared row by row."""

    def __init__(self, bench: Bench, tables: Sequence[Table]) -> None:
        self._bench = bench
        self._tables = [t for t in tables if t.rows <= _SMALL]
        self._before = bench.cells(self._tables)
        self._alone: dict[Call, tuple[Outcome, set[tuple[str, str, str]]]] = {}

    def pair(self, variant: str, first: Call, second: Call) -> Pair:
        bench = self._bench
        one, changed = self._changed(first)
        two, also = self._changed(second)
        if not (one.changes_rows and two.changes_rows):
            return Pair(variant=variant, calls=(first, second), grade=0, outcomes=(one, two))
        with bench.aside():
            two_after = bench.run([first, second])[1]
            rows = bench.rows(self._tables)
        one_after, other_rows = two_after, rows
        if second != first:
            with bench.aside():
                one_after = bench.run([second, first])[1]
                other_rows = bench.rows(self._tables)
        if variant == "opposite" and (two_after.sqlstate or one_after.sqlstate):
            mark = 1  # who fails takes no more locks
        elif two_after.effect != two.effect or one_after.effect != one.effect:
            mark = 3
        elif two_after.answer != two.answer or one_after.answer != one.answer or rows != other_rows:
            mark = 2
        else:
            mark = 1
        outcomes = (one, two, two_after, one_after)
        meets = len({column for _, _, column in changed & also})
        return Pair(variant=variant, calls=(first, second), grade=mark, outcomes=outcomes, meets=meets)

    def _changed(self, call: Call) -> tuple[Outcome, set[tuple[str, str, str]]]:
        """What becomes of a call that is alone, and which columns of which rows it changes."""
        if call not in self._alone:
            with self._bench.aside():
                [outcome] = self._bench.run([call])
                after = self._bench.cells(self._tables)
            changed = {cell for cell, value in self._before.items() if cell in after and after[cell] != value}
            self._alone[call] = outcome, changed
        return self._alone[call]
