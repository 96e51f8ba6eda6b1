"""Reload every export of a model, run it over the hold-out, score and time it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from include.documents import ExportFormat
from include.scoring.answers import AnsweredPredictor
from include.scoring.coco_metrics import Score, coco_score
from include.scoring.detections import Detections
from include.scoring.holdout import HoldOut
from include.scoring.picture import Picture
from include.scoring.predict import Predictor, latency_ms, load_predictor

TIMED_IMAGES = 30
ANSWERED: frozenset[ExportFormat] = frozenset({"mxnet", "custom_vision"})
"""Formats that are not run here: their service answered."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What an export proved to be worth on the hold-out.

    Attributes:
        detections: by image id, one entry for every image of the hold-out.
        latency_ms: see ``include.scoring.predict``; None of a model that was not run here.
    """

    format: ExportFormat
    path: Path
    score: Score
    latency_ms: float | None
    detections: dict[int, Detections]


def evaluate(
    exports: Mapping[ExportFormat, Path],
    holdout: HoldOut,
    *,
    input_size: int = 0,
    answers: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[ExportFormat, Evaluation]:
    """Evaluate exports of one model side by side: each image is read and decoded once and shown to all of them.

    For timings on one thread call ``limit_tensorflow_to_one_thread`` first.

    Args:
        exports: file or folder of each format.
        input_size: in pixels, of the models that are run here and do not say it themselves.
        answers: what a service said of the hold-out with the model that cannot be (``include.scoring.answers``).
        progress: called with images done and images in all.
    """
    predictors: dict[ExportFormat, Predictor] = {
        format_: AnsweredPredictor(answers)
        if answers and format_ in ANSWERED
        else load_predictor(format_, path, holdout.label_map)
        for format_, path in exports.items()
    }
    run_here = {
        format_: int(getattr(predictor, "input_size", input_size))
        for format_, predictor in predictors.items()
        if format_ not in ANSWERED
    }
    detections: dict[ExportFormat, dict[int, Detections]] = {format_: {} for format_ in exports}
    timed: dict[int, list[Picture]] = {size: [] for size in run_here.values()}
    for done, image in enumerate(holdout, start=1):
        picture = Picture(image.encoded)
        for format_, predictor in predictors.items():
            detections[format_][image.id] = predictor(picture)
        for size, pictures in timed.items():
            if len(pictures) < TIMED_IMAGES:
                pictures.append(picture.at_input_size(size))
        if progress:
            progress(done, len(holdout))
    return {
        format_: Evaluation(
            format=format_,
            path=exports[format_],
            score=coco_score(holdout.coco, detections[format_]),
            latency_ms=latency_ms(predictor, timed[run_here[format_]]) if format_ in run_here else None,
            detections=detections[format_],
        )
        for format_, predictor in predictors.items()
    }
