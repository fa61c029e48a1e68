"""Pictures as PNG bytes: one way to draw them, so that equal input gives equal bytes whatever the user has set up."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.files import write_atomically
from harness.report.palette import INK, MUTED, RULE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 140


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What ``draw`` puts on an empty figure of ``size`` (width and height in inches). ``constrained``: axes are fitted
    to their labels."""

    size: tuple[float, float]
    draw: Callable[[Figure], None]
    font_size: float = 9
    constrained: bool = False

    def figure(self) -> Figure:
        """The figure with everything on it: what tests read."""
        with _our_style(self.font_size):
            return self._figure()

    def png(self) -> bytes:
        """Equal figures give equal bytes: nothing tells of the time, the machine or the library's version."""
        out = io.BytesIO()
        with _our_style(self.font_size):
            figure = self._figure()
            figure.savefig(out, format="png", metadata={"Software": None}, pil_kwargs={"compress_level": 4})
        return out.getvalue()

    def _figure(self) -> Figure:
        # Only matplotlib's object interface is used, so nothing global is left behind.
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(
            figsize=self.size, dpi=DPI, facecolor="white", layout="constrained" if self.constrained else None
        )
        FigureCanvasAgg(figure)
        self.draw(figure)
        return figure


def write_picture(picture: Picture | None, path: Path) -> None:
    """Write it as PNG; no file where there is nothing to draw. Raises `SaveError`."""
    if picture is not None:
        write_atomically(path, picture.png())


def plain_axes(axes: Axes) -> None:
    """No frame but the left and lower edge, a pale grid, quiet ticks."""
    axes.grid(visible=True, which="major", color=RULE, linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(MUTED)
    axes.tick_params(colors=MUTED, labelcolor=INK)


@contextmanager
def _our_style(font_size: float) -> Iterator[None]:
    import matplotlib

    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()  # whatever the user's matplotlibrc says
        matplotlib.rcParams.update(
            # The font comes with matplotlib. No text is ever read as a formula, wherever it came from.
            {"font.family": "DejaVu Sans", "font.size": font_size, "hatch.linewidth": 0.7, "text.parse_math": False}
        )
        warnings.simplefilter("ignore")  # a script the font lacks is drawn as boxes, which is not worth a word
        yield
