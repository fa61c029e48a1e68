"""JUnit XML, as CI systems read it: one test case per scenario; what is inconclusive fails, nothing is skipped."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

from harness.files import write_atomically
from harness.model import RunResult, ScenarioResult, Verdict
from harness.report.grid import timeline_text
from harness.report.text import clean, one_line
from harness.report.timeline import timeline
from harness.report.words import documented, headline, in_order, outcome, replay_command

WIDTH = 120
_MESSAGE = 400


def junit_xml(run: RunResult) -> str:
    """The run as a JUnit document, with an XML declaration."""
    failures = sum(result.verdict in (Verdict.VIOLATION, Verdict.INCONCLUSIVE) for result in run.scenarios)
    errors = sum(result.verdict is Verdict.ERROR for result in run.scenarios)
    counts = {
        "tests": str(len(run.scenarios)),
        "failures": str(failures),
        "errors": str(errors),
        "time": f"{run.elapsed_s:.3f}",
    }
    root = ET.Element("testsuites", {"name": "refund-harness", **counts})
    suite = ET.SubElement(root, "testsuite", {"name": "refund-harness", **counts})
    properties = ET.SubElement(suite, "properties")
    for name, value in (("seed", str(run.seed)), ("server_version", run.server_version), ("summary", headline(run))):
        ET.SubElement(properties, "property", {"name": name, "value": one_line(value, _MESSAGE)})
    for result in run.scenarios:
        _case(suite, result)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def write_junit(run: RunResult, path: Path) -> None:
    """Write the JUnit document to `path` in one step."""
    write_atomically(path, junit_xml(run).encode())


def _case(suite: ET.Element, result: ScenarioResult) -> None:
    attributes = {"name": result.name, "classname": "refund-harness", "file": result.file}
    case = ET.SubElement(suite, "testcase", {key: one_line(value, 200) for key, value in attributes.items()})
    case.set("time", f"{result.elapsed_s:.3f}")
    if result.verdict is Verdict.PASS:
        if said := "\n".join(part for part in (outcome(result) if documented(result) else "", result.meaning) if part):
            ET.SubElement(case, "system-out").text = clean(said, 4_000)
        return
    tag = "error" if result.verdict is Verdict.ERROR else "failure"
    described = False
    for example in result.counterexamples if result.verdict is Verdict.VIOLATION else ():
        table = timeline_text(timeline(example.execution.history, example.violations), WIDTH)
        for violation in in_order(result, example):
            if violation.check in result.expect:
                continue  # documented, so not what failed
            described = True
            node = ET.SubElement(case, tag, {"type": one_line(violation.check, 200)})
            node.set("message", one_line(violation.message, _MESSAGE))
            again = f"again: {command}\n" if (command := replay_command(example.replay)) else ""
            node.text = f"{clean(violation.message, 4_000)}\n\n{table}\n\n{again}"
    if not described:
        node = ET.SubElement(case, tag, {"type": result.verdict.value, "message": outcome(result)})
        node.text = clean(result.meaning, 4_000)
