"""Specs carried out in a test, and what they are expected to print."""

from __future__ import annotations

from pathlib import Path

from harness.spec.form import Spec
from harness.spec.parse import parse_spec, read_spec
from harness.spec.run import run_spec
from harness.targets.databases import Databases
from harness.targets.protocol import Target

SPECS = Path(__file__).parents[1] / "specs"
EXPECTED = SPECS / "expected"
NAMES = sorted(file.stem for file in SPECS.glob("*.spec"))
LIMIT_S = 120.0


def printed(target: Target, databases: Databases, spec: Spec | str, *, limit: float = LIMIT_S) -> bytes:
    """Everything that ``spec``, or the shipped one of that name, prints in a new database."""
    if isinstance(spec, str):
        spec = read_spec(SPECS / f"{spec}.spec")
    pieces: list[bytes] = []
    database = databases.clone(databases.template(()))
    try:
        run_spec(spec, target.conninfo(database), lambda piece, _: pieces.append(piece), limit=limit)
    finally:
        databases.drop(database)
    return b"".join(pieces)


def expected(name: str) -> bytes:
    """What isolationtester printed."""
    return (EXPECTED / f"{name}.out").read_bytes()


def text(written: str) -> Spec:
    return parse_spec(written, "x.spec")
