"""The operating-system account that a server of ours runs under: postgres refuses to run as root."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import TargetError

_CANDIDATES = ("postgres", "nobody", "daemon")
_KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


def nothing() -> None:
    """What there is to do while a program runs, where nothing is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """``user``, ``group``, ``extra_groups`` are what `subprocess.Popen` takes: all None means "as we are".
    ``meanwhile``: what this process does while it would only wait for a program; it raises nothing."""

    name: str
    uid: int
    user: int | None = None
    group: int | None = None
    extra_groups: tuple[int, ...] | None = None
    meanwhile: Callable[[], object] = nothing

    def give(self, path: Path) -> None:
        """Make this account the owner of ``path``."""
        if self.user is not None and self.group is not None:
            os.chown(path, self.user, self.group)

    def run(self, argv: Sequence[str | os.PathLike[str]], *, timeout: float = 60.0) -> str:
        """Standard output of a program run under this account. Raises `TargetError` with one line when it fails,
        and the `OSError` (`PermissionError`, …) when it cannot even be executed."""
        name = Path(argv[0]).name
        with subprocess.Popen(
            argv,
            user=self.user,
            group=self.group,
            extra_groups=self.extra_groups,
            umask=0o077,
            cwd="/",  # ours may be closed to the account
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                self.meanwhile()
                output, errors = process.communicate(timeout=timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                raise TargetError(f"{name} did not end within {timeout:g} s") from None
            except BaseException:
                process.kill()
                raise
        if process.returncode != 0:
            lines = [line for line in errors.splitlines() if line.strip()]
            raise TargetError(f"{name} failed ({process.returncode}): {' '.join(lines[-3:]) or 'no message'}")
        return output


def server_account() -> Account:
    """Who we are, or for root the first of postgres, nobody, daemon. Raises `TargetError` when there is none."""
    uid = os.geteuid()
    if uid != 0:
        return Account(name=_name_of(uid), uid=uid)
    for name in _CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name=name, uid=entry.pw_uid, user=entry.pw_uid, group=entry.pw_gid, extra_groups=())
    raise TargetError(
        f"postgres does not run as root, and there is no user {', '.join(_CANDIDATES)}: run as a plain user"
    )


def environment() -> dict[str, str]:
    """What a server process needs of our environment: no PG* variable reaches it, nor anybody's secrets."""
    return {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ} | {"LC_ALL": "C"}


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # initdb insists on an entry: it will say so itself
        return str(uid)
