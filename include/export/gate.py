"""Which exports may be shipped: those that still do what the trained model does.

The SavedModel is the reference, or MXNet's model where SageMaker's built-in detector has no other, or what Custom
Vision's own prediction API answers. A conversion can go wrong without an error: variables that were not frozen give a
file that runs and returns zeros, quantisation can flatten one class, LiteRT's threads can lose one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from include.documents import REFERENCES, ExportFormat, Metrics
from include.scoring.detections import Detections
from include.scoring.evaluation import Evaluation

TOLERANCE: Mapping[ExportFormat, float] = {
    "frozen_graph": 0.005,
    "tflite_fp32": 0.005,
    "tflite_fp16": 0.005,
    "tflite_int8": 0.02,
    "custom_vision_pb": 0.005,
    "custom_vision_tflite": 0.005,
}
"""The mAP that an export may lose against the SavedModel."""

REFERENCE_NAMES = {"saved_model": "the SavedModel", "mxnet": "MXNet's model", "custom_vision": "the prediction API"}
CLASS_IS_DETECTED = 0.10
"""AP50 from which the SavedModel is said to detect a class, so that an export can lose it."""


def gate(
    evaluations: Mapping[ExportFormat, Evaluation], tolerance: Mapping[ExportFormat, float] = TOLERANCE
) -> dict[ExportFormat, tuple[str, ...]]:
    """Why each export is refused, in words with figures; an empty tuple lets it through.

    Raises:
        ValueError: ``evaluations`` lacks the SavedModel, so that there is nothing to compare with.
    """
    judged_by = next((format_ for format_ in REFERENCES if format_ in evaluations), None)
    if judged_by is None:
        raise ValueError(
            f"Got {', '.join(evaluations)}; without one of {', '.join(REFERENCES)} nothing can be compared."
        )
    reference = evaluations[judged_by].score.metrics
    refusals = {}
    for format_, evaluation in evaluations.items():
        reasons = constant_output(list(evaluation.detections.values()))
        if format_ != judged_by:
            metrics = evaluation.score.metrics
            reasons += lost_accuracy(reference, metrics, tolerance[format_], REFERENCE_NAMES[judged_by])
            reasons += lost_classes(reference, metrics)
        refusals[format_] = reasons
    return refusals


def lost_accuracy(
    reference: Metrics, export: Metrics, tolerance: float, against: str = "the SavedModel"
) -> tuple[str, ...]:
    """More mAP lost than is tolerated."""
    loss = reference.mAP - export.mAP
    if loss <= tolerance:
        return ()
    return (
        f"loses {loss:.4f} mAP against {against} ({export.mAP:.4f} instead of {reference.mAP:.4f}); "
        f"at most {tolerance:g} is allowed",
    )


def lost_classes(reference: Metrics, export: Metrics) -> tuple[str, ...]:
    """Classes that the SavedModel detects and the export never finds."""
    return tuple(
        f"loses the class {name!r}: AP50 0 instead of {ap50:.3f}"
        for name, ap50 in reference.per_class50.items()
        if ap50 is not None and ap50 >= CLASS_IS_DETECTED and not export.per_class50.get(name)
    )


def constant_output(detections: Sequence[Detections]) -> tuple[str, ...]:
    """Signs that the output does not depend on the image."""
    total = sum(len(found) for found in detections)
    if total == 0:
        return (f"detects nothing in any of the {len(detections)} hold-out images",)
    if len(detections) > 1 and all(found.same_as(detections[0]) for found in detections):
        return (f"returns the same {len(detections[0])} detections for all {len(detections)} hold-out images",)
    scores = np.concatenate([found.scores for found in detections])
    if total > 1 and (scores == scores[0]).all():
        return (f"gives all {total} detections the same score, {scores[0]:.4f}",)
    return ()
