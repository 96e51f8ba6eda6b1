"""Every export must say what the trained model says: compared image by image, not by a score alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from include.documents import ExportFormat
from include.export.formats import ALL, export_all
from include.export.gate import TOLERANCE
from include.export.outcome import export_results
from include.scoring.detections import Detections
from include.scoring.evaluation import Evaluation, evaluate
from include.scoring.holdout import HoldOut
from include.scoring.picture import Picture

CONFIDENT = 0.3


@pytest.fixture(scope="session")
def evaluations(exports, toy) -> dict[ExportFormat, Evaluation]:
    return evaluate(exports, HoldOut(toy.holdout_shards, toy.coco), input_size=toy.input_size)


def largest_difference(found: Detections, reference: Detections) -> tuple[float, float]:
    """Over the confident detections of ``reference``: the largest distance of a box's edge, and of a score."""
    edges, scores = [0.0], [0.0]
    for box, class_id, score in zip(reference.boxes, reference.classes, reference.scores, strict=True):
        if score < CONFIDENT:
            continue
        same_class = found.classes == class_id
        assert same_class.any(), f"class {class_id}, found with score {score:.2f} in the reference, is lost"
        distances = np.abs(found.boxes[same_class] - box).max(axis=1)
        edges.append(distances.min())
        scores.append(abs(found.scores[same_class][distances.argmin()] - score))
    return max(edges), max(scores)


def test_the_toy_detector_is_good_enough_to_test_with(evaluations):
    """Else the agreement below would prove nothing."""
    reference = evaluations["saved_model"]
    confident = [found.above(CONFIDENT) for found in reference.detections.values()]
    assert reference.score.metrics.mAP50 > 0.8
    assert {1, 2, 3} <= {int(class_id) for found in confident for class_id in found.classes}
    assert len({found.boxes.tobytes() for found in confident}) == len(confident), "the output depends on the image"


@pytest.mark.parametrize(
    ("format_", "edge", "score"),
    [
        ("frozen_graph", 1e-5, 1e-5),
        ("tflite_fp32", 1e-4, 1e-4),
        ("tflite_fp16", 0.03, 0.02),  # half precision may move an edge by a pixel of 64
        ("tflite_int8", 0.15, 0.3),  # quantisation moves single boxes by some pixels of 64
    ],
)
def test_detections_agree_with_the_saved_model(evaluations, format_, edge, score):
    reference = evaluations["saved_model"].detections
    differences = [largest_difference(evaluations[format_].detections[id_], found) for id_, found in reference.items()]
    worst_edge, worst_score = np.max(differences, axis=0)
    assert worst_edge <= edge, f"boxes differ by {worst_edge:.5f} of the image's side"
    assert worst_score <= score, f"scores differ by {worst_score:.5f}"


def test_the_gate_lets_all_of_them_through(evaluations, exports):
    # Trained for seconds, the toy's boxes move easily.
    tolerance = {**TOLERANCE, "tflite_fp16": 0.02, "tflite_int8": 0.05}
    results = export_results(evaluations, {format_: path.name for format_, path in exports.items()}, tolerance)
    assert [result.format for result in results] == list(ALL)
    assert {result.format: result.refused for result in results} == dict.fromkeys(ALL, ())
    assert all(0 < result.latency_ms < 1000 for result in results)


def test_quantisation_makes_files_smaller(exports):
    sizes = [exports[f"tflite_{precision}"].stat().st_size for precision in ("fp32", "fp16", "int8")]
    assert sizes[1] < 0.6 * sizes[0]
    assert sizes[2] < 0.5 * sizes[0]


def test_litert_still_loses_the_class_that_its_thread_count_names(exports, toy):
    """Why ``TFLitePredictor`` runs on one thread. When this fails, LiteRT was mended and may have its threads back."""
    assert classes_found(exports["tflite_fp32"], toy, threads=1) == {0, 1, 2}
    assert classes_found(exports["tflite_fp32"], toy, threads=2) == {0, 1}


def classes_found(path: Path, toy, *, threads: int) -> set[int]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path), num_threads=threads)
    interpreter.allocate_tensors()
    detect = interpreter.get_signature_runner("serving_default")
    found: set[int] = set()
    for image in HoldOut(toy.holdout_shards, toy.coco):
        outputs = detect(image=Picture(image.encoded).resized(toy.input_size)[None])
        count = int(outputs["num_detections"][0])
        found |= {int(class_index) for class_index in outputs["detection_classes"][0, :count]}
    return found


def test_the_frozen_graph_holds_its_weights_and_has_the_object_detection_api_s_names(exports):
    import tensorflow as tf

    graph = tf.compat.v1.GraphDef.FromString(exports["frozen_graph"].read_bytes())
    nodes = {node.name: node.op for node in graph.node}
    assert nodes["image_tensor"] == "Placeholder"
    assert {"detection_boxes", "detection_classes", "detection_scores", "num_detections"} <= nodes.keys()
    assert not {op for op in nodes.values() if "Variable" in op or "PartitionedCall" in op}


def test_int8_takes_and_computes_integers(exports):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(exports["tflite_int8"]))
    assert interpreter.get_input_details()[0]["dtype"] == np.uint8
    weights = [tensor for tensor in interpreter.get_tensor_details() if len(tensor["shape"]) == 4]
    floats = [tensor["name"] for tensor in weights if tensor["dtype"] == np.float32]
    assert not floats, "convolutions left in floats"


def test_int8_without_training_images_is_refused(toy, tmp_path):
    with pytest.raises(ValueError, match="training images"):
        export_all(toy.trained, tmp_path, formats=["tflite_int8"])
