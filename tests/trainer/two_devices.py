"""Run by ``test_replicas`` in a process of its own: the CPU as two devices, which only a fresh TensorFlow can be told.

    python two_devices.py DATA FOLDER

Prints one line of JSON: what one device and two made of the same.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from detector_trainer.batches import Part, training_batches
from detector_trainer.configuration import Configuration
from detector_trainer.errors import BadInput
from detector_trainer.learner import Learner
from detector_trainer.model import build_detector
from detector_trainer.records import find_shards, read_annotations
from detector_trainer.replicas import Replicas
from detector_trainer.training_pass import run_in_training

LABELS = {1: "red", 2: "green"}
SMALL = Configuration(
    backbone="mobilenet_v1",  # the one with fewer layers
    input_size=64,
    width=0.1,
    weights="none",
    finest_stride=16,
    batch_size=4,
    freeze_below=13,
)


def furthest(first: list[np.ndarray], second: list[np.ndarray]) -> float:
    """The largest difference of two lists of arrays, as a share of what is compared or of 1e-3."""
    pairs = zip(first, second, strict=True)
    return max(float(np.linalg.norm(one - other) / max(np.linalg.norm(one), 1e-3)) for one, other in pairs)


def network_in_double_precision(replicas: Replicas) -> dict[str, float]:
    """Keras's own pass on one device, and the trainer's on two: with so many digits only an error makes a difference.

    It comes last: Keras keeps to double precision afterwards.
    """
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    images = np.random.default_rng(3).uniform(0, 255, (4, 64, 64, 3))
    answers = []
    for together in (Replicas(), replicas):
        with together.scope():
            model = build_detector(SMALL, LABELS).model

        def learn(images: tf.Tensor, model: keras.Model = model, together: Replicas = together) -> list[tf.Tensor]:
            with tf.GradientTape() as tape:
                outputs = (
                    model(images, training=True)
                    if together.sum is None
                    else run_in_training(model, images, together.sum)
                )
                loss = tf.reduce_sum(outputs["boxes"] ** 2) + tf.reduce_sum(outputs["logits"] ** 2)
            results = [loss, *tape.gradient(loss, model.trainable_variables)]
            return results if together.sum is None else together.sum(results)

        given = next(together.stream(tf.data.Dataset.from_tensor_slices(images).batch(4 // together.count)))
        results = tf.function(lambda images: together.run(learn, images), autograph=False)(given)  # noqa: B023
        answers.append(([value.numpy() for value in results], [v.numpy() for v in model.non_trainable_variables]))
    (theirs, their_moving), (ours, our_moving) = answers
    means, variances = slice(0, None, 2), slice(1, None, 2)
    return {
        "gradients": furthest(theirs, ours),
        "moving_means": furthest(their_moving[means], our_moving[means]),
        "moving_variances": furthest(their_moving[variances], our_moving[variances]),
    }


def learner(replicas: Replicas, data: Path, folder: Path) -> dict[str, Any]:
    """Two steps of whole learners, whose backbone is frozen as after ImageNet."""
    weights = folder / "backbone.weights.h5"
    keras.utils.set_random_seed(1)
    keras.applications.MobileNet((64, 64, 3), alpha=0.1, include_top=False, weights=None).save_weights(weights)
    configuration = SMALL.replace(weights=str(weights))
    shards = find_shards(data, "train")
    annotations = read_annotations(shards, LABELS)
    losses, weights_after, apart = [], [], 0.0
    for together, part in ((Replicas(), Part()), (replicas, Part(replicas=2))):
        learner = Learner(configuration, LABELS, together)
        learner.set_rate(1e-3)
        batches = training_batches(shards, annotations, configuration, learner.detector.anchors, 0, part)
        stream = together.stream(batches)
        losses.append([learner.step(*next(stream)).numpy().tolist() for _ in range(2)])
        weights_after.append([*learner.detector.model.get_weights(), *learner.average.model.get_weights()])
    for model in (learner.detector.model, learner.average.model):
        for variable in model.variables:
            first, second = (component.numpy() for component in variable.value.values)
            apart = max(apart, float(np.abs(first - second).max()))
    return {"losses": losses, "weights": furthest(*weights_after), "replicas_apart": apart}


def refusal(replicas: Replicas) -> str:
    try:
        replicas.share_of(SMALL.replace(batch_size=5))
    except BadInput as refused:
        return str(refused)
    return ""


if __name__ == "__main__":
    half = tf.config.LogicalDeviceConfiguration()
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], [half, half])
    both = Replicas(tf.distribute.MirroredStrategy(["cpu:0", "cpu:1"]))
    found = learner(both, Path(sys.argv[1]), Path(sys.argv[2])) | network_in_double_precision(both)
    print(json.dumps(found | {"refusal": refusal(both)}))
