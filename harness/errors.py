"""Exceptions, named by who must act. Each carries the exit code that the command line promises for it."""


class HarnessError(Exception):
    """Root of everything the harness raises on purpose; its text is one line for a person."""

    exit_code = 4


class UsageError(HarnessError):
    """The person at the keyboard must act: an option, a path or a scenario is wrong."""

    exit_code = 2


class ScenarioError(UsageError):
    """A scenario file is wrong. The text starts with ``file:line:column``.

    ``line`` and ``column`` count from 1, as editors do.
    """

    def __init__(self, file: str, line: int, column: int, message: str) -> None:
        super().__init__(f"{file}:{line}:{column}: {message}")
        self.file, self.line, self.column, self.message = file, line, column, message


class UserSqlError(UsageError):
    """SQL that the person gave us was refused by the parser or by the server; keeps ``sqlstate`` when there is one."""

    def __init__(self, where: str, message: str, *, sqlstate: str | None = None) -> None:
        super().__init__(f"{where}: {message}")
        self.where, self.sqlstate = where, sqlstate


class TargetError(HarnessError):
    """The server or the machine must be put right: no binaries, it will not start, it refused us."""


class SaveError(HarnessError):
    """The disk must be put right: a result could not be written where it was to go."""


class DriverError(HarnessError):
    """An execution could not be carried out: a bound was reached, a worker process died by itself."""


class NondeterminismError(HarnessError):
    """The same choices led somewhere else. Never a violation: the harness must not guess."""
