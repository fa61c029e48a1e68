"""How fast, beside what else there is: on this machine, side by side, as ratios.

python benchmarks/bench.py [--quick] [--part NAME]… [--mutants FILE] [--out DIR]

Prints every figure with its goal, and writes bench.json and bench.png into DIR (default: reports/bench). The sides of a
ratio run in turns, so that a machine whose speed drifts slows both. What it is measured beside is installed where that
can be (see `beside.peers`), else named as absent. ``--quick``: fewer and shorter runs, and no mutants. ``--mutants``:
figures of a run of `harness mutants --json` in place of a new one.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from beside import campaign, control, detection, orders, shards, startup
from beside.figures import Part, machine
from beside.picture import draw

from harness.targets.embedded import EmbeddedTarget

PARTS = ("orders", "detection", "control", "shards", "campaign", "startup")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--part", action="append", choices=PARTS)
    parser.add_argument("--mutants", type=Path)
    parser.add_argument("--out", type=Path, default=Path("reports/bench"))
    asked = parser.parse_args()
    quick: bool = asked.quick
    parts: dict[str, Callable[[], Part]] = {
        "orders": lambda: orders.measure(2 if quick else 7, 20 if quick else 40, 0.5 if quick else 1.5),
        "detection": lambda: detection.measure(asked.mutants, mutants=not quick or asked.mutants is not None),
        "control": lambda: control.measure(3 if quick else 9, 20 if quick else 60),
        "shards": lambda: shards.measure(1 if quick else 5, 0.5 if quick else 1.5),
        "campaign": lambda: campaign.measure(30, 600 if quick else 2000, 1 if quick else 3),
        "startup": lambda: startup.measure(1 if quick else 5),
    }
    with EmbeddedTarget() as target:
        about = machine(target.server_version)
    print(", ".join(f"{what} {value}" for what, value in about.items()))
    done: list[Part] = []
    for name, measure in parts.items():
        if asked.part is None or name in asked.part:
            done.append(measure())
            print(f"\n{done[-1]}", flush=True)
    asked.out.mkdir(parents=True, exist_ok=True)
    found = {"version": 1, "machine": about, "parts": [part.as_json() for part in done]}
    (asked.out / "bench.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    draw(done, asked.out / "bench.png")
    print(f"\n{asked.out / 'bench.json'}, {asked.out / 'bench.png'}")


if __name__ == "__main__":
    sys.exit(main())
