"""Somebody's own pytest run, in a project of his."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def run_pytest(cwd: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """As if nothing of this suite's environment were there, but for ``environment``."""
    ours = ("PYTEST", "REFUND_HARNESS_", "CI", "BUILD_NUMBER")  # where pytest takes itself to be in CI, it says more
    kept = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    return subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=cwd,
        env={**kept, **environment},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
