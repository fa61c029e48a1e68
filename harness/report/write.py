"""The files of a finished run: `results.json`, `index.html` and a picture per counterexample, in one folder."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from harness.files import write_atomically
from harness.model import Counterexample, RunResult, ScenarioResult
from harness.report.html import Attachment, render_html
from harness.report.png import timeline_png
from harness.report.results import write_results
from harness.report.text import one_line
from harness.report.timeline import timeline
from harness.report.words import in_order

INDEX = "index.html"
RESULTS = "results.json"
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def write_report(run: RunResult, folder: Path, pictures: Sequence[Sequence[tuple[str, str]]] = ()) -> Path:
    """Write `results.json`, `index.html` and one `<scenario>-<n>.png` per counterexample into `folder` (which exists).

    Returns the path of `index.html`. The page links to the files beside it that bear the name of a counterexample's
    saved schedule, so save those first, and to the `pictures` of each scenario, as `picture_names` gives them.
    """
    write_results(run, folder / RESULTS)
    attachments = [
        [
            _attach(result, example, folder / f"{stem}-{number}.png")
            for number, example in enumerate(result.counterexamples, 1)
        ]
        for result, stem in zip(run.scenarios, stems([result.name for result in run.scenarios]), strict=True)
    ]
    # Last, so that whoever finds the page finds everything it links to.
    write_atomically(folder / INDEX, render_html(run, attachments, pictures).encode())
    return folder / INDEX


def stems(names: Sequence[str]) -> list[str]:
    """File names for scenario names: safe on every file system, and different even where case is ignored."""
    found: list[str] = []
    for name in names:
        stem = unique = _UNSAFE.sub("-", name)[:60].strip("-.") or "scenario"
        number = 2
        while unique.lower() in (other.lower() for other in found):
            unique, number = f"{stem}_{number}", number + 1
        found.append(unique)
    return found


def _attach(result: ScenarioResult, example: Counterexample, path: Path) -> Attachment:
    violations = in_order(result, example)
    title = f"{one_line(result.name, 80)} · schedule {example.execution.number + 1:,}"
    labels = {step: label for _, step, label in result.covered.steps} if result.covered is not None else {}
    picture = timeline_png(timeline(example.execution.history, violations[:1]), violations, title, labels=labels)
    write_atomically(path, picture)
    return Attachment(picture=picture, files=(*_companions(path.parent, example.replay), path.name))


def _companions(folder: Path, replay: str) -> list[str]:
    """The saved schedule, and what was saved with it under the same name (its history)."""
    saved = Path(one_line(replay)).name
    stem = saved.split(".", 1)[0]
    if not stem:
        return []
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_file() and entry.name.split(".", 1)[0] == stem)
    return sorted((name for name in names if not name.endswith(".png")), key=lambda name: name != saved)
