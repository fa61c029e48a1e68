"""The page of a run: one self-contained `index.html` that needs no network, and reads fully without JavaScript."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence

from harness.model import RunResult
from harness.report.page_player import json_block
from harness.report.page_run import Attachment, run_view
from harness.report.templating import environment

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

    templates = environment()
    style, script = (templates.loader.get_source(templates, name)[0] for name in ("report.css", "report.js"))
    view = run_view(run, attachments, pictures)
    page = templates.get_template("report.html.j2").render(
        {
            **view,
            "data": Markup(json_block(view["data"])),
            "style": Markup(style),
            "script": Markup(script),
            "policy": Markup(_policy(style, script)),
        }
    )
    return str(page)


def _policy(style: str, script: str) -> str:
    return (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; img-src data:; "
        "connect-src 'none'; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
