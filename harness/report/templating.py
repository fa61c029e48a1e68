"""What fills the templates of pages. Every text is escaped and freed of control characters."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from harness.report import text
from harness.report.text import clean

_TEMPLATES = Path(__file__).parent / "templates"


@cache
def environment() -> Any:
    """The environment of all templates; it is the same for every page."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    from harness.report.compiled import Compiled

    def finalize(value: object) -> object:
        # The last gate before the page: whatever a view forgot is cleaned here.
        return clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    return Environment(
        loader=PackageLoader("harness.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=finalize,
        bytecode_cache=Compiled(_TEMPLATES, [Path(module) for module in (__file__, text.__file__)]),
    )
