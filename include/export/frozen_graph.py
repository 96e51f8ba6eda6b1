"""The frozen GraphDef: one ``.pb`` file, as TensorFlow 1 and OpenCV-era tools expect it.

Names are those of the TF Object Detection API's ``frozen_inference_graph.pb``: ``image_tensor:0`` in, (B, H, W, 3)
uint8 RGB of any size (resizing is part of the graph, decoding is not); ``detection_boxes:0`` (B, 100, 4) ymin, xmin,
ymax, xmax as fractions, ``detection_classes:0`` (B, 100) ids from 1, ``detection_scores:0`` (B, 100) and
``num_detections:0`` (B,) out, all float32.
https://github.com/tensorflow/models/blob/master/research/object_detection/exporter.py
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from detector_trainer.model import Detector


def write_frozen_graph(detector: Detector, path: Path) -> None:
    """Write the detector as one GraphDef whose weights are constants."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    from detector_trainer.detection import detect

    size = detector.configuration.input_size

    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3), tf.uint8, name="image_tensor")])
    def detect_in_images(image_tensor):
        found = detect(detector, tf.image.resize(image_tensor, (size, size)))
        return (
            tf.identity(found.boxes, "detection_boxes"),
            tf.identity(found.classes, "detection_classes"),
            tf.identity(found.scores, "detection_scores"),
            tf.cast(found.count, tf.float32, "num_detections"),
        )

    frozen = convert_variables_to_constants_v2(detect_in_images.get_concrete_function())
    path.write_bytes(frozen.graph.as_graph_def().SerializeToString(deterministic=True))
