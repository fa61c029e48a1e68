"""A throw-away server of our own: started in a tenth of a second, gone without a trace."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from harness.errors import TargetError
from harness.targets.account import nothing, server_account
from harness.targets.binaries import find_binaries
from harness.targets.closing import Closing
from harness.targets.cluster import forget, fresh_data_directory, new_data_directory
from harness.targets.launch import Launch
from harness.targets.orphans import end_orphans
from harness.targets.places import cache_place, run_places, runs_place
from harness.targets.runfolder import QUIT_TIMEOUT_S, RunFolder, sweep
from harness.targets.settings import as_file, server_settings
from harness.unbroken import unbroken

_LOG_LINES = 8


class EmbeddedTarget(Closing):
    """A server that lives as long as this process at most, with its data in a run folder of its own.

    ``settings`` override `harness.targets.settings`; ``pg_bin`` names another server's programs; ``start_timeout`` in
    seconds. ``meanwhile`` is called whenever there is nothing to do but to wait for the server, a few times; it raises
    nothing. ``cache`` and ``place`` (the parent of run folders) are for tests, and so is ``watchdog`` (see `Launch`).
    Start it in the main thread when you can: elsewhere a shell more runs beside it. Raises `TargetError`, and
    `UsageError` for a ``pg_bin`` that is none; one line each.
    """

    owned = True
    at_hand = True
    description = "embedded"
    maintenance_database = "postgres"

    def __init__(
        self,
        *,
        pg_bin: Path | None = None,
        settings: Mapping[str, str] | None = None,
        start_timeout: float = 30.0,
        cache: Path | None = None,
        place: Path | None = None,
        watchdog: bool | None = None,
        meanwhile: Callable[[], object] = nothing,
    ) -> None:
        self._account = replace(server_account(), meanwhile=meanwhile)
        self._cache = cache or cache_place()
        self.settings = dict(settings or {})
        self._start_timeout = start_timeout
        self._watchdog = watchdog
        self._launch: Launch | None = None
        self._owner = os.getpid()
        self.binaries = find_binaries(self._account, pg_bin=pg_bin, cache=self._cache)
        self.server_version = self.binaries.version
        place = place or runs_place()
        try:
            for swept in run_places() if place in run_places() else (place,):
                sweep(swept, self._account)
            self._run = RunFolder(place, self._account)
        except OSError as error:
            raise TargetError(f"no run folder can be made in {place}: {error.strerror or error}") from None
        self.folder = self._run.path
        self.data_directory = self.folder / "data"
        _alive.add(self)
        atexit.register(self.close)
        try:
            self._start_from_copy()
        except (OSError, subprocess.SubprocessError) as error:
            from harness.db import one_line

            self.close()
            raise TargetError(f"cannot start a server in {self.folder}: {one_line(str(error))}") from None
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """Of the postmaster."""
        assert self._launch is not None
        return self._launch.process.pid

    def conninfo(self, dbname: str) -> str:
        from psycopg.conninfo import make_conninfo

        # `options` is set so that nobody's PGOPTIONS reaches into a run.
        return make_conninfo(
            "",
            host=str(self.folder),
            port=5432,
            user="postgres",
            dbname=dbname,
            options="",
            sslmode="disable",
            gssencmode="disable",
            connect_timeout=30,
        )

    def close(self) -> None:
        if os.getpid() != self._owner:
            atexit.unregister(self.close)
            _alive.discard(self)
            self._disown()
            return
        if self._launch is not None:
            self._launch.stop(timeout=QUIT_TIMEOUT_S)
            if self._launch.process.returncode != 0:  # it was killed, by whomever
                end_orphans(self.data_directory)
        self._run.remove()
        # Last: when a Ctrl-C comes between, the exit of the interpreter does the rest.
        atexit.unregister(self.close)
        _alive.discard(self)

    def _start_from_copy(self) -> None:
        cached = fresh_data_directory(self.data_directory, self.binaries, self._account, cache=self._cache)
        try:
            self._start()
        except TargetError:
            if not cached:
                raise
            # A crash of the machine can have emptied files of the cache (nothing is synced there). Then a new data
            # directory starts; else the trouble is another, which the second attempt tells.
            shutil.rmtree(self.data_directory)
            new_data_directory(self.data_directory, self.binaries, self._account)
            self._start()
            forget(self.binaries, self._account, cache=self._cache)

    def _start(self) -> None:
        settings = server_settings(self.binaries.major, socket_folder=str(self.folder), overrides=self.settings)
        (self.data_directory / "postgresql.conf").write_text(as_file(settings))
        (self.data_directory / "postgresql.conf").chmod(0o644)
        log = self.folder / "server.log"
        log.unlink(missing_ok=True)
        argv = [str(self.binaries.folder / "postgres"), "-D", str(self.data_directory)]
        with unbroken():  # what was started is known
            self._launch = Launch(argv, self._account, log, watchdog=self._watchdog)
        try:
            self._wait_until_it_answers(log)
        except BaseException:
            self._launch.stop(timeout=QUIT_TIMEOUT_S)
            raise

    def _wait_until_it_answers(self, log: Path) -> None:
        self._account.meanwhile()
        # Here, not at the top: the server's first steps need none of it.
        import psycopg

        from harness.db import one_line

        assert self._launch is not None
        deadline = time.monotonic() + self._start_timeout
        while True:
            try:
                psycopg.connect(self.conninfo("postgres")).close()
                return
            except psycopg.Error as error:
                refusal = one_line(str(error))
            if (code := self._launch.process.poll()) is not None:
                raise TargetError(f"the server did not start (exit code {code}): {_last_lines(log)}")
            if time.monotonic() > deadline:
                raise TargetError(
                    f"the server did not answer within {self._start_timeout:g} s ({refusal}): {_last_lines(log)}"
                )
            time.sleep(0.005)

    def _disown(self) -> None:
        self._run.disown()
        if self._launch is not None:
            self._launch.disown()
            self._launch.process.returncode = 0  # not this process's child: nothing to wait for, nothing to warn about


def _last_lines(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    return " | ".join(line.strip() for line in lines[-_LOG_LINES:]) or "its log is empty"


_alive: weakref.WeakSet[EmbeddedTarget] = weakref.WeakSet()


def _after_fork() -> None:
    # A forked child must not keep the folder locked or the watchdog waiting, and must not stop the server at its exit.
    for target in list(_alive):
        atexit.unregister(target.close)
        target._disown()


os.register_at_fork(after_in_child=_after_fork)
