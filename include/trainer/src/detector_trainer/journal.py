"""What a training tells the outside while it runs: metrics.jsonl, the log, and TensorBoard."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import numpy as np
import tensorflow as tf

from detector_trainer.anchors import decode
from detector_trainer.detection import Detections
from detector_trainer.evaluation import Score
from detector_trainer.files import append_line, read_lines, write_lines

BOX_COLOUR = (255.0, 64.0, 0.0)
SHOWN_SCORE = 0.3  # detections below it are not drawn
PICTURES = 4  # of a batch

logger = logging.getLogger(__name__)


class Journal:
    """Writes to an output folder; a resumed training continues after the step that it starts from.

    Lines of ``metrics.jsonl`` have either "loss", "class_loss", "box_loss", "learning_rate", "seconds_per_step" and
    "seconds_left", or "validation_mAP", "validation_mAP50" and "best"; all have "time" (Unix seconds), "step", "steps".
    """

    def __init__(self, output: Path, steps: int, start: int) -> None:
        self._path, self._steps = output / "metrics.jsonl", steps
        self._drop_after(start)
        self._board = tf.summary.create_file_writer(str(output / "tensorboard"))

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self._board.close()

    def training(
        self, step: int, losses: np.ndarray, learning_rate: float, seconds_per_step: float, seconds_left: float
    ) -> None:
        """Record losses (class, box), each a mean since the last line."""
        class_loss, box_loss = (float(loss) for loss in losses)
        values = {
            "loss": class_loss + box_loss,
            "class_loss": class_loss,
            "box_loss": box_loss,
            "learning_rate": learning_rate,
            "seconds_per_step": round(seconds_per_step, 4),
        }
        self._write(step, **values, seconds_left=round(seconds_left, 1))
        self._scalars(step, values)
        logger.info(
            "step %d/%d  loss %.3f (class %.3f, box %.3f)  %.2f s/step  %.0f s left",
            *(step, self._steps, class_loss + box_loss, class_loss, box_loss, seconds_per_step, seconds_left),
        )

    def validation(self, step: int, score: Score, is_best: bool) -> None:
        values = {"validation_mAP": score.mAP, "validation_mAP50": score.mAP50}
        self._write(step, **values, best=is_best)
        self._scalars(step, values)
        mark = "  best so far" if is_best else ""
        logger.info("step %d/%d  validation mAP %.3f  mAP50 %.3f%s", step, self._steps, *score, mark)

    def graph(self, graph: tf.Graph) -> None:
        with self._board.as_default():
            tf.summary.graph(graph)

    def targets(self, images: tf.Tensor, targets: tuple[tf.Tensor, ...], anchors: np.ndarray) -> None:
        """Show the first batch as the network sees it, with the objects that anchors were matched to."""
        boxes, classes, _ = (tensor[:PICTURES] for tensor in targets)
        objects = tf.where(classes[..., None] >= 0, decode(boxes, tf.constant(anchors)), 0.0)
        self._pictures(0, "training", images[:PICTURES], objects)

    def detections(self, step: int, images: tf.Tensor, found: Detections) -> None:
        sure = found.scores >= SHOWN_SCORE
        self._pictures(step, "validation", images, tf.where(sure[..., None], found.boxes, 0.0))

    def _pictures(self, step: int, name: str, images: tf.Tensor, boxes: tf.Tensor) -> None:
        """(B, S, S, 3) float32 images in 0..255 with (B, G, 4) boxes drawn on them; boxes of no area are padding."""
        drawn = tf.image.draw_bounding_boxes(images / 255.0, boxes, tf.constant([BOX_COLOUR]) / 255.0)
        with self._board.as_default():
            tf.summary.image(name, drawn, step=step, max_outputs=images.shape[0])

    def _write(self, step: int, **values: float | bool) -> None:
        line = {"time": round(time.time(), 3), "step": step, "steps": self._steps, **values}
        append_line(self._path, line)

    def _scalars(self, step: int, values: dict[str, float]) -> None:
        with self._board.as_default():
            for name, value in values.items():
                tf.summary.scalar(name, value, step=step)
        self._board.flush()

    def _drop_after(self, step: int) -> None:
        """Forget lines of steps that will be done again, and a last line that a kill cut short."""
        if self._path.is_file():
            write_lines(self._path, [line for line in read_lines(self._path) if line["step"] <= step])
