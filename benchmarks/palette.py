"""PNG files of few bytes: a palette in place of sixteen million colours.

python benchmarks/palette.py FROM TO
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from PIL import Image

COLOURS = 256


def slim(png: bytes) -> bytes:
    """The same picture with at most `COLOURS` colours; equal bytes give equal bytes."""
    out = io.BytesIO()
    with Image.open(io.BytesIO(png)) as picture:
        few = picture.convert("RGB").quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        few.save(out, format="PNG", optimize=True)
    return out.getvalue()


def write_slim(png: bytes, file: Path) -> None:
    """Write ``png`` to ``file``, slimmed, and say so."""
    file.write_bytes(slim(png))
    print(f"docs/images/{file.name}  {file.stat().st_size // 1000} kB")


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:])
    write_slim(source.read_bytes(), target)
