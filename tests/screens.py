"""A terminal that shows what is written to it, and knows only what ours is allowed to send."""

from __future__ import annotations

import io
import re

from rich.cells import cell_len

_TOKEN = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|(\r)|(\n)|([^\x00-\x1f\x7f])")


class Screen(io.StringIO):
    """``rows``: what is shown. ``pictures``: every line of it that was ever shown, after each write. Raises
    `AssertionError` for a control that is not among: colours, up, erase the line."""

    encoding = "utf-8"

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.rows = [""]
        self._wrapped = [False]
        """Whether a row goes on in the next one."""
        self._row = self._column = 0
        self.pictures: list[str] = []
        self.colours: set[str] = set()

    def isatty(self) -> bool:
        return True

    @property
    def text(self) -> str:
        """All that is shown, as lines."""
        lines = [""]
        for row, goes_on in zip(self.rows, self._wrapped, strict=True):
            lines[-1] += row
            lines += [] if goes_on else [""]
        return "\n".join(line.rstrip() for line in lines).rstrip("\n") + "\n"

    def resize(self, width: int) -> None:
        """As most terminals do: long lines are broken anew. The cursor stands at the end of all."""
        lines = self.text.rstrip("\n").split("\n")
        self.width, self.rows, self._wrapped, self._row, self._column = width, [""], [False], 0, 0
        self._show("\n".join(lines))

    def write(self, text: str) -> int:
        self._show(text)
        self.pictures += self.text.split("\n")
        return super().write(text)

    def _show(self, text: str) -> None:
        shown = 0
        for token in _TOKEN.finditer(text):
            assert token.start() == shown, f"unknown control: {text[shown : shown + 10]!r}"
            shown = token.end()
            argument, final, back, down, char = token.groups()
            if back:
                self._column = 0
            elif down:
                self._down(goes_on=False)
            elif char:
                self._put(char)
            elif final == "m":
                self.colours.add(argument)
            elif final == "K":
                assert argument == "2"
                self.rows[self._row] = ""
                self._wrapped[self._row] = False
            else:
                assert final == "A", f"unknown control: {token[0]!r}"
                self._row -= int(argument or 1)
                assert self._row >= 0, "above the first line"
        assert shown == len(text), f"unknown control: {text[shown:]!r}"

    def _down(self, *, goes_on: bool) -> None:
        self._wrapped[self._row] = goes_on
        self._row, self._column = self._row + 1, 0
        if self._row == len(self.rows):
            self.rows.append("")
            self._wrapped.append(False)

    def _put(self, char: str) -> None:
        cells = cell_len(char)
        if self._column + cells > self.width:
            self._down(goes_on=True)
        row = self.rows[self._row]
        self.rows[self._row] = row[: self._column].ljust(self._column) + char + row[self._column + 1 :]
        self._column += cells
