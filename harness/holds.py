"""What an application's own tests say: these calls, in any interleaving, and this holds.

Importing this loads nothing heavy.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypedDict, Unpack

if TYPE_CHECKING:
    from harness.model import ScenarioResult
    from harness.programs.request import Asked as Request
    from harness.targets.databases import Databases
    from harness.targets.protocol import Target

_Path = str | os.PathLike[str]
Work = str | Callable[..., Any]
"""SQL, or a function that takes any of ``conn``, ``connect`` and ``url``."""


class Asked(TypedDict, total=False):
    """What is to hold. Of ``calls`` and ``workers`` one must be given; all else may be left out.

    - ``calls``: what each worker does, SQL or a function; workers are called w1, w2, … ``workers``: the same by name.
      SQL is sent statement by statement. A function takes, by the names of its parameters, what it needs: ``conn``, a
      psycopg connection (to an ``async def`` an `AsyncConnection`), committed when it returns and rolled back when it
      raises; ``connect``, a function that opens such a connection; ``url``, where any other driver finds the server.
      It runs in a process of its own, forked anew for every execution.
    - ``sql``: files and folders to install, in order. ``migrate``: a function that is given an autocommit connection
      as ``conn``, behind them. ``setup``: SQL, or such a function, behind that. All this is done once: before every
      execution rows and sequences are put back as they were then.
    - ``invariants``: by name a query, whose rows say what is broken; or a function that asserts, and takes any of
      ``conn`` (a connection on which nothing lasts) and ``answers`` (worker → `Answer`). Beside them the harness's own
      checks judge: serial equivalence, deadlocks, liveness.
    - ``roles``: worker → role, ``role``: of all others.
    - ``isolation``: of transactions that name none: read_committed, repeatable_read, serializable.
    - ``strategy``, ``schedules`` (executions at most), ``seed``: of the search.
    - ``expect_violation``: names of checks that must be violated: the system is known to be bad.
    - ``name``: for messages and files. ``replay``: path of a saved schedule that is followed in place of the search.
    """

    calls: Sequence[Work]
    workers: Mapping[str, Work]
    sql: Sequence[_Path] | _Path
    migrate: Callable[..., Any]
    setup: Work
    invariants: Mapping[str, Work]
    roles: Mapping[str, str]
    role: str
    isolation: str
    strategy: str
    schedules: int
    seed: int
    expect_violation: Sequence[str] | str
    name: str
    replay: _Path


def check(*, target: str = "embedded", out: _Path | None = None, **asked: Unpack[Asked]) -> ScenarioResult:
    """The result of what is asked, on a server that is started (``embedded``) or named (``postgresql://…``,
    ``env:NAME``) by ``target``, and left when it is done.

    ``out``: a folder in which counterexamples are saved, in a new folder of their own; None: they are not. Raises
    `UsageError` when what is asked is wrong or its SQL, `TargetError` when there is no server; that an execution failed
    for another reason is the result's verdict "error".
    """
    with Harness(target, out=out) as harness:
        return harness.check(**asked)


def assert_holds(*, target: str = "embedded", out: _Path | None = "reports", **asked: Unpack[Asked]) -> None:
    """Raise `AssertionError`, with the timeline, the reasons and how to run it again, unless what is asked holds.

    "Nothing was shown" (inconclusive) is no pass. Arguments and other errors as in `check`.
    """
    __tracebackhide__ = True
    with Harness(target, out=out) as harness:
        harness.assert_holds(**asked)


class Harness:
    """Any number of checks on one server, which is begun with the first of them; a context manager that leaves it.

    ``target``, ``out``: as in `check`. ``seed``, ``schedules``: where what is asked does not say.
    """

    def __init__(
        self, target: str = "embedded", *, out: _Path | None = None, seed: int = 0, schedules: int | None = None
    ) -> None:
        self._spec, self._seed, self._schedules = target, seed, schedules
        self._out = None if out is None else Path(out)
        self._stack = ExitStack()
        self._server: tuple[Target, Databases] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the server. May be called again."""
        self._server = None
        self._stack.close()

    def check(self, **asked: Unpack[Asked]) -> ScenarioResult:
        """As the function `check`."""
        from harness.campaign import Options
        from harness.programs.run import prepared, run
        from harness.schedule import read_saved

        file, line, function = _caller()
        request = _request(asked, self._place(f"{file}:{line}"), self._name(function))
        ready = prepared(request)
        folder = self._folder()
        try:
            path = self._replayed(request.name, asked.get("replay"))
            saved = None if path is None else read_saved(path)
            target, databases = self._opened()
            options = Options(
                seed=asked.get("seed", self._seed), schedules=asked.get("schedules", self._schedules), folder=folder
            )
            return run(ready, target, databases, options, saved)
        finally:
            ready.pool.close()
            self._tidy(folder)

    def assert_holds(self, **asked: Unpack[Asked]) -> None:
        """As the function `assert_holds`."""
        __tracebackhide__ = True
        from harness.model import Verdict
        from harness.report.explained import explained

        result = self.check(**asked)
        if result.verdict is not Verdict.PASS:
            raise AssertionError(explained(result, self._again))

    # ------------------------------------------------------------------------------ what a test runner knows otherwise

    def _name(self, function: str) -> str:
        """For messages and files, where nobody has given one."""
        return function

    def _place(self, place: str) -> str:
        """Where it was asked, for whoever finds a saved schedule."""
        return place

    def _again(self, path: str) -> str:
        """How a saved schedule is run again."""
        return f"the same call with replay={path!r}"

    def _replayed(self, name: str, given: _Path | None) -> Path | None:  # noqa: ARG002
        """The schedule that is to be followed."""
        return None if given is None else Path(given)

    def _folder(self) -> Path | None:
        """Where counterexamples are kept."""
        from harness.report.folder import new_run_folder

        return None if self._out is None else new_run_folder(self._out)

    def _tidy(self, folder: Path | None) -> None:
        """Nothing is left of a folder in which nothing was saved."""
        from harness.report.folder import discard_unless_saved

        if folder is not None:
            discard_unless_saved(folder)

    def _opened(self) -> tuple[Target, Databases]:
        if self._server is None:
            from harness.targets import open_target
            from harness.targets.databases import Databases

            target = self._stack.enter_context(open_target(self._spec))
            self._server = target, self._stack.enter_context(Databases(target))
        return self._server


def _request(asked: Asked, place: str, name: str) -> Request:
    """What is asked, in full; ``name``: where it has none. Raises `TypeError` for what nobody understands."""
    from harness.errors import UsageError
    from harness.programs.request import Asked as Request

    if strange := sorted(asked.keys() - Asked.__annotations__.keys()):
        raise TypeError(f"{strange[0]!r} is not understood; there are {', '.join(Asked.__annotations__)}")
    calls, workers = asked.get("calls", ()), asked.get("workers", {})
    if calls and workers:
        raise UsageError("give calls=[…] or workers={…}, not both")
    everybody = dict(workers or {f"w{n}": call for n, call in enumerate(calls, 1)})
    sql, expected = asked.get("sql", ()), asked.get("expect_violation", ())
    roles = dict.fromkeys(everybody, asked["role"]) if "role" in asked else {}
    return Request(
        name=re.sub(r"[^\w.-]+", "_", asked.get("name", name)).strip("_.") or "check",
        place=place,
        workers=everybody,
        sql=[sql] if isinstance(sql, str | os.PathLike) else sql,
        migrate=asked.get("migrate"),
        setup=asked.get("setup"),
        invariants=asked.get("invariants", {}),
        roles={**roles, **asked.get("roles", {})},
        strategy=asked.get("strategy", "auto"),
        isolation=asked.get("isolation"),
        expect_violation=(expected,) if isinstance(expected, str) else tuple(expected),
    )


def _caller() -> tuple[str, int, str]:
    """File, line and function that asked: the innermost that is not in here."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back
    path = Path(frame.f_code.co_filename)
    file = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path.name
    return str(file), frame.f_lineno, frame.f_code.co_name
