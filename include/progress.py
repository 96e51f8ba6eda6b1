"""How far a training is, read from the ``metrics.jsonl`` that it is still writing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

TAIL_BYTES = 8192  # holds many lines; only the last is wanted


def last_training_line(file: Path) -> dict[str, Any]:
    """The last whole line that has a loss (validation lines have none); empty where there is none yet."""
    try:
        with file.open("rb") as lines:
            lines.seek(max(0, file.stat().st_size - TAIL_BYTES))
            return last_training_line_in(lines.read())
    except FileNotFoundError:
        return {}


def last_training_line_in(lines: bytes) -> dict[str, Any]:
    """The same of the file's last bytes, which may begin and end within a line."""
    whole = lines.split(b"\n")[:-1]
    parsed = (json.loads(line) for line in reversed(whole) if line.startswith(b"{") and line.endswith(b"}"))
    return next((line for line in parsed if "loss" in line), {})
