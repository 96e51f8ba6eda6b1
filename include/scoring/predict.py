"""Run an exported model as its users will, whatever its format, and time it.

What is timed (``latency_ms``): one image at a time, on one thread, the model and its post-processing. Decoding and
resizing are left out, as a camera or a decoder of its own delivers pixels on a phone: the model is shown images that
already have its input size. The SavedModel takes encoded images only; it gets them as uncompressed PNG, whose reading
is a copy.
"""

from __future__ import annotations

import logging
import statistics
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np

from include.scoring.detections import Detections
from include.scoring.picture import Picture

logger = logging.getLogger(__name__)

WARM_UP = 3  # calls before timing: the first ones allocate and optimise


class Predictor(Protocol):
    """A loaded model: one image in, its detections out."""

    def __call__(self, picture: Picture) -> Detections: ...


class SavedModelPredictor:
    """TensorFlow's SavedModel through its serving signature: encoded images in, classes from 1 out."""

    def __init__(self, path: Path) -> None:
        import tensorflow as tf

        self._model = tf.saved_model.load(str(path))
        self._serve = self._model.signatures["serving_default"]

    def __call__(self, picture: Picture) -> Detections:
        import tensorflow as tf

        return _first_of_batch(self._serve(encoded_images=tf.constant([picture.encoded])))


class FrozenGraphPredictor:
    """A frozen GraphDef, with the names that the TF Object Detection API gives its inputs and outputs."""

    OUTPUTS = ("detection_boxes", "detection_classes", "detection_scores", "num_detections")

    def __init__(self, path: Path) -> None:
        import tensorflow as tf

        graph_def = tf.compat.v1.GraphDef.FromString(path.read_bytes())
        whole = tf.compat.v1.wrap_function(lambda: tf.import_graph_def(graph_def, name=""), [])
        fetches = {name: whole.graph.get_tensor_by_name(f"{name}:0") for name in self.OUTPUTS}
        self._detect = whole.prune(whole.graph.get_tensor_by_name("image_tensor:0"), fetches)

    def __call__(self, picture: Picture) -> Detections:
        import tensorflow as tf

        return _first_of_batch(self._detect(tf.constant(picture.pixels[None])))


class TFLitePredictor:
    """A TFLite file on LiteRT, as a phone runs it: outputs by name, classes from 0.

    One thread only: with more, LiteRT 2.3.0's ``TFLite_Detection_PostProcess`` with regular non-maximum suppression
    silently drops the class whose index equals the number of threads.
    """

    def __init__(self, path: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(model_path=str(path), num_threads=1)
        interpreter.allocate_tensors()
        self._detect = interpreter.get_signature_runner("serving_default")
        ((self._input, details),) = self._detect.get_input_details().items()
        self._dtype = details["dtype"]
        self._size = int(details["shape"][1])

    def __call__(self, picture: Picture) -> Detections:
        pixels = picture.resized(self._size)
        if self._dtype == np.uint8:
            pixels = np.rint(pixels).astype(np.uint8)
        outputs = self._detect(**{self._input: pixels[None]})
        return Detections.from_outputs(
            outputs["detection_boxes"][0],
            outputs["detection_classes"][0],
            outputs["detection_scores"][0],
            outputs["num_detections"][0],
            first_class=0,
        )


def load_predictor(format: str, path: Path, label_map: Mapping[int, str] = MappingProxyType({})) -> Predictor:
    """The runner for one of the export formats (``ExportResult.format``).

    Args:
        label_map: class names by id, which models that others made are asked for.

    Raises:
        ValueError: there is no such format, or a model that others made is none.
    """
    if format == "saved_model":
        return SavedModelPredictor(path)
    if format == "frozen_graph":
        return FrozenGraphPredictor(path)
    if format.startswith("tflite_"):
        return TFLitePredictor(path)
    if format.startswith("custom_vision_"):
        from include.scoring.custom_vision import CustomVisionGraph, CustomVisionLite

        class_ids = {name: id_ for id_, name in label_map.items()}
        return (CustomVisionGraph if format == "custom_vision_pb" else CustomVisionLite)(path, class_ids)
    raise ValueError(
        f"Got {format!r} as an export format; expected saved_model, frozen_graph, tflite_… or custom_vision_…."
    )


def limit_tensorflow_to_one_thread() -> None:
    """Make TensorFlow's timings single-threaded, like LiteRT's. Call it before TensorFlow runs anything.

    Where it is too late for that (TensorFlow's threads are those of the process) a warning is logged, and the
    latencies of SavedModel and frozen graph use all cores.
    """
    import tensorflow as tf

    try:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:
        logger.warning("TensorFlow has already started: SavedModel and frozen graph are not timed on one thread.")


def latency_ms(predictor: Predictor, pictures: Iterable[Picture]) -> float:
    """Median milliseconds per call over ``pictures``, which have the model's input size (``Picture.at_input_size``)."""
    pictures = list(pictures)
    for picture in pictures:
        predictor(picture)  # the first call also makes the picture's other forms, outside the timing
    for _ in range(WARM_UP):
        predictor(pictures[0])
    times = []
    for picture in pictures:
        start = time.perf_counter()
        predictor(picture)
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1000


def _first_of_batch(outputs: dict[str, Any]) -> Detections:
    return Detections.from_outputs(
        outputs["detection_boxes"][0].numpy(),
        outputs["detection_classes"][0].numpy(),
        outputs["detection_scores"][0].numpy(),
        outputs["num_detections"][0].numpy(),
        first_class=1,
    )
