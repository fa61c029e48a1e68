"""Scenario files: text → Scenario, with errors that carry file, line and column."""

from pathlib import Path

from harness.model import Scenario

SCHEMA_FILE = "refund-harness.schema.json"
"""The name by which a scenario file's first line refers to our schema, whatever folder stands before it."""
FIRST_LINE = f"# yaml-language-server: $schema={SCHEMA_FILE}"
"""That line, in files that the harness writes."""


def load_scenario(path: Path) -> Scenario:
    """Read, validate and resolve one scenario file. Raises `ScenarioError`, never anything else."""
    from harness.scenario.load import load

    return load(path)


def names_our_schema(path: Path) -> bool:
    """Whether the first line of ``path`` names our schema: how a scenario is told from any other YAML."""
    try:
        with path.open("rb") as file:
            first = file.readline(400)
    except OSError:
        return False
    first = first.removeprefix(b"\xef\xbb\xbf")
    return first.startswith(b"#") and b"$schema=" in first and first.rstrip().endswith(SCHEMA_FILE.encode())
