"""What SageMaker's built-in detector answers for an image, as detections.

https://docs.aws.amazon.com/sagemaker/latest/dg/object-detection-in-formats.html
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from include.scoring.detections import Detections

SUPPRESSED = -1  # MXNet's class of a detection that another one of the same thing has beaten


class PredictionFailed(RuntimeError):
    """SageMaker did not answer for the images. The training is not lost: the task may be cleared."""


def read_answer(file: Path) -> list[list[float]]:
    """The rows of an answer that came as a file; as ``rows_of``."""
    return rows_of(file.read_bytes() if file.exists() else b"", file.name)


def rows_of(answer: bytes, whose: str) -> list[list[float]]:
    """The rows of an answer: class from 0, score, xmin, ymin, xmax, ymax as fractions of the image.

    Raises:
        PredictionFailed: it is none.
    """
    try:
        return [[float(value) for value in row] for row in json.loads(answer)["prediction"]]
    except (ValueError, LookupError, TypeError) as wrong:
        raise PredictionFailed(
            f"What came from {whose} is no answer: {wrong!r}. Expected "
            '{"prediction": [[class, score, xmin, ymin, xmax, ymax], …]}.'
        ) from wrong


def detections(rows: Sequence[Sequence[float]], class_ids: Sequence[int]) -> Detections:
    """An image's answer as detections, best first.

    Args:
        class_ids: of the label map, in the order of the classes from 0.

    Raises:
        PredictionFailed: it names a class that there is not.
    """
    found = [row for row in rows if row[0] != SUPPRESSED]
    if unknown := {int(row[0]) for row in found} - set(range(len(class_ids))):
        raise PredictionFailed(
            f"It found something of class {min(unknown)}; its classes are 0 to {len(class_ids) - 1}."
        )
    classes, scores, xmin, ymin, xmax, ymax = np.array(found, np.float64).reshape(-1, 6).T
    ids = np.array(class_ids)[classes.astype(int)] if len(found) else classes
    return Detections.from_outputs(np.stack([ymin, xmin, ymax, xmax], axis=1), ids, scores, len(found), first_class=1)
