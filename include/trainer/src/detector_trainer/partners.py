"""Whose failure it is when several workers train together: of two that end, the one only lost its partner."""

from __future__ import annotations

import json
import time
from pathlib import Path

from detector_trainer.distribution import Task
from detector_trainer.files import write_json

WORD_SECONDS = 10.0  # for which the chief waits for the word of a partner that ended by itself
ABORTED = "Collective ops is aborted by: "

# Errors, with the frames that raised them and what TensorFlow has there: it would ask the dead partner as it is freed,
# and wait for half a minute.
_kept_for_ever: list[Exception] = []


def lost_partner(error: Exception, task: Task) -> str:
    """What to say where an error of TensorFlow means that another worker went away; empty: it means something else.

    As seen with one of two workers killed: Unavailable at once where a step waits for it, and after ten seconds without
    its heartbeat elsewhere; DeadlineExceeded where it never came, after as long as TensorFlow waits for it.
    """
    if task.workers == 1:
        return ""
    import tensorflow as tf

    if not isinstance(error, tf.errors.UnavailableError | tf.errors.AbortedError | tf.errors.DeadlineExceededError):
        return ""
    _kept_for_ever.append(error)
    return (
        f"Another of the {task.workers} workers went away ({_in_short(error)}). The next attempt goes on from the last "
        "checkpoint."
    )


def _in_short(error: Exception) -> str:
    """TensorFlow's own words for what happened, without where it happened."""
    lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    told = [line.partition(ABORTED)[2] for line in lines if ABORTED in line]
    return (told or lines)[0].strip().rstrip(".:")


def leave_word(output: Path, task: Task, reason: str, message: str) -> None:
    """Write why this worker, which is not the chief, failed: the chief sees only that it went away."""
    told = f"Worker {task.number + 1} of {task.workers}: {message}"
    write_json(_path(output, task.number), {"reason": reason, "message": told})


def take_words(output: Path) -> None:
    """Forget the words of earlier attempts."""
    for path in output.glob("failure-*.json"):
        path.unlink(missing_ok=True)


def partners_word(output: Path, task: Task, seconds: float = WORD_SECONDS) -> dict[str, str] | None:
    """What a partner wrote of its own failure, as ``failure.json`` has it; None if it went away without a word."""
    deadline = time.monotonic() + seconds
    while True:
        for number in range(task.workers):
            if _path(output, number).is_file():
                return json.loads(_path(output, number).read_text(encoding="utf-8"))
        if time.monotonic() >= deadline:
            return None
        time.sleep(0.2)


def _path(output: Path, number: int) -> Path:
    return output / f"failure-{number + 1}.json"
