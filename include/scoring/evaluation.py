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
from include.scoring.predict import Picture, Predictor, latency_ms, load_predictor

TIMED_IMAGES = 30
ANSWERED: ExportFormat = "mxnet"


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
        input_size: of the models that are run here, in pixels.
        answers: what a service said of the hold-out with the model that cannot be (``include.scoring.answers``).
        progress: called with images done and images in all.
    """
    predictors: dict[ExportFormat, Predictor] = {
        format_: AnsweredPredictor(answers) if answers and format_ == ANSWERED else load_predictor(format_, path)
        for format_, path in exports.items()
    }
    run_here = predictors.keys() - {ANSWERED}
    detections: dict[ExportFormat, dict[int, Detections]] = {format_: {} for format_ in exports}
    timed: list[Picture] = []
    for done, image in enumerate(holdout, start=1):
        picture = Picture(image.encoded)
        for format_, predictor in predictors.items():
            detections[format_][image.id] = predictor(picture)
        if run_here and len(timed) < TIMED_IMAGES:
            timed.append(picture.at_input_size(input_size))
        if progress:
            progress(done, len(holdout))
    return {
        format_: Evaluation(
            format=format_,
            path=exports[format_],
            score=coco_score(holdout.coco, detections[format_]),
            latency_ms=latency_ms(predictor, timed) if format_ in run_here else None,
            detections=detections[format_],
        )
        for format_, predictor in predictors.items()
    }
