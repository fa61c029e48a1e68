"""The colours of pictures: the page's for paper, words and rules, Okabe and Ito's for what is told apart by colour.

Theirs are told apart by all common kinds of colour vision; what matters differs in form as well.
"""

from __future__ import annotations

from typing import Final

INK: Final = "#1d2126"
MUTED: Final = "#5d6672"
RULE: Final = "#d5d9df"
PALE: Final = "#f1f3f5"
RED: Final = "#a8320a"
"""Of words that name a violation: dark enough to be read on white."""
RED_TINT: Final = "#fcefe8"
GREEN: Final = "#0a6b4c"
"""Of words that name what is right."""
GREEN_TINT: Final = "#e0f1ea"

BLUE: Final = "#0072b2"
VERMILION: Final = "#d55e00"
BLUISH_GREEN: Final = "#009e73"
PURPLE: Final = "#cc79a7"
ORANGE: Final = "#e69f00"
SKY: Final = "#56b4e9"
BLACK: Final = "#000000"
BLUES: Final = ("#e3eff8", "#b5d5ec", "#7db6dc", "#3f92c6", "#0072b2", "#004d80")
"""From little to much: lightness alone tells them apart."""
