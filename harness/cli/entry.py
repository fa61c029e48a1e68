"""The entry point: one line for whatever a person can act on, and the exit codes that are promised."""

from __future__ import annotations

import gc
import sys
from copy import copy
from typing import Any, NoReturn

import typer
from typer.exceptions import TyperException
from typer.main import get_command_name
from typer.models import CommandInfo

from harness.cli.app import app
from harness.cli.group import apart
from harness.errors import HarnessError

INTERRUPTED = 130


def main() -> NoReturn:
    """Entry point. One line on standard error for anything that a person can act on; exit codes as promised."""
    from harness.cli.ending import ended_once, flushed, open_standard_streams, over, speak_what_is_understood

    # What is loaded stays: to look through it for garbage over and over again takes a tenth of the time of loading it.
    gc.set_threshold(200_000, 20, 20)
    open_standard_streams()
    speak_what_is_understood()
    ended_once()
    try:
        code = run_command(sys.argv[1:])
    finally:
        over()
    code = flushed(code, _say)
    # Started by -m, Python ends by SIGINT when one has ever come while a text was executed, as `dataclasses` does for
    # every class, whatever was made of it since. It forgets that with the next text.
    exec("")
    sys.exit(code)


def run_command(arguments: list[str]) -> int:
    """The exit code of one command line; what went wrong stands on standard error by then, in one line."""
    try:
        result: Any = _app_for(arguments)(arguments, prog_name="harness", standalone_mode=False)
        if result == INTERRUPTED:  # typer has already turned Ctrl-C into this
            return _say("interrupted", INTERRUPTED)
        return result if isinstance(result, int) else 0
    except TyperException as e:
        return _say(e.format_message(), 2)
    except HarnessError as e:
        return _say(str(e), e.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        return _say("interrupted", INTERRUPTED)
    except BrokenPipeError:  # whoever read has seen enough
        return 0
    except Exception as error:
        # Before Python 3.12 one that comes while a class is made is wrapped.
        if isinstance(error.__cause__, KeyboardInterrupt):
            return _say("interrupted", INTERRUPTED)
        if isinstance(error.__cause__, SystemExit):
            raise error.__cause__ from None
        from harness.db import answering

        try:
            with answering():
                raise
        except HarnessError as refused:
            return _say(str(refused), refused.exit_code)


def _app_for(arguments: list[str]) -> typer.Typer:
    """The application, with the one command that is asked for: the options of all of them take a while to be made."""
    _, others = apart(arguments)
    asked = [info for info in app.registered_commands if others[:1] == [_name(info)]]
    if not asked:
        return app
    narrowed = copy(app)
    narrowed.registered_commands = asked
    return narrowed


def _name(info: CommandInfo) -> str:
    return info.name or get_command_name(info.callback.__name__ if info.callback is not None else "")


def _say(message: str, code: int) -> int:
    """One line, whatever the message holds."""
    line = " ".join(message.split())
    sys.stderr.write(f"harness: {line}\n")
    return code
