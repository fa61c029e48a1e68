"""Campaigns on scenario files that a test writes, all on one server and one pool of worker processes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from plants import RunCampaign

from harness.campaign import Options, Silent, run_campaign
from harness.driver.pool import WorkerPool
from harness.model import ScenarioResult
from harness.scenario import load_scenario
from harness.stage import Stages
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget


@pytest.fixture
def campaign(tmp_path: Path, target: EmbeddedTarget, databases: Databases, pool: WorkerPool) -> RunCampaign:
    """``campaign(scenario, planted)``: the result of a scenario (a mapping, written to a file), with ``planted`` SQL
    installed after what is shipped. Counterexamples are saved beside the file."""

    def run(scenario: dict[str, Any], planted: str = "") -> ScenarioResult:
        install = ["migrations"]
        if planted:
            (tmp_path / "planted.sql").write_text(planted, encoding="utf-8")
            install.append("planted.sql")
        name = "broken" if planted else "shipped"
        path = tmp_path / f"{name}.yaml"
        whole = {"version": 1, "name": name, "install": install, **scenario}
        path.write_text(json.dumps(whole), encoding="utf-8")
        loaded = load_scenario(path)
        stages = Stages(loaded, target, databases, pool)
        try:
            return run_campaign(loaded, stages, Options(folder=tmp_path), Silent(), target.server_version)
        finally:
            stages.close()

    return run
