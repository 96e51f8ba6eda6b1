"""How a training of Custom Vision went, in the files that our own trainer writes. It tells little of it.

There are no steps and no losses, only what came out: precision, recall and average precision of each tag, on images of
the service's own choice among those it was sent.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from include.documents import ClassMeasure, Measure, TrainingSummary
from training_services.custom_vision.collecting import MODEL
from training_services.custom_vision.records import JobRecords

USUAL_OVERLAP = 0.5
SHOWN = 3  # of what was set aside


def write_history(folder: Path, records: JobRecords) -> None:
    """Write ``configuration.json``, ``metrics.jsonl``, ``summary.json``; what was uploaded and measured, as it was."""
    uploaded, performance = records.read("uploaded.json") or {}, records.read("performance.json") or {}
    summary = summary_of(uploaded, performance)
    line: dict[str, float] = {"step": 0}
    if summary.validation_mAP50 is not None:
        line |= {"validation_mAP50": summary.validation_mAP50}
    (folder / MODEL).mkdir(parents=True, exist_ok=True)
    (folder / MODEL / "performance.json").write_text(json.dumps(performance, indent=1))
    (folder / MODEL / "uploaded.json").write_text(json.dumps(uploaded, indent=1))
    (folder / "configuration.json").write_text(json.dumps(uploaded.get("configuration", {}), indent=1))
    (folder / "metrics.jsonl").write_text(json.dumps(line) + "\n")
    (folder / "summary.json").write_text(summary.model_dump_json())


def summary_of(uploaded: dict[str, Any], performance: dict[str, Any]) -> TrainingSummary:
    """Its mAP at an overlap of 0.5 is the nearest that it has to COCO's mAP50."""
    measure = measure_of(performance)
    comparable = measure.overlap_threshold == USUAL_OVERLAP
    return TrainingSummary(
        steps=0,
        best_step=0,
        validation_mAP=None,
        validation_mAP50=measure.average_precision if comparable else None,
        seconds=performance.get("seconds") or 0.0,
        warnings=tuple(_warnings(uploaded)),
        measure=measure,
    )


def measure_of(performance: dict[str, Any]) -> Measure:
    """What the service says, as the SDK's ``IterationPerformance`` has it, with the thresholds that were asked for."""
    return Measure(
        probability_threshold=performance["threshold"],
        overlap_threshold=performance["overlap"],
        precision=performance["precision"],
        recall=performance["recall"],
        average_precision=performance.get("average_precision") or 0.0,
        classes={
            tag["name"]: ClassMeasure(
                precision=tag["precision"], recall=tag["recall"], average_precision=tag.get("average_precision")
            )
            for tag in performance.get("per_tag_performance", ())
        },
    )


def _warnings(uploaded: dict[str, Any]) -> list[str]:
    aside = uploaded.get("set_aside", [])
    said = []
    if aside:
        first = "; ".join(f"{fault['file']}: {fault['message']}" for fault in aside[:SHOWN])
        count = f"{len(aside)} of {uploaded['found']} images of train and validation"
        said.append(f"{count} were set aside for Custom Vision: {first}")
    if without := uploaded.get("without_boxes"):
        said.append(f"{without} images without a box were not sent: Custom Vision does not train on them.")
    return said
