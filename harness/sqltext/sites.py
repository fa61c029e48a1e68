"""Numbers and names the sites of one routine as gates are put into it."""

from __future__ import annotations

from collections import Counter

from harness.model import Footprint, Site, SiteKind
from harness.sqltext.catalog import Catalog, Routine
from harness.sqltext.describe import one_line

__all__ = ["Sites"]

TEXT_LENGTH = 4_000
"""Of a statement's text in a history, from which explanations are read: a label cut short would tell nothing."""


class Sites:
    """The sites of ``routine``, numbered from ``first_number``."""

    def __init__(self, routine: Routine, catalog: Catalog, first_number: int) -> None:
        self.sites: list[Site] = []
        self._routine, self._first = routine, first_number
        same = catalog.by_name.get(routine.name, (routine,))
        number = [r.identity for r in same].index(routine.identity) + 1
        name = "_".join(routine.name.split())
        self._name = name if number == 1 else f"{name}#{number}"
        self._on_line: Counter[int] = Counter()

    @property
    def next(self) -> int:
        """The number that the next site will have."""
        return self._first + len(self.sites)

    def add(
        self,
        kind: SiteKind,
        line: int,
        headline: str,
        text: str,
        footprint: Footprint,
        *,
        undoes: bool = False,
        nests: bool = False,
    ) -> int:
        """A site before a statement; its number."""
        self._on_line[line] += 1
        count = self._on_line[line]
        name = f"{self._name}:{line}" if count == 1 else f"{self._name}:{line}.{count}"
        return self._add(name, kind, line, f"{name} {headline}", text, footprint, undoes, nests)

    def add_overlap(self, headline: str, footprint: Footprint) -> int:
        """The site inside the statement that the last site stands before; its number."""
        last = self.sites[-1]
        label = f"{last.id} {headline}, between snapshot and scan"
        kind = SiteKind.OVERLAP
        return self._add(f"{last.id}~", kind, last.line, label, last.text, footprint, last.undoes, last.nests)

    def _add(
        self,
        name: str,
        kind: SiteKind,
        line: int,
        label: str,
        text: str,
        footprint: Footprint,
        undoes: bool,
        nests: bool,
    ) -> int:
        number = self.next
        self.sites.append(
            Site(
                id=name, number=number, function=self._routine.identity, line=line, label=label, kind=kind,
                footprint=footprint, text=one_line(text, TEXT_LENGTH), undoes=undoes, nests=nests,
            )
        )  # fmt: skip
        return number
