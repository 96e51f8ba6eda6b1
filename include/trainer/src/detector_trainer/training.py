"""A whole training: from shards to checkpoints, a SavedModel and a summary, or as far as it may go."""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from detector_trainer.batches import training_batches
from detector_trainer.configuration import Configuration
from detector_trainer.errors import BadInput
from detector_trainer.evaluation import Evaluator
from detector_trainer.journal import Journal
from detector_trainer.label_map import read_label_map
from detector_trainer.learner import Learner
from detector_trainer.model import load_detector
from detector_trainer.records import Annotation, find_shards, read_annotations
from detector_trainer.resuming import continued, find_checkpoint
from detector_trainer.schedule import Schedule
from detector_trainer.serving import write_saved_model

LOG_EVERY = 10  # steps

logger = logging.getLogger(__name__)


class Stopped(Exception):
    """The training was asked to stop, and can go on from the checkpoint that it wrote."""


def train(
    configuration: Configuration,
    data: Path,
    output: Path,
    *,
    resume: Path | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Train a detector, or go on where ``output`` (else ``resume``, the output of another training) left off.

    Returns:
        What ``summary.json`` says: steps, best_step, validation_mAP, validation_mAP50, seconds, warnings.

    Raises:
        BadInput: the data or the configuration cannot be trained on.
        Stopped: ``should_stop`` said so; a checkpoint was written.
    """
    label_map = read_label_map(data / "label_map.pbtxt")
    shards, validation_shards = find_shards(data, "train"), find_shards(data, "validation")
    annotations = read_annotations(shards, label_map)
    validation = read_annotations(validation_shards, label_map)
    logger.info("%d training and %d validation images, %d classes", len(annotations), len(validation), len(label_map))

    tf.config.experimental.enable_op_determinism()
    earlier = find_checkpoint(output, resume)
    if earlier is not None:
        configuration = continued(configuration, label_map, earlier, output)
    schedule = Schedule.plan(configuration, len(annotations))
    learner = Learner(configuration.replace(steps=schedule.steps), label_map)
    if earlier is not None:
        learner.restore(earlier)
        logger.info("Going on from step %d of %s", learner.progress.step, earlier)
    else:
        learner.progress.warnings += _warnings(annotations, label_map)
    for warning in learner.progress.warnings:
        logger.warning("WARNING: %s", warning)
    learner.detector.configuration.write(output / "configuration.json")
    (output / "label_map.pbtxt").write_bytes((data / "label_map.pbtxt").read_bytes())

    start = learner.progress.step
    batches = training_batches(shards, annotations, configuration, learner.detector.anchors, start)
    evaluator = Evaluator(learner.average, validation_shards, validation)
    with Journal(output, schedule.steps, start) as journal:
        journal.graph(evaluator.graph)
        _Loop(learner, schedule, evaluator, journal, output, should_stop).run(batches)

    write_saved_model(load_detector(output, "best"), output / "saved_model")
    summary = _summary(learner)
    (output / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    return summary


class _Loop:
    """Steps, and what happens between them. Every step ends with all that was due at it written down."""

    def __init__(
        self,
        learner: Learner,
        schedule: Schedule,
        evaluator: Evaluator,
        journal: Journal,
        output: Path,
        should_stop: Callable[[], bool],
    ) -> None:
        self._learner, self._schedule = learner, schedule
        self._evaluator, self._journal = evaluator, journal
        self._output, self._should_stop = output, should_stop
        self._configuration = learner.detector.configuration
        self._state = learner.progress
        self._losses: list[tf.Tensor] = []

    def run(self, batches: tf.data.Dataset) -> None:
        state, configuration = self._state, self._configuration
        began = time.monotonic() - state.seconds
        self._logged = time.monotonic()
        stream = iter(batches)
        while not self._is_finished():
            images, targets = next(stream)
            if not self._losses and state.step == 0:
                self._journal.targets(images, targets, self._learner.detector.anchors)
            self._learner.optimizer.learning_rate = self._schedule.learning_rate(state.step, state.seconds)
            self._losses.append(self._learner.step(images, targets))
            state.step += 1
            state.seconds = time.monotonic() - began
            stopping, last = self._should_stop(), self._schedule.progress(state.step, state.seconds) >= 1
            if state.step % LOG_EVERY == 0 or stopping or last:
                self._log()
            if state.step % configuration.evaluate_every == 0 or last:
                self._evaluate()
            if state.step % configuration.checkpoint_every == 0 or stopping or last:
                self._log()
                self._learner.save(self._output)
            if stopping:
                raise Stopped(f"Stopped at step {state.step} of {self._schedule.steps}; a checkpoint was written.")

    def _is_finished(self) -> bool:
        state, configuration = self._state, self._configuration
        if state.evaluations_since_best >= configuration.patience:
            logger.info("No better mAP in %d evaluations: stopping early.", configuration.patience)
            return True
        return self._schedule.progress(state.step, state.seconds) >= 1

    def _log(self) -> None:
        """Report the losses since the last time."""
        if not self._losses:
            return
        state, configuration = self._state, self._configuration
        losses = np.mean([loss.numpy() for loss in self._losses], axis=0)
        check_finite(losses, state.step, configuration)
        now = time.monotonic()
        self._journal.training(
            state.step,
            losses,
            self._schedule.learning_rate(state.step - 1, state.seconds),
            (now - self._logged) / len(self._losses),
            self._schedule.seconds_left(state.step, state.seconds),
        )
        self._losses, self._logged = [], now

    def _evaluate(self) -> None:
        state, began = self._state, time.monotonic()
        score = self._evaluator()
        is_best = score.mAP > state.best_mAP
        state.evaluations_since_best += 1
        if is_best:
            state.best_step, (state.best_mAP, state.best_mAP50) = state.step, score
            state.evaluations_since_best = 0
            self._learner.save_best(self._output)
        self._journal.validation(state.step, score, is_best)
        self._journal.detections(state.step, *self._evaluator.examples())
        self._logged += time.monotonic() - began


def check_finite(losses: np.ndarray, step: int, configuration: Configuration) -> None:
    """Raise ``BadInput`` when training has diverged, before anything is written that it could be resumed from."""
    if not np.isfinite(losses).all():
        raise BadInput(
            f"The loss is {losses.sum()} at step {step}: training diverged. Lower learning_rate "
            f"(now {configuration.learning_rate:g}) or raise warmup_steps (now {configuration.warmup_steps})."
        )


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
