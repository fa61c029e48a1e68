"""The pictures of the documentation, each from a real run with a fixed seed, into ``docs/images``.

Timeline, coverage and fault matrix are the same bytes every time (on the same server version). What the baselines of
the mutants find and what a soak meets is chance, and their pictures differ a little from one time to the next.

    python benchmarks/pictures.py [run] [mutants] [soak]     those alone; default: all; the mutants take longest
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from palette import write_slim

IMAGES = Path(__file__).parents[1] / "docs" / "images"
STRATEGIES = ("auto", "preemption_bounded", "pct", "random_walk", "free_running", "barrier_threads")
RUNS = {
    "run": (
        ["run", "unlocked_inside", "double_workers", "fault_matrix"],
        {
            "unlocked_inside-1.png": "unlocked_inside.png",
            "double_workers-coverage.png": "coverage.png",
            "fault_matrix-faults.png": "faults.png",
        },
    ),
    "mutants": (
        ["mutants", "--schedules", "100", *(word for name in STRATEGIES for word in ("--strategy", name))],
        {"mutants.png": "mutants.png"},
    ),
    "soak": (
        ["soak", "--seconds", "30", "--workers", "8", "--users", "20"],
        {"soak.png": "soak.png"},
    ),
}
"""Name → arguments of `harness`, and which picture of its folder becomes which of ours."""


def main(names: list[str]) -> int:
    """The exit code: 0, or 2 for a name that there is none of."""
    unknown = [name for name in names if name not in RUNS]
    if unknown:
        print(f"no pictures {unknown[0]!r}: {', '.join(RUNS)}", file=sys.stderr)
        return 2
    for name in names or RUNS:
        arguments, pictures = RUNS[name]
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "harness", *arguments, "--seed", "0", "--quiet", "--out", folder]
            subprocess.run(command, check=False)  # with so few schedules some mutants are missed, as the picture shows
            for source, target in pictures.items():
                write_slim((Path(folder) / "latest" / source).read_bytes(), IMAGES / target)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
