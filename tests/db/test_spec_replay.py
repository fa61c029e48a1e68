"""A counterexample that was written as a spec shows what it showed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from commands import harness
from spec_runs import printed

from harness.scenario import load_scenario
from harness.spec.braces import without_braces
from harness.spec.parse import read_spec
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget

ROOT = Path(__file__).parents[2]


SCHEDULE = """\
harness-schedule 1
scenario: legacy_double_refund
file: scenarios/legacy_double_refund.yaml
hash: {hash}
server: {server}
seed: 0
order: 0
checks: one_refund_per_job money_conserved duplicate_refunds

original.select | original.select retry.select
retry.select | original.refund retry.select
original.refund | original.refund retry.refund
retry.refund | original.mark retry.refund
original.mark | original.mark retry.mark
retry.mark | retry.mark
"""


def test_the_double_refund_is_seen_by_whoever_runs_the_spec(
    target: EmbeddedTarget, databases: Databases, tmp_path: Path
) -> None:
    scenario = load_scenario(ROOT / "scenarios/legacy_double_refund.yaml")
    schedule = tmp_path / "twice.schedule"
    schedule.write_text(SCHEDULE.format(hash=scenario.text_hash, server=target.server_version))
    done = harness("replay", str(schedule), "--as-spec", str(tmp_path / "twice.spec"))
    assert (done.returncode, done.stderr) == (1, "")  # reproduced
    assert f"wrote {tmp_path}/twice.spec" in done.stdout.splitlines()
    spec = read_spec(tmp_path / "twice.spec")
    shown = printed(target, databases, spec).decode()
    assert "00000001-0000-0000-0000-000000000001|   6000\n(1 row)\n" in shown  # 5000 were charged 1000 once
    assert "\nj1~1  |      2|       1|    2000|" in shown
    assert "time" not in shown.split("check.duplicate_refunds")[2].split("\n(")[0].split("\n\n")[-1]
    assert printed(target, databases, spec).decode() == shown


@pytest.mark.parametrize(
    "constant",
    [
        "'{}'",
        "'a}b''c\\d'",
        "$$}$$",
        "$x$ '}' \\n $$ }} $x$",
        "E'}\\n\\\\'",
        "'}' /* } */ -- }\n || 'x}'",
        "'é}'",
        "'}a7'",
    ],
)
def test_sql_without_braces_says_the_same(constant: str, new_database: Any) -> None:
    sql = f"SELECT {constant}"
    assert "}" not in without_braces(sql)
    conn = new_database()
    assert conn.execute(without_braces(sql).encode()).fetchone() == conn.execute(sql.encode()).fetchone()
