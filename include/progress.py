"""How far a training is: from the ``metrics.jsonl`` that it is still writing, or from what it said last."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

TAIL_BYTES = 8192  # holds many lines; only the last is wanted
# As the trainer's journal has it: "step 40/400  loss 1.234 (class 0.9, box 0.3)  0.51 s/step  184 s left"
SAID = re.compile(r"step (?P<step>\d+)/(?P<steps>\d+)  loss (?P<loss>\S+) .* (?P<seconds_left>\d+) s left")


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


def last_training_line_said(log: Sequence[str]) -> dict[str, Any]:
    """The same of a training's log: step, steps, loss and seconds_left; empty where it has not said any yet."""
    found = next(filter(None, map(SAID.search, reversed(log))), None)
    if found is None:
        return {}
    return {name: float(value) if name == "loss" else int(value) for name, value in found.groupdict().items()}
