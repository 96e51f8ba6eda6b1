"""TensorFlow Lite files with post-processing inside, in 32-bit and 16-bit floats and in 8-bit integers.

Every file has one signature, ``serving_default``, the same for all three:

- in: ``image``, (1, S, S, 3) RGB in 0..255, float32, or uint8 for int8;
- out: ``detection_boxes`` (1, 100, 4) ymin, xmin, ymax, xmax as fractions, ``detection_classes`` (1, 100) as line
  numbers of ``labels.txt`` **from 0**, ``detection_scores`` (1, 100) and ``num_detections`` (1,), all float32.

Read outputs by name: their order differs between converters. Run on one thread: LiteRT 2.3.0 loses the class whose
index equals the number of threads.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from include.export.tflite_metadata import describe

if TYPE_CHECKING:
    from detector_trainer.model import Detector

Precision = Literal["fp32", "fp16", "int8"]

MAX_DETECTIONS = 100
CALIBRATION_IMAGES = 100


def write_tflite(
    detector: Detector,
    files: dict[Precision, Path],
    *,
    calibration: Sequence[Path] = (),
    max_images: int = CALIBRATION_IMAGES,
) -> None:
    """Convert a detector to the precisions asked for.

    Args:
        files: where each precision is written.
        calibration: TFRecord shards of training images, for int8: the value ranges of the activations are measured
            on up to ``max_images`` of them.

    Raises:
        ValueError: int8 is asked for without calibration images.
    """
    if "int8" in files and not calibration:
        raise ValueError("tflite_int8 needs training images to calibrate on: pass shards of the training side.")
    size = detector.configuration.input_size
    with tempfile.TemporaryDirectory() as folder:
        _save_frozen(detector, folder)
        for precision, path in files.items():
            model = _convert(folder, precision, lambda: _calibration_images(calibration, size, max_images))
            path.write_bytes(describe(model, detector.label_map, input_size=size))


def _save_frozen(detector: Detector, folder: str) -> None:
    """Save the network with its weights as constants, followed by the fused post-processing."""
    import tensorflow as tf

    size = detector.configuration.input_size
    image = tf.TensorSpec((1, size, size, 3), tf.float32, name="image")
    frozen, post_process = frozen_network(detector), post_processing(detector)
    anchors = tf.constant(detector.anchors)

    class Lite(tf.Module):
        @tf.function(input_signature=[image])
        def detect(self, image):
            boxes, scores = frozen(image)
            boxes, classes, scores, count = post_process(boxes, scores, anchors)
            return {
                "detection_boxes": boxes,
                "detection_classes": classes,
                "detection_scores": scores,
                "num_detections": count,
            }

    lite = Lite()
    tf.saved_model.save(lite, folder, signatures={"serving_default": lite.detect})


def frozen_network(detector: Detector) -> Callable[..., Any]:
    """The network with its weights as constants: (1, S, S, 3) images to encoded boxes and scores of all anchors.

    Freezing comes first: converted straight from a Keras 3 model, a file would read variables that it does not
    contain, run without an error, and return zeros.
    """
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    size = detector.configuration.input_size

    @tf.function(input_signature=[tf.TensorSpec((1, size, size, 3), tf.float32, name="image")])
    def network(image):
        outputs = detector.model(image, training=False)
        return outputs["boxes"], tf.sigmoid(outputs["logits"])

    return convert_variables_to_constants_v2(network.get_concrete_function())


def post_processing(detector: Detector) -> Callable[..., Any]:
    """A placeholder function that the converter replaces by the custom operator ``TFLite_Detection_PostProcess``.

    Its attributes: https://github.com/tensorflow/tensorflow/blob/master/tensorflow/lite/kernels/detection_postprocess.cc
    Regular non-maximum suppression works class by class, as the SavedModel does; the fast one cost 0.17 mAP50.
    """
    import tensorflow as tf

    from detector_trainer.anchors import BOX_SCALES

    y_scale, x_scale, h_scale, w_scale = BOX_SCALES
    attributes: dict[str, bool | int | float] = {
        "max_detections": MAX_DETECTIONS,
        "max_classes_per_detection": 1,
        "detections_per_class": MAX_DETECTIONS,
        "use_regular_nms": True,
        "nms_score_threshold": float(detector.configuration.score_threshold),
        "nms_iou_threshold": float(detector.configuration.iou_threshold),
        "num_classes": len(detector.label_map),
        "y_scale": y_scale,
        "x_scale": x_scale,
        "h_scale": h_scale,
        "w_scale": w_scale,
    }
    signature = " ".join(
        ['name: "TFLite_Detection_PostProcess"', *(_attribute(name, value) for name, value in attributes.items())]
    )

    @tf.function(experimental_implements=signature)
    def post_process(boxes, scores, anchors):
        del boxes, scores, anchors
        return (
            tf.zeros((1, MAX_DETECTIONS, 4)),
            tf.zeros((1, MAX_DETECTIONS)),
            tf.zeros((1, MAX_DETECTIONS)),
            tf.zeros((1,)),
        )

    return post_process


def _attribute(name: str, value: bool | int | float) -> str:
    """One entry of a NameAttrList in protobuf's text format."""
    field = {bool: "b", int: "i", float: "f"}[type(value)]
    return f'attr {{ key: "{name}" value {{ {field}: {str(value).lower()} }} }}'


def _convert(
    folder: str, precision: Precision, calibration_images: Callable[[], Iterator[NDArray[np.float32]]]
) -> bytes:
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_saved_model(folder)
    converter.allow_custom_ops = True
    if precision != "fp32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "fp16":
        converter.target_spec.supported_types = [tf.float16]
    if precision == "int8":
        converter.representative_dataset = lambda: ([image[None]] for image in calibration_images())
        # Integers wherever there is a kernel for them; the post-processing operator takes floats.
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8, tf.lite.OpsSet.TFLITE_BUILTINS]
        converter.inference_input_type = tf.uint8
    return converter.convert()


def _calibration_images(shards: Sequence[Path], size: int, count: int) -> Iterator[NDArray[np.float32]]:
    """(size, size, 3) training images, taken from all shards in turn, resized as in training."""
    import tensorflow as tf

    from detector_trainer.records import decode_and_resize

    records = tf.data.Dataset.from_tensor_slices([str(shard) for shard in shards]).interleave(
        tf.data.TFRecordDataset, cycle_length=len(shards), block_length=1
    )
    for record in records.take(count).as_numpy_iterator():
        feature = tf.train.Example.FromString(record).features.feature
        yield decode_and_resize(feature["image/encoded"].bytes_list.value[0], size).numpy()
