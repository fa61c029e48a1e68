"""Our runner beside PostgreSQL's isolationtester: every spec on the same server, byte by byte, and how long each takes.

python benchmarks/specs.py [--rounds N] [--pg-bin DIR] [--write] [SPEC…]

Without SPEC: all of tests/specs, and one that `harness replay --as-spec` writes from the sample report's double refund.
isolationtester comes with Debian's postgresql-client-15. Both run in new databases, in turns. Prints each spec that
differs, and the sums of the medians: of all, and of those in which no timeout and no sleep sets the pace. Exit code 1
when something differs. ``--write``: isolationtester's outputs become the expected ones, in the folder of that name
beside a spec; so were those in tests/specs/expected made.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from harness.cli.spec import EMBEDDED
from harness.spec.expected import difference
from harness.spec.parse import read_spec
from harness.spec.run import run_spec
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget

ROOT = Path(__file__).parents[1]
WHERE = "usr/lib/postgresql/*/lib/pgxs/src/test/isolation/isolationtester"
PACED = re.compile(r"timeout|pg_sleep")
SAVED = ROOT / "reports/sample/legacy_double_refund-1.schedule"


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--pg-bin", type=Path)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("specs", type=Path, nargs="*")
    asked = parser.parse_args()
    real = found()
    with tempfile.TemporaryDirectory() as folder, EmbeddedTarget(pg_bin=asked.pg_bin, settings=EMBEDDED) as target:
        print(f"PostgreSQL {target.server_version}, {real}")
        specs = asked.specs or [*sorted((ROOT / "tests/specs").glob("*.spec")), written(Path(folder))]
        with Databases(target) as databases:
            return compare(specs, asked, real, target, databases, Path(folder))


def found() -> Path:
    for path in sorted(Path("/").glob(WHERE)):
        return path
    sys.exit("no isolationtester here: apt-get install postgresql-client-15")


def written(folder: Path) -> Path:
    """A spec from the sample report's double refund."""
    out = folder / "legacy_double_refund.spec"
    command = [sys.executable, "-m", "harness", "replay", str(SAVED.relative_to(ROOT)), "--as-spec", str(out)]
    subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=False)  # 1: reproduced
    return out


def compare(
    specs: list[Path],
    asked: argparse.Namespace,
    real: Path,
    target: EmbeddedTarget,
    databases: Databases,
    folder: Path,
) -> int:
    differing = 0
    took: dict[Path, tuple[float, float]] = {}
    for spec in specs:
        times: tuple[list[float], list[float]] = ([], [])
        for _ in range(asked.rounds):
            outputs = []
            for run, mine in zip((isolationtester(real), ours), times, strict=True):
                database = databases.clone(databases.template(()))
                since = time.perf_counter()
                outputs.append(run(target.conninfo(database), spec))
                mine.append(time.perf_counter() - since)
                databases.drop(database)
            (folder / "isolationtester").write_bytes(outputs[0])
            if asked.write and (spec.parent / "expected").is_dir():
                (spec.parent / "expected" / f"{spec.stem}.out").write_bytes(outputs[0])
            if diff := difference(outputs[1], [folder / "isolationtester"], "ours"):
                differing += 1
                print(f"differs {spec}")
                sys.stdout.flush()
                sys.stdout.buffer.write(diff)
        took[spec] = median(times[0]), median(times[1])
    print(f"{len(specs)} specs, {asked.rounds} times each: {differing} outputs differ")
    unpaced = [spec for spec in specs if not PACED.search(spec.read_text())]
    for what, which in {"all of them": specs, f"the {len(unpaced)} without timeouts and sleeps": unpaced}.items():
        theirs_s, ours_s = (sum(took[spec][i] for spec in which) for i in (0, 1))
        print(f"{what}: isolationtester {theirs_s:.2f} s, ours {ours_s:.2f} s, {theirs_s / ours_s:.2f} times as fast")
    return 1 if differing else 0


def isolationtester(program: Path) -> Callable[[str, Path], bytes]:
    def run(conninfo: str, spec: Path) -> bytes:
        with spec.open() as file:
            command = [program, conninfo]
            return subprocess.run(
                command, stdin=file, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
            ).stdout

    return run


def ours(conninfo: str, spec: Path) -> bytes:
    pieces: list[bytes] = []
    run_spec(read_spec(spec), conninfo, lambda piece, _: pieces.append(piece))
    return b"".join(pieces)


if __name__ == "__main__":
    sys.exit(main())
