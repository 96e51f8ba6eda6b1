"""The model files of an export, in the form that the domain "General (compact) [S1]" gives them.

``python -m tests.standins.azure.custom_vision_formats CHECKPOINT FOLDER`` writes ``model.pb`` and ``model.tflite``: in,
``image_tensor``, (1, S, S, 3) float32 RGB in 0..255; out, ``detected_boxes`` (64, 4) left, top, right, bottom as shares
of the image's sides, ``detected_classes`` (64,) line numbers of ``labels.txt`` from 0, ``detected_scores`` (64,).
Names, order of edges and missing batch dimension: https://github.com/Azure-Samples/customvision-export-samples
(``object_detection_s1``). That there are 64 rows is from memory. Colours are RGB by the README in the service's
archives, while the sample for TensorFlow turns them to BGR: ``metadata_properties.json`` tells which.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from detector_trainer.model import Detector

ROWS = 64
INPUT = "image_tensor"
OUTPUTS = ("detected_boxes", "detected_classes", "detected_scores")
XYXY = (1, 0, 3, 2)  # from ymin, xmin, ymax, xmax


def write_tensorflow(detector: Detector, path: Path) -> None:
    """``model.pb``: our frozen graph within one that has the service's names."""
    import tensorflow as tf

    from include.export.frozen_graph import write_frozen_graph

    size = detector.configuration.input_size
    write_frozen_graph(detector, path)
    ours = tf.compat.v1.GraphDef.FromString(path.read_bytes())
    with tf.Graph().as_default() as graph:
        image = tf.compat.v1.placeholder(tf.float32, (1, size, size, 3), INPUT)
        names = ["detection_boxes:0", "detection_classes:0", "detection_scores:0"]
        pixels = {"image_tensor:0": tf.cast(tf.round(image), tf.uint8)}
        boxes, classes, scores = tf.import_graph_def(ours, pixels, names, "detector")
        tf.gather(boxes[0, :ROWS], XYXY, axis=1, name=OUTPUTS[0])
        tf.cast(tf.maximum(classes[0, :ROWS] - 1, 0), tf.int64, OUTPUTS[1])
        tf.identity(scores[0, :ROWS], OUTPUTS[2])
        whole = tf.compat.v1.graph_util.extract_sub_graph(graph.as_graph_def(), OUTPUTS)
    path.write_bytes(whole.SerializeToString(deterministic=True))


def write_tflite(detector: Detector, path: Path) -> None:
    """``model.tflite``: the network and the post-processing of our own export, with the service's names."""
    import tensorflow as tf

    from include.export.tflite import frozen_network, post_processing

    size = detector.configuration.input_size
    network, post_process, anchors = frozen_network(detector), post_processing(detector), tf.constant(detector.anchors)

    class Lite(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((1, size, size, 3), tf.float32, INPUT)])
        def detect(self, image_tensor):
            boxes, classes, scores, _ = post_process(*network(image_tensor), anchors)
            edges = tf.clip_by_value(tf.gather(boxes[0, :ROWS], XYXY, axis=1), 0.0, 1.0)
            found = edges, tf.cast(classes[0, :ROWS], tf.int64), scores[0, :ROWS]
            return dict(zip(OUTPUTS, found, strict=True))

    lite = Lite()
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(lite, folder, signatures={"serving_default": lite.detect})
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.allow_custom_ops = True
        path.write_bytes(with_names(converter.convert()))


def with_names(model: bytes) -> bytes:
    """A TFLite file whose tensors are called as its signature calls them, for those who know no signatures."""
    from ai_edge_litert import schema_py_generated as schema

    from include.export.tflite_metadata import pack

    content = schema.ModelT.InitFromObj(schema.Model.GetRootAs(bytearray(model), 0))
    (signature,) = content.signatureDefs
    tensors = content.subgraphs[signature.subgraphIndex].tensors
    for named in (*signature.inputs, *signature.outputs):
        tensors[named.tensorIndex].name = named.name
    return pack(content, len(model))


def main(checkpoint: Path, folder: Path) -> None:
    from detector_trainer.model import load_detector

    detector = load_detector(checkpoint, "best")
    folder.mkdir(parents=True, exist_ok=True)
    write_tensorflow(detector, folder / "model.pb")
    write_tflite(detector, folder / "model.tflite")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
