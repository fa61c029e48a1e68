"""A scenario file without what a counterexample does not need, and with that counterexample as its only order.

The file is edited as text with comments, not written anew from the resolved scenario: macros, quotes and prose stay.
"""

from __future__ import annotations

import copy
import io
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.model import Action, Choice, Follow, Json, Scenario, Statement, Worker
from harness.scenario.macros import pieces
from harness.scenario.yamltext import read

WIDTH = 120
Relocate = Callable[[Path], str]
"""How a file of SQL (or a folder) is called from the place of the new scenario."""

_NUMBERED = re.compile(r".*_\d+")


class Unwritable(Exception):
    """The reduced scenario cannot be said in a scenario file; the text says why."""


def remaining(workers: Sequence[Worker], without: Collection[str]) -> tuple[Worker, ...]:
    """``workers`` without those (by name) and those statements ("worker.statement")."""
    kept = (
        replace(w, statements=tuple(s for s in w.statements if f"{w.name}.{s.name}" not in without))
        for w in workers
        if w.name not in without
    )
    return tuple(w for w in kept if w.statements)


class Reduced:
    """The file of ``scenario``, edited. ``name``: of the new scenario. ``follow``: its only interleaving."""

    def __init__(
        self, scenario: Scenario, *, name: str, without: Collection[str], follow: Follow, relocate: Relocate
    ) -> None:
        self._base = Path(scenario.file).parent
        self._relocate = relocate
        self._yaml = _yaml()
        self._data: Any = self._yaml.load(read(Path(scenario.file)).text)
        self._data["name"] = name
        self._data.pop("cases", None)  # single calls stand beside what the workers do
        kept = {w.name: w for w in remaining(scenario.workers, without)}
        if any(kept.get(w.name) != w for w in scenario.workers):
            self._leave_queue(scenario.workers)
        for worker in scenario.workers:
            if worker.name not in kept:
                del self._data["workers"][worker.name]
            elif kept[worker.name] != worker:
                node = copy.deepcopy(self._data["workers"][worker.name])  # another worker may be its alias
                _Edited(node, worker, {s.name for s in kept[worker.name].statements}).reduce()
                self._data["workers"][worker.name] = node
        self._move_files(kept)
        self._forget_expectations(kept)
        self._set_orders(follow)

    def declare(self, users: Sequence[str], jobs: Sequence[str]) -> None:
        """Say which ids there are, in their order: the statements that are left need not mention all of them."""
        for key, names in (("users", users), ("jobs", jobs)):
            if names:
                self._data[key] = list(names)

    def text(self, head: Sequence[str]) -> str:
        """The file: ``head`` (comment lines) in place of its own first line and of an earlier ``head``."""
        out = io.StringIO()
        self._yaml.dump(self._data, out)
        lines = out.getvalue().splitlines()
        own = {_kind(line) for line in head}
        while lines and lines[0].startswith("#") and ("$schema=" in lines[0] or _kind(lines[0]) in own):
            del lines[0]
        return "".join(f"{line}\n" for line in (*head, *lines))

    # ------------------------------------------------------------------------------------------------ internals

    def _leave_queue(self, workers: Sequence[Worker]) -> None:
        """Say the workers themselves in place of the queue, which without some of them would give out something else.
        That can be said of deliveries that all overlap, each to a worker of its own."""
        if self._data.get("queue") is None:
            return
        if any(w.after or w.name not in self._data["workers"] for w in workers):
            raise Unwritable("its queue gives the job out again once a worker has come back, which no order can say")
        del self._data["queue"]

    def _move_files(self, kept: Collection[str]) -> None:
        for key in ("install", "invariants"):
            entries = self._data.get(key) or []
            for i, entry in enumerate(entries):
                entries[i] = self._moved(entry)
        done: list[Any] = []  # an alias is the same object, to be changed once
        for name in kept:
            node = self._data["workers"].get(name)
            if node is None:
                continue  # a further delivery of a queue, to a worker that stands here already
            for entry in node.get("statements") or node.get("transaction"):
                if isinstance(entry, dict) and entry.get("apply") is not None and all(entry is not d for d in done):
                    entry["apply"] = self._moved(entry["apply"])
                    done.append(entry)

    def _moved(self, entry: str) -> str:
        """A path from the old file becomes one from the new; a shipped name stays."""
        path = self._base / entry
        return self._relocate(path) if entry and path.exists() else entry

    def _forget_expectations(self, kept: Collection[str]) -> None:
        expect = self._data.get("expect")
        if expect is None:
            return
        for key in [k for k in expect if k not in kept]:
            del expect[key]
        if not expect:
            del self._data["expect"]

    def _set_orders(self, follow: Follow) -> None:
        entry: dict[str, Json] = {"follow": [_step(c) for c in follow.choices]}
        if not follow.inside:
            entry["points"] = "statements"
        if "orders" in self._data:
            self._data["orders"] = [entry]
            self._data.ca.items.pop("orders", None)  # comments on the orders that stood here
        else:
            self._data.insert(list(self._data).index("workers") + 1, "orders", [entry])


class _Edited:
    """One worker's node, reduced to the statements of ``names``, each of which keeps its name."""

    def __init__(self, node: Any, worker: Worker, names: Collection[str]) -> None:
        self.node, self.worker, self.names = node, worker, names

    def reduce(self) -> None:
        framed = "transaction" in self.node
        key = "transaction" if framed else "statements"
        statements = list(self.worker.statements)
        if framed:
            begin, *statements, commit = statements
            if not {begin.name, commit.name} <= set(self.names):
                raise Unwritable(f"{self.worker.name} without its {begin.name} or {commit.name} is no transaction")
        entries = [entry for node in self.node[key] for entry in self._entry(node, statements)]
        if framed and not entries:
            del self.node["transaction"]
            self.node.pop("isolation", None)
            key, entries = "statements", [begin.sql, commit.sql]
        self.node[key] = entries

    def _entry(self, node: Any, statements: list[Statement]) -> Iterator[Any]:
        """What becomes of one entry; takes its statements off the front of ``statements``."""
        legacy = isinstance(node, dict) and "legacy_refund" in node
        count = len(pieces("variants/legacy_worker")) if legacy else 1
        own = statements[:count]
        del statements[:count]
        kept = [s for s in own if s.name in self.names]
        if not legacy:
            yield from (_named(node, s.name) for s in kept)
        elif kept == own and not any(_NUMBERED.fullmatch(s.name) for s in own):
            yield node
        else:
            yield from (_spelt_out(s) for s in kept)


def _named(node: Any, name: str) -> Any:
    """``node`` with its statement's name, where that hung on the statements before it: refund_2."""
    given = node.get("name") if isinstance(node, dict) else None
    if name == given or (given is None and not _NUMBERED.fullmatch(name)):
        return node
    if isinstance(node, dict):
        node["name"] = name
        return node
    return {"name": name, "sql": node}


def _spelt_out(statement: Statement) -> dict[str, Json]:
    entry: dict[str, Json] = {"name": statement.name, "sql": statement.sql}
    if statement.continue_if is not None:
        entry["continue_if"] = dict(statement.continue_if)
    return entry


def _step(choice: Choice) -> Json:
    if choice.action is not Action.RUN and not choice.action.strikes:
        return {f"{choice.worker}.{choice.step}": choice.action.mark}
    return str(choice)


def _kind(line: str) -> str:
    """The first words of a comment: what tells our own lines from other people's."""
    return " ".join(line.split()[:4])


def _yaml() -> Any:
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.width = WIDTH
    yaml.preserve_quotes = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.composer.warn_double_anchors = False
    return yaml
