"""How a training of SageMaker's built-in detector went, out of its log, in the files that our own trainer writes.

Lines: https://docs.aws.amazon.com/sagemaker/latest/dg/object-detection-tuning.html and the metric definitions that the
service has for the algorithm::

    #quality_metric: host=algo-1, epoch=0, batch=100 train cross_entropy <loss>=(1.25)
    #quality_metric: host=algo-1, epoch=0, batch=100 train smooth_l1 <loss>=(0.75)
    #quality_metric: host=algo-1, epoch=0, validation mAP <score>=(0.25)

An epoch stands where our trainer has a step. Its mAP is at one IoU, ``overlap_threshold``: at 0.5 what COCO calls
mAP50.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from include.builtin_detector import FROM_THE_DATA, BuiltinConfiguration
from include.documents import TrainingSummary
from training_services.sagemaker.states import seconds_of

LINE = re.compile(r"#quality_metric: host=[^,]+, epoch=(\d+), (?:batch=\d+ )?(.+?)=\(([^)]*)\)")
NAMES = {
    "train cross_entropy <loss>": "class_loss",
    "train smooth_l1 <loss>": "box_loss",
    "validation mAP <score>": "validation_mAP50",
}
FINAL = "validation:mAP"  # the name of the last value that the service keeps itself
USUAL_OVERLAP = 0.5


def write_history(folder: Path, job: Mapping[str, Any], lines: Iterable[str]) -> None:
    """Write ``configuration.json``, ``metrics.jsonl`` and ``summary.json``.

    Args:
        job: what the service describes.
        lines: of its log; there may be none any more.
    """
    given: dict[str, str] = job["HyperParameters"]
    epochs = epochs_of(lines)
    summary = summary_of(job, epochs)
    (folder / "configuration.json").write_text(json.dumps(typed(given), indent=1))
    (folder / "metrics.jsonl").write_text("".join(json.dumps(each) + "\n" for each in epochs))
    (folder / "summary.json").write_text(summary.model_dump_json())


def epochs_of(lines: Iterable[str]) -> list[dict[str, Any]]:
    """What the log says of each epoch; of one that was trained twice, after an interruption, what was said last."""
    epochs: dict[int, dict[str, Any]] = {}
    for line in lines:
        for epoch, what, text in LINE.findall(line):
            if what in NAMES and (value := _number(text)) is not None:
                epochs.setdefault(int(epoch), {})[NAMES[what]] = value
    return [{"step": epoch + 1, **_with_sum(said)} for epoch, said in sorted(epochs.items())]


def summary_of(job: Mapping[str, Any], epochs: Sequence[Mapping[str, Any]]) -> TrainingSummary:
    """The best epoch, whose model the algorithm keeps."""
    given: dict[str, str] = job["HyperParameters"]
    validated = [each for each in epochs if "validation_mAP50" in each]
    asked = int(given.get("epochs", 0))
    kept = {each["MetricName"]: each["Value"] for each in job.get("FinalMetricDataList", ())}
    best = max(validated, key=lambda each: each["validation_mAP50"], default=None)
    warnings = []
    if best is None:
        warnings.append("The job's log says nothing of its validation; which epoch was the best is not known.")
    overlap = float(given.get("overlap_threshold", USUAL_OVERLAP))
    if overlap != USUAL_OVERLAP:
        warnings.append(f"Its own validation counts a box as found from an IoU of {overlap:g}, not {USUAL_OVERLAP:g}.")
    return TrainingSummary(
        steps=max((each["step"] for each in epochs), default=asked),
        best_step=best["step"] if best else asked,
        validation_mAP=None,
        validation_mAP50=best["validation_mAP50"] if best else kept.get(FINAL),
        seconds=seconds_of(job) or 0.0,
        warnings=tuple(warnings),
    )


def typed(given: Mapping[str, str]) -> dict[str, Any]:
    """Hyperparameters as the service has them, as numbers and truths where they are such."""
    kinds = {name: type(value) for name, value in BuiltinConfiguration().to_json().items()}
    kinds |= dict.fromkeys(FROM_THE_DATA, int)
    return {name: _as(kinds.get(name, str), text) for name, text in sorted(given.items())}


def _as(kind: type, text: str) -> Any:
    return text.lower() == "true" if kind is bool else kind(text)


def _with_sum(said: dict[str, float]) -> dict[str, float]:
    losses = [said[name] for name in ("class_loss", "box_loss") if name in said]
    return {**said, **({"loss": sum(losses)} if len(losses) == 2 else {})}


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
