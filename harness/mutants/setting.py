"""A setting, alone and with a mutant in it: ordinary scenarios, the latter written down so that finds replay."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from harness.model import Scenario, Search
from harness.mutation import Mutant
from harness.resources import shipped
from harness.scenario import FIRST_LINE, load_scenario
from harness.scenario.names import MIGRATIONS
from harness.scenario.yamltext import read

AUTO = "auto"
_WIDTH = 120


def search(setting: Scenario, strategy: str, schedules: int | None = None) -> Search:
    """How a setting is searched by ``strategy``: at the points that its own search names, within ``schedules``, else
    (by `AUTO`) its own limit, else the strategy's."""
    own = next((i for i in setting.interleavings if type(i) is Search), Search(strategy=AUTO))
    limit = own.schedules if strategy == AUTO else None
    return replace(own, strategy=strategy, schedules=schedules or limit)


def sound_alone(setting: Scenario) -> Scenario:
    """The setting without a mutant, to be exhausted."""
    return replace(setting, interleavings=(search(setting, AUTO),), expect={}, expect_violation=())


def with_mutant(mutant: Mutant, folder: Path | None) -> Scenario:
    """The setting with the mutant installed last, which expects the check that it must trip. With a ``folder`` it is
    written there as ``NAME.yaml``, and is what that file says: what is found with it can be replayed."""
    setting = load_scenario(mutant.setting)
    if folder is None:
        return replace(
            setting,
            name=mutant.name,
            install=(*setting.install, mutant.script),
            interleavings=(search(setting, AUTO),),
            expect={},
            expect_violation=(mutant.trips,),
        )
    path = folder / f"{mutant.name}.yaml"
    path.write_text(_file(mutant, search(setting, AUTO)), encoding="utf-8")
    return load_scenario(path)


def plainly(scenario: Scenario) -> Scenario:
    """``scenario`` as `harness check` would know it without an invariant: nobody says what its calls mean, which
    tables hold the money, or what must hold; whatever is violated counts."""
    workers = tuple(replace(w, statements=tuple(replace(s, call=None) for s in w.statements)) for w in scenario.workers)
    return replace(scenario, workers=workers, invariants=(), state=(), model="", expect_violation=())


def _file(mutant: Mutant, auto: Search) -> str:
    given: dict[str, Any] = read(mutant.setting).data
    base = mutant.setting.parent
    entry: dict[str, Any] = {"strategy": AUTO}
    if auto.schedules is not None:
        entry["schedules"] = auto.schedules
    if not auto.inside:
        entry["points"] = "statements"
    data = {
        "version": given["version"],
        "name": mutant.name,
        "about": mutant.about,
        "install": [*(_moved(base, e) for e in given.get("install") or [MIGRATIONS]), _entry(mutant)],
        **{k: v for k, v in given.items() if k not in ("version", "name", "about", "install", "orders", "expect")},
    }
    if data.get("invariants"):
        data["invariants"] = [_moved(base, e) for e in data["invariants"]]
    for worker in data["workers"].values():
        for statement in worker.get("statements") or worker.get("transaction") or []:
            if isinstance(statement, dict) and statement.get("apply") is not None:
                statement["apply"] = _moved(base, statement["apply"])
    data["orders"] = [entry]
    data["expect"] = {"violation": mutant.trips}
    yaml = YAML()
    yaml.width = _WIDTH
    out = io.StringIO()
    out.write(f"{FIRST_LINE}\n")
    yaml.dump(data, out)
    return out.getvalue()


def _moved(base: Path, entry: str) -> str:
    """A path from the setting's folder becomes one from anywhere; a shipped name stays."""
    path = base / entry
    return str(path.resolve()) if path.exists() else entry


def _entry(mutant: Mutant) -> str:
    """How a scenario installs the mutant: a shipped one by its name below ``sql/``."""
    path = Path(mutant.file).resolve()
    folder = shipped("sql").resolve()
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)
