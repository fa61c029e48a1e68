"""A picture that is squares, marks and words alone, as PNG bytes.

Most runs draw one of these and nothing else, and the library behind `harness.report.canvas` takes half a second to be
loaded. Pillow, which does here, takes a twentieth of that.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.report.palette import INK

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

DPI = 140
_POINT = DPI / 72
_FINER = 4
"""Slanting edges are drawn so many times larger: Pillow's own are steps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A square or rectangle with its upper left corner at (x, y)."""

    x: float
    y: float
    width: float
    height: float
    fill: str


class Shape(Enum):
    """Of a mark; ``CORNER``: a triangle in the upper left one."""

    CROSS = "cross"
    DASH = "dash"
    CORNER = "corner"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A mark in the middle of (x, y) and, where it is a corner, with its own there. ``size``: of its sides."""

    shape: Shape
    x: float
    y: float
    size: float
    color: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """One line. ``size`` in points. ``anchor`` as Pillow has them: which point of the line stands at (x, y), left,
    middle or right and ascender, middle or descender. ``upright``: read from below, and begins at (x, y)."""

    x: float
    y: float
    text: str
    size: float
    color: str = INK
    bold: bool = False
    anchor: str = "lm"
    upright: bool = False


Shown = Box | Mark | Words


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """What is drawn on white paper of ``size`` (width and height), one above the other. All lengths in inches, from the
    upper left."""

    size: tuple[float, float]
    shown: Sequence[Shown]

    def png(self) -> bytes:
        """Equal sheets give equal bytes: nothing tells of the time or the machine."""
        from PIL import Image, ImageDraw

        width, height = (max(round(inches * DPI), 1) for inches in self.size)
        image = Image.new("RGB", (width, height), "white")
        draw = ImageDraw.Draw(image)
        for item in self.shown:
            match item:
                case Box():
                    corner = (_pixels(item.x + item.width) - 1, _pixels(item.y + item.height) - 1)
                    draw.rectangle((_pixels(item.x), _pixels(item.y), *corner), fill=item.fill)
                case Mark():
                    _mark(image, item)
                case Words(upright=True):
                    _upright(image, item)
                case Words():
                    place = (_pixels(item.x), _pixels(item.y))
                    draw.text(place, item.text, font=_font(item.size, item.bold), fill=item.color, anchor=item.anchor)
        out = io.BytesIO()
        image.save(out, format="png", compress_level=4)
        return out.getvalue()


def _pixels(inches: float) -> int:
    return round(inches * DPI)


@cache
def _font(size: float, bold: bool) -> FreeTypeFont:
    """The letters that come with matplotlib, which need not be loaded for that. The simple layout: what another one
    would need is not there on every machine."""
    from PIL import ImageFont

    spec = find_spec("matplotlib")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    [folder] = spec.submodule_search_locations
    file = Path(folder) / "mpl-data" / "fonts" / "ttf" / ("DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf")
    return ImageFont.truetype(file, size * _POINT, layout_engine=ImageFont.Layout.BASIC)


def _upright(image: Image, words: Words) -> None:
    from PIL import Image as Images
    from PIL import ImageDraw

    font = _font(words.size, words.bold)
    ascent, descent = font.getmetrics()
    strip = Images.new("L", (max(round(font.getlength(words.text)), 1), ascent + descent), 0)
    ImageDraw.Draw(strip).text((0, ascent), words.text, font=font, fill=255, anchor="ls")
    turned = strip.transpose(Images.Transpose.ROTATE_90)
    x, y = _pixels(words.x), _pixels(words.y)
    image.paste(words.color, (x - turned.width // 2, y - turned.height), turned)


def _mark(image: Image, mark: Mark) -> None:
    side = _pixels(mark.size)
    tile = _tile(mark.shape, side)
    x, y = _pixels(mark.x), _pixels(mark.y)
    place = (x, y) if mark.shape is Shape.CORNER else (x - side // 2, y - side // 2)
    image.paste(mark.color, place, tile)


@cache
def _tile(shape: Shape, side: int) -> Image:
    """How much of each pixel the mark covers."""
    from PIL import Image, ImageDraw

    large = side * _FINER
    image = Image.new("L", (large, large), 0)
    _outline(ImageDraw.Draw(image), shape, large)
    return image.resize((side, side), Image.Resampling.BOX)


def _outline(draw: ImageDraw, shape: Shape, side: int) -> None:
    stroke: dict[str, Any] = {"fill": 255, "width": max(side // 6, 1)}
    inset = side // 8
    match shape:
        case Shape.CROSS:
            draw.line((inset, inset, side - inset, side - inset), **stroke)
            draw.line((inset, side - inset, side - inset, inset), **stroke)
        case Shape.DASH:
            draw.line((0, side // 2, side, side // 2), fill=255, width=max(side // 7, 1))
        case Shape.CORNER:
            draw.polygon([(0, 0), (side, 0), (0, side)], fill=255)
