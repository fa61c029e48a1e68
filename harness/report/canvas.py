"""Pictures as PNG bytes: one way to draw them, so that equal input gives equal bytes whatever the user has set up."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 140


def png(
    size: tuple[float, float], draw: Callable[[Figure], None], *, font_size: float = 9, constrained: bool = False
) -> bytes:
    """What ``draw`` puts on an empty figure of ``size`` (width and height in inches). Only matplotlib's object
    interface is used, so nothing global is left behind. ``constrained``: axes are fitted to their labels."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    out = io.BytesIO()
    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()  # whatever the user's matplotlibrc says
        matplotlib.rcParams.update({"font.family": "DejaVu Sans", "font.size": font_size, "hatch.linewidth": 0.7})
        warnings.simplefilter("ignore")  # a script the font lacks is drawn as boxes, which is not worth a word
        figure = Figure(figsize=size, dpi=DPI, facecolor="white", layout="constrained" if constrained else None)
        FigureCanvasAgg(figure)
        draw(figure)
        figure.savefig(out, format="png", metadata={"Software": None}, pil_kwargs={"compress_level": 4})
    return out.getvalue()
