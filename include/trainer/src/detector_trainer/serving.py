"""The SavedModel: encoded images in, detections out, nothing else needed to serve it."""

from __future__ import annotations

import shutil
from pathlib import Path

import tensorflow as tf

from detector_trainer.detection import detect
from detector_trainer.model import Detector
from detector_trainer.records import decode_and_resize


class ServedDetector(tf.Module):
    """A detector behind the signature that TF Serving and the TF Object Detection API's clients know."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.model = detector.model  # tracked, so that its variables are saved
        self._detector = detector

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "encoded_images")])
    def serve(self, encoded_images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Detections in (B,) encoded images (JPEG, PNG, …), of any sizes."""
        size = self._detector.configuration.input_size
        spec = tf.TensorSpec((size, size, 3), tf.float32)
        images = tf.map_fn(lambda encoded: decode_and_resize(encoded, size), encoded_images, fn_output_signature=spec)
        found = detect(self._detector, images)
        return {
            "detection_boxes": found.boxes,
            "detection_classes": found.classes,
            "detection_scores": found.scores,
            "num_detections": tf.cast(found.count, tf.float32),
        }


def write_saved_model(detector: Detector, folder: Path) -> None:
    """Write a SavedModel whose ``serving_default`` takes ``encoded_images``; replaces what was there."""
    temporary = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    served = ServedDetector(detector)
    tf.saved_model.save(served, str(temporary), signatures={"serving_default": served.serve})
    shutil.rmtree(folder, ignore_errors=True)
    temporary.rename(folder)
