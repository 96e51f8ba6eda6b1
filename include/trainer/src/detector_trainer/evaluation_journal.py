"""What an evaluator beside a training tells the outside: evaluation.jsonl, the log, and TensorBoard."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf

from detector_trainer.files import append_line, read_lines, write_lines

NAME = "evaluation.jsonl"

logger = logging.getLogger(__name__)


class EvaluationJournal:
    """Writes to the output folder of a training, but nothing before there is something to say.

    Lines of ``evaluation.jsonl`` have "time" (Unix seconds), "step", "steps", and each of ``evaluation.FIGURES`` with
    "validation_" before its name.

    Args:
        resume: the output of an earlier attempt, whose lines are brought along.
    """

    def __init__(self, output: Path, resume: Path | None = None) -> None:
        self._path = output / NAME
        self._lines = read_lines(self._path) or (read_lines(resume / NAME) if resume else [])
        self._board_folder = output / "tensorboard" / "evaluation"
        self._board: tf.summary.SummaryWriter | None = None

    @property
    def step(self) -> int | None:
        """The last that was recorded."""
        return self._lines[-1]["step"] if self._lines else None

    def record(self, step: int, steps: int | None, figures: Mapping[str, float | None], seconds: float) -> None:
        """Record a checkpoint's figures; lines of the same or later steps, which were trained anew, are forgotten.

        Args:
            seconds: that its evaluation took.
        """
        values = {f"validation_{name}": value for name, value in figures.items()}
        if self._board is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._board = tf.summary.create_file_writer(str(self._board_folder))
            write_lines(self._path, self._lines)
        if self._lines and step <= self._lines[-1]["step"]:
            self._lines = [line for line in self._lines if line["step"] < step]
            write_lines(self._path, self._lines)
        self._lines.append({"time": round(time.time(), 3), "step": step, "steps": steps, **values})
        append_line(self._path, self._lines[-1])
        with self._board.as_default(step):
            for name, value in values.items():
                if value is not None:
                    tf.summary.scalar(name, value)
        self._board.flush()
        logger.info(
            "evaluation of step %d/%s  validation mAP %.3f  mAP50 %.3f  (%.1f s)",
            *(step, steps, figures["mAP"], figures["mAP50"], seconds),
        )
