"""JUnit XML, as CI systems read it: one test case per scenario; what is inconclusive fails, nothing is skipped."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

from harness.files import write_atomically
from harness.model import Counterexample, RunResult, ScenarioResult, Verdict, Violation
from harness.report.grid import timeline_text
from harness.report.places import place_of
from harness.report.text import clean, one_line
from harness.report.timeline import Timeline, with_tables
from harness.report.words import coverage, documented, effort, headline, outcome, replay_command, undocumented

WIDTH = 120
_MESSAGE = 400
_LONG = 4_000


def junit_xml(run: RunResult) -> str:
    """The run as a JUnit document, with an XML declaration.

    It keeps to what the schemas of Surefire and Jenkins have in common. Of several `failure` elements in a case readers
    show the first one only, or refuse the file, so there is one, and it tells of all violations; of several cases of a
    name they may show one, so a name that comes again goes with its file.
    """
    failures = sum(result.verdict in (Verdict.VIOLATION, Verdict.INCONCLUSIVE) for result in run.scenarios)
    errors = sum(result.verdict is Verdict.ERROR for result in run.scenarios)
    counts = {
        "tests": str(len(run.scenarios)),
        "failures": str(failures),
        "errors": str(errors),
        "time": f"{run.elapsed_s:.3f}",
    }
    root = ET.Element("testsuites", {"name": "refund-harness", **counts})
    suite = ET.SubElement(root, "testsuite", {"name": "refund-harness", **counts, "skipped": "0"})
    properties = ET.SubElement(suite, "properties")
    for name, value in (("seed", str(run.seed)), ("server_version", run.server_version), ("summary", headline(run))):
        ET.SubElement(properties, "property", {"name": name, "value": one_line(value, _MESSAGE)})
    times = Counter(one_line(result.name, 200) for result in run.scenarios)
    for result in run.scenarios:
        name = one_line(result.name, 200)
        _case(suite, result, name if times[name] == 1 else f"{name} ({one_line(result.file, 200)})")
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def write_junit(run: RunResult, path: Path) -> None:
    """Write the JUnit document to `path` in one step."""
    write_atomically(path, junit_xml(run).encode())


def _case(suite: ET.Element, result: ScenarioResult, name: str) -> None:
    attributes = {"name": name, "classname": "refund-harness", "file": one_line(result.file, 200)}
    case = ET.SubElement(suite, "testcase", {**attributes, "time": f"{result.elapsed_s:.3f}"})
    if result.verdict is not Verdict.PASS:
        _failed(case, result)
    said = (outcome(result) if documented(result) else "", result.meaning, effort(result), coverage(result))
    ET.SubElement(case, "system-out").text = clean("\n".join(filter(None, said)), _LONG)


def _failed(case: ET.Element, result: ScenarioResult) -> None:
    node = ET.SubElement(case, "error" if result.verdict is Verdict.ERROR else "failure")
    if found := undocumented(result):
        _, first = found[0]
        more = f" (and {len(found) - 1:,} more)" if len(found) > 1 else ""
        node.set("message", one_line(first.message, _MESSAGE) + more)
        node.set("type", one_line(first.check, 200))
        node.text = "\n\n".join(_told(*told) for told in with_tables(found))
    else:
        node.set("message", outcome(result))
        node.set("type", result.verdict.value)
        node.text = clean(result.meaning, _LONG)


def _told(example: Counterexample, violation: Violation, drawn: Timeline) -> str:
    """What is broken, where, in which order of events, and how to see it again."""
    place = place_of(example, violation)
    command = replay_command(example.replay)
    parts = [
        f"{one_line(violation.check, 200)}: {clean(violation.message, _LONG)}",
        f"at {one_line(place.file, 400)}:{place.line} ({one_line(place.step, 200)})" if place is not None else "",
        timeline_text(drawn, WIDTH),
        f"again: {command}\n" if command else "",
    ]
    return "\n\n".join(filter(None, parts))
