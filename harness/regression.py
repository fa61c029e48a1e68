"""Regression files: a saved counterexample as a scenario, or as a pytest module, to be kept beside the SQL.

Both are red while the SQL has the fault and green once it has not: they follow the counterexample's choices by name,
in SQL that is referred to, not copied.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import ScenarioError, UsageError
from harness.files import write_atomically
from harness.model import DECLARED, Follow, Scenario, Search
from harness.report.folder import MARKER
from harness.scenario import FIRST_LINE, load_scenario, names_our_schema
from harness.scenario.reduced import Reduced, Unwritable, remaining
from harness.schedule import SavedSchedule

_NAMED = 2
_OF = "# The counterexample "
_RUN_BY = "# Run by "
_WRITTEN_BY = "Written by `harness replay"


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """``path``: the file that was written. ``copied``: files beside it, of SQL that lay in the folder of a run, which
    does not last."""

    path: Path
    copied: tuple[Path, ...] = ()


def require_keepable(saved: SavedSchedule, file: Path) -> None:
    """Raise `UsageError` where a new file cannot keep ``saved``, which stands in ``file``, or need not."""
    if saved.retry:
        raise UsageError(f"{file}: a fault and its retry are kept by the scenario's key `faults`, not by a new file")
    if saved.isolation:
        raise UsageError(
            f"{file}: another isolation level is kept by the scenario's key `isolation`, not by a new file"
        )
    if saved.case:
        raise UsageError(f"{file}: the case {saved.case} of {saved.file} is the regression: keep that file")
    if not saved.checks:
        raise UsageError(f"{file}: violates nothing, so there is nothing to keep from coming back")


def write_regression(
    saved: SavedSchedule, scenario: Scenario, schedule: Path, *, as_scenario: Path | None, as_pytest: Path | None
) -> Iterator[str]:
    """Write the files that are asked for; a line on each as soon as it is there. Raises `UsageError`."""
    if as_scenario is not None and as_pytest is not None and as_scenario == as_pytest.with_suffix(".yaml"):
        raise UsageError(f"--as-scenario {as_scenario}: --as-pytest writes a file of that name: give another")
    if as_scenario is not None:
        yield from _told(write_scenario(saved, scenario, schedule, as_scenario))
    if as_pytest is not None:
        for written in write_pytest(saved, scenario, schedule, as_pytest):
            yield from _told(written)


def write_scenario(saved: SavedSchedule, scenario: Scenario, schedule: Path, out: Path) -> Written:
    """Write the counterexample ``saved`` (the file ``schedule``, of ``scenario``) to ``out`` as a scenario file named
    after it. Raises `UsageError`: ``out`` is something else, or a scenario cannot say it."""
    if out.suffix not in (".yaml", ".yml"):
        raise UsageError(f"--as-scenario {out}: a scenario file ends in .yaml")
    if out.exists() and not names_our_schema(out):
        raise UsageError(f"--as-scenario {out}: this file is no scenario, and stays as it is")
    return _Writer(saved, scenario, schedule, out).write([FIRST_LINE, _of(saved, schedule)])


def write_pytest(saved: SavedSchedule, scenario: Scenario, schedule: Path, out: Path) -> tuple[Written, ...]:
    """Write the counterexample to ``out`` as a pytest module, and the scenario that it runs beside it: the same name
    with .yaml. Raises `UsageError` as `write_scenario` does."""
    if out.suffix != ".py":
        raise UsageError(f"--as-pytest {out}: a pytest module ends in .py")
    if out.exists() and not _is_our_module(out):
        raise UsageError(f"--as-pytest {out}: this file was not written here, and stays as it is")
    beside = out.with_suffix(".yaml")
    if beside.exists() and not (names_our_schema(beside) or _is_run_by_ours(beside)):
        raise UsageError(f"--as-pytest {out}: {beside} beside it is no scenario, and stays as it is")
    # Not named in the first line, the schema still serves editors; the plugin leaves the file to the module.
    head = [f"{_RUN_BY}{out.name}: as its first line names no schema, pytest does not collect it a second time."]
    written = _Writer(saved, scenario, schedule, beside).write([*head, FIRST_LINE, _of(saved, schedule)])
    try:
        write_atomically(out, _module(saved, schedule, beside).encode())
    except OSError as e:
        raise UsageError(f"cannot write {out}: {e.strerror or e}") from None
    return Written(path=out), written


def _told(written: Written) -> Iterator[str]:
    yield f"wrote {written.path}"
    if written.copied:
        names = ", ".join(path.name for path in written.copied)
        yield f"wrote {written.copied[0].parent} (copied from the folder of the run: {names})"


class _Writer:
    def __init__(self, saved: SavedSchedule, scenario: Scenario, schedule: Path, out: Path) -> None:
        if set(saved.checks) <= DECLARED:
            raise UsageError(
                f"{schedule}: it violates only what its exact order declares ({', '.join(saved.checks)}): that order, "
                f"in {scenario.file}, is the regression"
            )
        if out.exists() and out.samefile(scenario.file):
            raise UsageError(f"{out} is the scenario in which {schedule} was found: give another name")
        self.scenario, self.out, self.without = scenario, out, frozenset(saved.without)
        self.folder, self.new = out.parent.resolve(), not out.exists()
        self.copies: dict[Path, Path] = {}  # target → source
        source = scenario.interleavings[saved.order]
        self.follow = Follow(
            choices=tuple(d.choice for d in saved.schedule.decisions),
            inside=isinstance(source, Search) and source.inside,
        )

    def write(self, head: Sequence[str]) -> Written:
        """Write the file, once it has been read back as what it is meant to be."""
        out = self.out
        draft = out.with_name(f".{out.stem}.{secrets.token_hex(4)}{out.suffix}")
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            reduced = Reduced(
                self.scenario,
                name=_name(out),
                without=self.without,
                follow=self.follow,
                relocate=self._relocate,
            )
            self._copy()
            try:
                self._compare(draft, reduced.text(head))
            except (ScenarioError, Unwritable):  # perhaps for want of names that only left-out statements mentioned
                reduced.declare(self.scenario.users, self.scenario.jobs)
                self._compare(draft, reduced.text(head))
            draft.replace(out)
        except OSError as e:
            raise UsageError(f"cannot write {out}: {e.strerror or e}") from None
        except Unwritable as e:
            raise UsageError(f"{out}: not written: {e}") from None
        except ScenarioError as e:
            raise UsageError(f"{out}: not written: {self.scenario.file} has changed too much: {e.message}") from None
        finally:
            draft.unlink(missing_ok=True)
        return Written(path=out, copied=tuple(out.parent / c.relative_to(self.folder) for c in self.copies))

    def _compare(self, draft: Path, text: str) -> None:
        """Write ``text`` to ``draft`` and read it back. Raises `ScenarioError` and `Unwritable`."""
        draft.write_text(text, encoding="utf-8")
        found = load_scenario(draft)
        meant = replace(
            self.scenario,
            workers=remaining(self.scenario.workers, self.without),
            interleavings=(self.follow,),
        )
        for part, tell in _PARTS.items():
            if tell(found) != tell(meant):
                raise Unwritable(f"its {part} would not be those of {self.scenario.file}")

    def _relocate(self, path: Path) -> str:
        """The path from the new file. What lies in the folder of a run, which will be removed, is copied."""
        path = path.resolve()
        if any((parent / MARKER).is_file() for parent in path.parents):
            copy = self.folder / f"{self.out.stem}_sql" / path.name
            inside = sorted(path.glob("*.sql")) if path.is_dir() else []
            for source, target in [(f, copy / f.name) for f in inside] or [(path, copy)]:
                ours = self.copies.setdefault(target, source) == source
                if not ours or (self.new and target.exists() and target.read_bytes() != source.read_bytes()):
                    raise Unwritable(f"{target} is in the way: another file of that name is to stand there")
            path = copy
        return Path(os.path.relpath(path, self.folder)).as_posix()

    def _copy(self) -> None:
        for target, source in self.copies.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(target, source.read_bytes())


_PARTS: Mapping[str, Callable[[Scenario], object]] = {
    "installed SQL": lambda s: tuple(script.text for script in s.install),
    "set-up": lambda s: s.setup,
    "workers": lambda s: s.workers,
    "users": lambda s: s.users,
    "jobs": lambda s: s.jobs,
    "invariants": lambda s: s.invariants,
    "state queries": lambda s: s.state,
    "orders": lambda s: s.interleavings,
}
"""What a regression has in common with the scenario that it came from."""


_MODULE = '''\
"""The counterexample {schedule} of {name} as a test: {checks}.

It is red while the SQL has the fault, and green once it has not. What it runs is {scenario} beside it,
whose first line names no schema, so that pytest does not collect it as well. {written_by} --as-pytest`.
"""

from pathlib import Path

from harness.api import assert_no_violation


def test_{function}() -> None:
    assert_no_violation(Path(__file__).with_suffix(".yaml"))
'''


def _module(saved: SavedSchedule, schedule: Path, scenario: Path) -> str:
    return _MODULE.format(
        schedule=_plain(schedule.name),
        name=_plain(saved.scenario),
        checks=_checks(saved),
        scenario=_plain(scenario.name),
        written_by=_WRITTEN_BY,
        function=_identifier(schedule.stem),
    )


def _name(out: Path) -> str:
    """The new scenario's name: no two scenarios in a folder may share one, and files cannot."""
    name = _identifier(out.stem)[:60]
    return name if name[:1].isalpha() else f"regression_{name}"[:60]


def _identifier(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]+", "_", text).strip("_")


def _plain(text: str) -> str:
    """A name in a comment or docstring, which it must not end."""
    return re.sub(r"[^\w.\- ]", "_", text)


def _of(saved: SavedSchedule, schedule: Path) -> str:
    return f"{_OF}{_plain(schedule.name)} ({_checks(saved)}): red while the SQL has the fault."


def _checks(saved: SavedSchedule) -> str:
    more = f" and {len(saved.checks) - _NAMED} more" if len(saved.checks) > _NAMED else ""
    return ", ".join(saved.checks[:_NAMED]) + more


def _is_run_by_ours(path: Path) -> bool:
    return path.is_file() and path.read_bytes().startswith(_RUN_BY.encode())


def _is_our_module(path: Path) -> bool:
    return path.is_file() and _WRITTEN_BY.encode() in path.read_bytes()[:2000]
