"""The page of a run: one self-contained `index.html` that needs no network, and reads fully without JavaScript."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from typing import Any

from harness.model import RunResult
from harness.report.page_player import json_block
from harness.report.page_run import Attachment, run_view
from harness.report.text import clean

__all__ = ["Attachment", "render_html"]


def render_html(
    run: RunResult,
    attachments: Sequence[Sequence[Attachment]] = (),
    pictures: Sequence[Sequence[tuple[str, str]]] = (),
) -> str:
    """The whole page. `attachments`: for each scenario, one per counterexample, in their order; may be shorter.
    `pictures`: for each scenario, kind and file name of those that lie beside the page; may be shorter.

    Every text is escaped and freed of control characters; long ones are cut with a note. A browser runs no script and
    applies no style but the page's own, which its policy names by their hashes.
    """
    from markupsafe import Markup

    environment, style, script = _templates()
    view = run_view(run, attachments, pictures)
    page = environment.get_template("report.html.j2").render(
        {
            **view,
            "data": Markup(json_block(view["data"])),
            "style": Markup(style),
            "script": Markup(script),
            "policy": Markup(_policy(style, script)),
        }
    )
    return str(page)


@cache
def _templates() -> tuple[Any, str, str]:
    """The environment of the page's templates, its style and its script; they are the same for every page."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    def finalize(value: object) -> object:
        # The last gate before the page: whatever a view forgot is cleaned here.
        return clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    templates = PackageLoader("harness.report")
    environment = Environment(
        loader=templates,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=finalize,
    )
    style, script = (templates.get_source(environment, name)[0] for name in ("report.css", "report.js"))
    return environment, style, script


def _policy(style: str, script: str) -> str:
    return (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; img-src data:; "
        "connect-src 'none'; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
