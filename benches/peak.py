"""The most memory that a process has had. Imports next to nothing: it is imported by what is measured."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

KIB = 1 if sys.platform == "darwin" else 1024  # the unit of ru_maxrss, in bytes


def peak_memory(process: int | None = None) -> int:
    """Peak resident memory of this process, or on Linux of another, in bytes.

    On Linux not ``ru_maxrss``: across fork and exec a child keeps what its parent had, pytest with TensorFlow, say.
    """
    status = Path(f"/proc/{process or 'self'}/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB
