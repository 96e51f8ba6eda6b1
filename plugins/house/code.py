"""Which version of this project's code is running."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


def code_version() -> str:
    """The git commit, with ``-dirty`` if files differ from it; ``LANNER_CODE_VERSION`` where there is no git."""
    if given := os.environ.get("LANNER_CODE_VERSION"):
        return given
    try:
        command = ["git", "-C", str(PROJECT), "describe", "--always", "--dirty", "--abbrev=12"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
