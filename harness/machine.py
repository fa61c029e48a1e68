"""What every room may ask of this machine."""

from __future__ import annotations

import os


def lives(pid: int) -> bool:
    """Whether there is a process of that number here, whoever it belongs to."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True


def processors() -> int:
    """Those that we may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
