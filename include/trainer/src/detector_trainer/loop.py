"""The training loop: steps, and what is due between them: log lines, evaluations, checkpoints, the end."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

from detector_trainer.configuration import Configuration
from detector_trainer.errors import BadInput
from detector_trainer.evaluation import Evaluator, Score
from detector_trainer.journal import Journal
from detector_trainer.learner import Learner
from detector_trainer.replicas import Replicas
from detector_trainer.schedule import Schedule

LOG_EVERY = 10  # steps

logger = logging.getLogger(__name__)


class Stopped(Exception):
    """The training was asked to stop, and can go on from the checkpoint that it wrote."""


class Loop:
    """Steps, and what happens between them. Every step ends with all that was due at it written down.

    Of several workers, which all run it, the chief evaluates and writes; its clock and its scores are those of all, so
    that they take every turn together. A signal to any of them stops them all.

    Args:
        journal: None in a worker that writes nothing.
    """

    def __init__(
        self,
        learner: Learner,
        schedule: Schedule,
        evaluator: Evaluator,
        journal: Journal | None,
        output: Path,
        should_stop: Callable[[], bool],
        replicas: Replicas | None = None,
    ) -> None:
        self._learner, self._schedule = learner, schedule
        self._evaluator, self._journal = evaluator, journal
        self._output, self._should_stop = output, should_stop
        self._configuration = learner.detector.configuration
        self._state = learner.progress
        self._replicas = replicas or Replicas()
        self._losses: list[tf.Tensor] = []

    def run(self, batches: tf.data.Dataset) -> None:
        """Train to the end of the schedule, or until patience is lost; ``Stopped`` if asked to stop before."""
        state, configuration = self._state, self._configuration
        began = time.monotonic() - state.seconds
        self._logged = time.monotonic()
        stream = self._replicas.stream(batches)
        while not self._is_finished():
            images, targets = next(stream)
            if state.step == 0 and self._journal is not None:
                seen = self._replicas.first((images, targets))
                self._journal.targets(seen[0], seen[1], self._learner.detector.anchors)
            self._learner.set_rate(self._schedule.learning_rate(state.step, state.seconds))
            self._losses.append(self._learner.step(images, targets))
            state.step += 1
            state.seconds, stopping = self._agreed(time.monotonic() - began, self._should_stop())
            last = self._schedule.progress(state.step, state.seconds) >= 1
            saving = stopping or last or state.step % configuration.checkpoint_every == 0
            if saving or state.step % LOG_EVERY == 0:
                self._log()
            if last or state.step % configuration.evaluate_every == 0:
                self._evaluate()
            if saving and self._journal is not None:
                self._learner.save(self._output)
            if stopping:
                self._replicas.wait_for_all()  # until it is written
                raise Stopped(f"Stopped at step {state.step} of {self._schedule.steps}; a checkpoint was written.")

    def _is_finished(self) -> bool:
        state, configuration = self._state, self._configuration
        if state.evaluations_since_best >= configuration.patience:
            logger.info("No better mAP in %d evaluations: stopping early.", configuration.patience)
            return True
        return self._schedule.progress(state.step, state.seconds) >= 1

    def _agreed(self, seconds: float, stopping: bool) -> tuple[float, bool]:
        """The chief's time, and whether any worker was asked to stop."""
        seconds, asked = self._replicas.total([seconds * self._replicas.is_chief, stopping])
        return seconds, asked > 0

    def _log(self) -> None:
        """Report the mean losses since the last time."""
        state, configuration = self._state, self._configuration
        losses = np.mean([loss.numpy() for loss in self._losses], axis=0)
        check_finite(losses, state.step, configuration)
        now = time.monotonic()
        if self._journal is not None:
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
        score = Score(*self._replicas.from_chief(self._evaluator() if self._replicas.is_chief else (0.0, 0.0)))
        state.evaluations_since_best += 1
        if score.mAP > state.highest_mAP:
            state.highest_mAP, state.evaluations_since_best = score.mAP, 0
        # Of two that the validation images cannot tell apart the later is better: it was trained for longer, at a
        # lower rate. (The rule of one standard error, Breiman et al., Classification and Regression Trees, 1984.)
        is_best = score.mAP >= state.highest_mAP - self._evaluator.standard_error(state.highest_mAP)
        if is_best:
            state.best_step, (state.best_mAP, state.best_mAP50) = state.step, score
            if self._journal is not None:
                self._learner.save_best(self._output)
        if self._journal is not None:
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
