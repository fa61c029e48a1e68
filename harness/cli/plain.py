"""What is given to an option, understood without a library where it is plain.

Typer has every value checked by pydantic, which takes longer to be loaded than all else that a command line needs.
Nearly all values are words, paths and whole numbers. Whatever is not plainly right goes on to pydantic, and gets its
complaint.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args, get_origin

from typer.core import TyperArgument, TyperOption

_WHOLE = re.compile(r"[0-9]{1,18}")


class Plain:
    """What typer asks for an option's value. ``thorough`` makes its own one."""

    def __init__(self, thorough: Callable[[], Any]) -> None:
        self._thorough = thorough

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """The value for the command. Raises as typer's own does."""
        several = param.multiple or param.nargs == -1
        if value is None:
            return () if several else None
        kind, info = param.type_descriptor.annotation, param.type_descriptor.parameter_info
        if several and get_origin(kind) is list and isinstance(value, list | tuple):
            [inner] = get_args(kind)
            items = [plain(item, inner, info) for item in value]
            if None not in items:
                return items
        elif (found := plain(value, kind, info)) is not None:
            return found
        return self._thorough().coerce(value, param=param, ctx=ctx)


def plain(value: object, kind: object, info: Any) -> str | Path | int | None:
    """``value`` as ``kind``, with what typer's ``info`` says of the option; None where that is not plain."""
    if kind is str:
        return value if isinstance(value, str) else None
    if kind is Path and isinstance(value, str | Path) and not (info.exists or info.writable or info.resolve_path):
        if not (info.file_okay and info.dir_okay) or info.allow_dash:
            return None
        return Path(value) if os.access(value, os.R_OK) or not os.path.lexists(value) else None
    if kind is int:
        number = int(value) if isinstance(value, str) and _WHOLE.fullmatch(value) else value
        if isinstance(number, int) and not isinstance(number, bool):
            within = (info.min is None or number >= info.min) and (info.max is None or number <= info.max)
            return number if within else None
    return None


def take_plainly(params: Sequence[Any]) -> None:
    """Have the values of ``params`` understood by `Plain`."""
    for param in params:
        if isinstance(param, TyperArgument | TyperOption) and "get_runtime_param" not in vars(param):
            ours = Plain(param.get_runtime_param)
            vars(param)["get_runtime_param"] = lambda ours=ours: ours
