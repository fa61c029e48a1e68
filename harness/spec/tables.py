"""Rows as a table, byte by byte as libpq's PQprint aligns them: a library function that psycopg does not offer."""

from __future__ import annotations

import re
from collections.abc import Sequence

# Numbers stand to the right. What looks like one: nothing but these, a digit last, and no E first.
_NUMERIC = re.compile(rb"(?![Ee])[0-9.Ee \-]*[0-9]")


def aligned(names: Sequence[bytes], rows: Sequence[Sequence[bytes]]) -> bytes:
    """The table of ``rows`` under ``names``, and how many rows there are; NULL is given as empty. Nothing at all when
    there are no columns. Widths count bytes, whatever the encoding."""
    if not names:
        return b""
    columns = [[row[c] for row in rows] for c in range(len(names))]
    widths = [max(map(len, (name, *values))) for name, values in zip(names, columns, strict=True)]
    numeric = [all(not v or _NUMERIC.fullmatch(v) for v in values) for values in columns]

    def line(values: Sequence[bytes]) -> bytes:
        cells = zip(values, widths, numeric, strict=True)
        return b"|".join(v.rjust(width) if right else v.ljust(width) for v, width, right in cells)

    rule = b"+".join(b"-" * width for width in widths)
    count = b"(%d row%s)" % (len(rows), b"" if len(rows) == 1 else b"s")
    return b"".join(part + b"\n" for part in (line(names), rule, *map(line, rows), count, b""))
