"""The state of a training and its one step: network, running average, optimiser; to and from a checkpoint."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from detector_trainer.anchors import Targets
from detector_trainer.checkpoints import AVERAGE, PROGRESS, read_checkpoint, write_checkpoint
from detector_trainer.configuration import Configuration
from detector_trainer.errors import BadInput
from detector_trainer.losses import count_matched, focal_loss, smooth_l1_loss
from detector_trainer.model import build_detector, load_backbone_weights, pretrained_and_new_variables
from detector_trainer.replicas import Replicas
from detector_trainer.training_pass import run_in_training

GRADIENT_NORM = 10.0  # longer gradients are cut to this


@dataclass
class Progress:
    """How far a training is; what of it outlives the process, besides the arrays."""

    step: int = 0
    seconds: float = 0.0  # spent in the training loop, over all its processes
    best_step: int = 0
    best_mAP: float = -1.0
    best_mAP50: float = -1.0
    highest_mAP: float = -1.0  # may be above best_mAP, see Loop
    evaluations_since_best: int = 0
    warnings: list[str] = field(default_factory=list)


class AdamW(keras.optimizers.AdamW):
    """AdamW for gradients that are summed over the replicas already, because their length is that of the sum."""

    def _all_reduce_sum_gradients(self, grads_and_vars: list[Any]) -> list[Any]:
        return grads_and_vars


class _Part:
    """Variables with the optimiser that changes them, by a share of the learning rate."""

    def __init__(self, variables: Sequence[keras.Variable], share: float, weight_decay: float) -> None:
        self.variables, self.share = variables, share
        self.optimizer = AdamW(weight_decay=weight_decay)
        # Decay is for kernels; batch norm's scales and all biases are one-dimensional.
        self.optimizer.exclude_from_weight_decay([v for v in variables if len(v.shape) == 1])
        self.optimizer.build(variables)


class Learner:
    """A detector being trained (``detector``) and the running average of its weights (``average``).

    ``detector.configuration`` says what came of it: weights are "none" where ImageNet's could not be had.

    Args:
        replicas: which learn together, each from its part of a batch. All have the same weights at all times.
    """

    def __init__(
        self, configuration: Configuration, label_map: dict[int, str], replicas: Replicas | None = None
    ) -> None:
        self.progress = Progress()
        self._replicas = replicas or Replicas()
        with self._replicas.scope():
            self._build(configuration, label_map)

    def _build(self, configuration: Configuration, label_map: dict[int, str]) -> None:
        self.detector = build_detector(configuration, label_map)
        warning = load_backbone_weights(self.detector)
        if warning is not None:
            self.progress.warnings.append(warning)
            self.detector = dataclasses.replace(self.detector, configuration=configuration.replace(weights="none"))
        self.average = build_detector(configuration, label_map)
        model = self.detector.model
        self.average.model.set_weights(model.get_weights())
        pretrained, new = pretrained_and_new_variables(self.detector)
        rates = ((new, 1.0), (pretrained, configuration.backbone_rate))
        self._parts = [_Part(variables, share, configuration.weight_decay) for variables, share in rates if variables]

    def set_rate(self, learning_rate: float) -> None:
        """For the steps from now on."""
        for part in self._parts:
            part.optimizer.learning_rate = learning_rate * part.share

    @tf.function(autograph=False)
    def step(self, images: tf.Tensor, targets: tuple[tf.Tensor, ...]) -> tf.Tensor:
        """Learn from one batch (see ``batches``), of which each replica has its part.

        Returns:
            (2,) class loss and box loss of the whole batch.
        """
        return self._replicas.run(self._learn, images, targets)

    def _learn(self, images: tf.Tensor, targets: tuple[tf.Tensor, ...]) -> tf.Tensor:
        """In one replica. The losses are shares of the batch's, so that sums of them and of gradients are its own."""
        model, configuration = self.detector.model, self.detector.configuration
        sum_over_replicas = self._replicas.sum
        matched = count_matched(Targets(*targets))
        if sum_over_replicas is not None:
            matched = sum_over_replicas(matched)
        with tf.GradientTape() as tape:
            outputs = run_in_training(model, images, sum_over_replicas)
            class_loss = focal_loss(outputs["logits"], outputs["boxes"], Targets(*targets), matched)
            box_loss = smooth_l1_loss(outputs["boxes"], Targets(*targets), matched)
            loss = class_loss + box_loss
        gradients = tape.gradient(loss, [part.variables for part in self._parts])
        losses = tf.stack([class_loss, box_loss])
        if sum_over_replicas is not None:
            gradients, losses = sum_over_replicas((gradients, losses))
        length = tf.linalg.global_norm(tf.nest.flatten(gradients))
        for part, part_gradients in zip(self._parts, gradients, strict=True):
            cut, _ = tf.clip_by_global_norm(part_gradients, GRADIENT_NORM, length)
            part.optimizer.apply_gradients(zip(cut, part.variables, strict=True))
        # The average forgets faster at first, so that random weights do not linger in it.
        done = tf.cast(self._parts[0].optimizer.iterations, tf.float32)
        decay = tf.minimum(configuration.ema_decay, (1 + done) / (10 + done))
        for average, weight in self._averaged():
            average.assign_sub((1 - decay) * (average - weight))
        return losses

    def checksum(self) -> float:
        """Of the weights: the same for the same."""
        return float(sum(np.abs(array.astype(np.float64)).sum() for array in self.detector.model.get_weights()))

    def _averaged(self) -> Iterator[tuple[keras.Variable, keras.Variable]]:
        """Each running average with its weight; what is frozen stays equal by itself."""
        for average, layer in zip(self.average.model.layers, self.detector.model.layers, strict=True):
            if layer.trainable:
                yield from zip(average.weights, layer.weights, strict=True)

    def _optimizer_variables(self) -> list[keras.Variable]:
        return [variable for part in self._parts for variable in part.optimizer.variables]

    def save(self, output: Path) -> None:
        """Write ``checkpoints/last``: all that is needed to go on exactly from here."""
        groups = {
            "weights": self.detector.model.get_weights(),
            AVERAGE: self.average.model.get_weights(),
            "optimizer": [variable.numpy() for variable in self._optimizer_variables()],
            PROGRESS: [np.array(json.dumps(dataclasses.asdict(self.progress)))],
        }
        write_checkpoint(output, "last", groups)

    def save_best(self, output: Path) -> None:
        write_checkpoint(output, "best", {AVERAGE: self.average.model.get_weights()})

    def restore(self, output: Path) -> None:
        """Go on from ``checkpoints/last`` of an output folder.

        Raises:
            BadInput: it is damaged, or was written for another network.
        """
        groups = read_checkpoint(output, "last")
        try:
            self.detector.model.set_weights(groups["weights"])
            self.average.model.set_weights(groups[AVERAGE])
            for variable, value in zip(self._optimizer_variables(), groups["optimizer"], strict=True):
                variable.assign(value)
        except ValueError as error:
            raise BadInput(f"The checkpoint in {output} does not fit this configuration: {error}") from error
        self.progress = Progress(**json.loads(str(groups[PROGRESS][0])))
