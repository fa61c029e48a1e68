"""The entry point: one line for whatever a person can act on, and the exit codes that are promised."""

from __future__ import annotations

import gc
import sys
from typing import Any, NoReturn

import typer
from typer.exceptions import TyperException

from harness.cli.app import app
from harness.errors import HarnessError

INTERRUPTED = 130


def main() -> NoReturn:
    """Entry point. One line on standard error for anything that a person can act on; exit codes as promised."""
    from harness.cli.ending import ended_once, flushed, open_standard_streams, speak_what_is_understood
    from harness.cli.generated import compile_once

    # What is loaded stays: to look through it for garbage over and over again takes a tenth of the time of loading it.
    gc.set_threshold(200_000, 20, 20)
    compile_once()
    open_standard_streams()
    speak_what_is_understood()
    ended_once()
    sys.exit(flushed(run_command(sys.argv[1:]), _say))


def run_command(arguments: list[str]) -> int:
    """The exit code of one command line; what went wrong stands on standard error by then, in one line."""
    try:
        result: Any = app(arguments, prog_name="harness", standalone_mode=False)
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
    except Exception:
        from harness.db import answering

        try:
            with answering():
                raise
        except HarnessError as refused:
            return _say(str(refused), refused.exit_code)


def _say(message: str, code: int) -> int:
    """One line, whatever the message holds."""
    line = " ".join(message.split())
    sys.stderr.write(f"harness: {line}\n")
    return code
