"""A whole training: from shards to checkpoints, a SavedModel and a summary."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import tensorflow as tf

from detector_trainer.batches import Part, training_batches
from detector_trainer.configuration import Configuration
from detector_trainer.evaluation import Evaluator
from detector_trainer.files import write_json, write_text
from detector_trainer.journal import Journal
from detector_trainer.label_map import read_label_map
from detector_trainer.learner import Learner
from detector_trainer.loop import Loop
from detector_trainer.model import load_detector
from detector_trainer.records import Annotation, find_shards, read_annotations
from detector_trainer.replicas import Replicas
from detector_trainer.resuming import bring, continued, find_checkpoint
from detector_trainer.schedule import Schedule
from detector_trainer.serving import write_saved_model

logger = logging.getLogger(__name__)


def train(
    configuration: Configuration,
    data: Path,
    output: Path,
    *,
    resume: Path | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Train a detector, or go on where ``output`` (else ``resume``, the output of another training) left off.

    Several workers call it alike, with folders that all of them see; the chief alone writes.

    Returns:
        What ``summary.json`` says: steps, best_step, validation_mAP, validation_mAP50, seconds, warnings.

    Raises:
        BadInput: the data or the configuration cannot be trained on.
        Stopped: ``should_stop`` said so; a checkpoint was written.
    """
    tf.config.experimental.enable_op_determinism()
    replicas = Replicas.find()
    share = replicas.share_of(configuration)
    label_map = read_label_map(data / "label_map.pbtxt")
    shards, validation_shards = find_shards(data, "train"), find_shards(data, "validation")
    annotations = read_annotations(shards, label_map)
    validation = read_annotations(validation_shards, label_map)
    logger.info("%d training and %d validation images, %d classes", len(annotations), len(validation), len(label_map))

    earlier = find_checkpoint(output, resume)
    if earlier is not None:
        configuration = continued(configuration, label_map, earlier)
    schedule = Schedule.plan(configuration, len(annotations))
    learner = Learner(configuration.replace(steps=schedule.steps), label_map, replicas)
    if earlier is not None:
        learner.restore(earlier)
        logger.info("Going on from step %d of %s", learner.progress.step, earlier)
    else:
        learner.progress.warnings += _warnings(annotations, label_map)
    for warning in learner.progress.warnings:
        logger.warning("WARNING: %s", warning)
    start = learner.progress.step
    replicas.require_same({"images": len(annotations), "step": start, "sum of weights": learner.checksum()})

    part = Part(replicas.worker, replicas.workers, configuration.batch_size // replicas.workers // share)
    batches = training_batches(shards, annotations, configuration, learner.detector.anchors, start, part)
    evaluator = Evaluator(learner.average, validation_shards, validation)
    if replicas.is_chief:
        output.mkdir(parents=True, exist_ok=True)
        if earlier is not None:
            bring(earlier, output)
        learner.detector.configuration.write(output / "configuration.json")
        write_text(output / "label_map.pbtxt", (data / "label_map.pbtxt").read_text(encoding="utf-8"))
    with Journal(output, schedule.steps, start) if replicas.is_chief else nullcontext() as journal:
        if journal is not None:
            journal.graph(evaluator.graph)
        Loop(learner, schedule, evaluator, journal, output, should_stop, replicas).run(batches)

    summary = _summary(learner)
    if replicas.is_chief:
        write_saved_model(load_detector(output, "best"), output / "saved_model")
        write_json(output / "summary.json", summary)
    if replicas.workers > 1:
        logger.info("The weights of worker %d add up to %r", replicas.worker + 1, learner.checksum())
    replicas.wait_for_all()  # for the others it would look as if the chief had failed, and for it as if they had
    return summary


def _warnings(annotations: Sequence[Annotation], label_map: dict[int, str]) -> list[str]:
    """What of the training images lets expect little."""
    boxes = Counter(int(label) for annotation in annotations for label in annotation.labels)
    return [
        f"Class {name!r} has no box among the training images; it cannot be learned."
        for number, name in label_map.items()
        if not boxes[number]
    ]


def _summary(learner: Learner) -> dict[str, Any]:
    state = learner.progress
    warnings = list(state.warnings)
    if state.best_mAP <= 0:
        warnings.append("The detector found no object of the validation images; train longer, or on more images.")
    return {
        "steps": state.step,
        "best_step": state.best_step,
        "validation_mAP": state.best_mAP,
        "validation_mAP50": state.best_mAP50,
        "seconds": round(state.seconds, 1),
        "warnings": warnings,
    }
