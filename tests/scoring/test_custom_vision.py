"""Models that Custom Vision exported, run here: their channels, their classes, and boxes made of YOLO's grid."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from include.scoring.custom_vision import (
    ANCHORS,
    BGR,
    MOST,
    RGB,
    CustomVisionGraph,
    channels_of,
    detections,
    ids_of,
    yolo_detections,
)
from include.scoring.picture import Picture
from include.scoring.predict import load_predictor
from tests.toy_collection import make_images

CLASS_IDS = {"cat": 4, "dog": 2}


def folder_with(folder: Path, labels: str = "dog\ncat\n", **about: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "labels.txt").write_text(labels)
    (folder / "metadata_properties.json").write_text(json.dumps(about))
    return folder


# --- General (compact) [S1], which makes boxes itself


def test_outputs_by_name() -> None:
    outputs = {
        "detected_classes": np.array([1.0, 0.0], np.float32),
        "detected_boxes": np.array([[0.1, 0.2, 0.3, 0.6], [0, 0, 1, 1.2]], np.float32),
        "detected_scores": np.array([0.4, 0.9], np.float32),
    }
    found = detections(outputs, [2, 4])
    assert found.classes.tolist() == [2, 4], "best first"
    assert found.boxes[1].tolist() == pytest.approx([0.2, 0.1, 0.6, 0.3])
    assert found.boxes[0].tolist() == [0, 0, 1, 1]
    with pytest.raises(ValueError, match=r"The model returns a, b; expected detected_boxes"):
        detections({"a": outputs["detected_boxes"], "b": outputs["detected_scores"]}, [2, 4])


def test_classes_are_those_of_the_label_map(tmp_path: Path) -> None:
    assert ids_of(folder_with(tmp_path), CLASS_IDS) == [2, 4]
    with pytest.raises(ValueError, match="names 'cow'; the label map has cat, dog"):
        ids_of(folder_with(tmp_path, "cow\n"), CLASS_IDS)


def test_channels_are_as_the_export_says(tmp_path: Path) -> None:
    assert channels_of(folder_with(tmp_path, **{"Image.BitmapPixelFormat": "Rgb8"}), BGR) == RGB
    assert channels_of(folder_with(tmp_path, **{"Image.BitmapPixelFormat": "Bgr8"}), RGB) == BGR
    assert channels_of(folder_with(tmp_path), BGR) == BGR
    assert channels_of(tmp_path / "nowhere", RGB) == RGB


# --- General (compact), of whose grid boxes are made here


def grid(height: int = 13, width: int = 13, classes: int = 2) -> NDArray[np.float64]:
    """One in which there is nothing."""
    empty = np.zeros((height, width, len(ANCHORS), 5 + classes))
    empty[..., 4] = -20
    return empty


def flat(cells: NDArray[np.float64]) -> NDArray[np.float64]:
    return cells.reshape(*cells.shape[:2], -1)


def test_an_object_where_its_cell_says() -> None:
    cells = grid()
    cells[6, 3, 1] = [0.25, 0.5, np.log(2), 0, 3, 1, 4]
    boxes, classes, scores = yolo_detections(flat(cells))
    width, height = 2 * ANCHORS[1, 0] / 13, ANCHORS[1, 1] / 13
    x, y = 3.25 / 13, 6.5 / 13
    assert boxes.tolist() == [pytest.approx([x - width / 2, y - height / 2, x + width / 2, y + height / 2])]
    assert classes.tolist() == [1]
    assert scores.tolist() == [pytest.approx(1 / (1 + np.exp(-3)) / (1 + np.exp(-3)))]


def test_of_boxes_on_the_same_object_the_best_is_left() -> None:
    cells = grid()
    cells[6, 3, 1, 4:] = [3, 4, 0]
    cells[6, 3, 1, 0] = 0.5
    cells[6, 3, 2, 4:] = [1, 4, 0]  # larger: overlaps too little
    cells[6, 4, 1, 4:] = [2, 0, 4]  # half a cell beside it, of another class
    boxes, _, scores = yolo_detections(flat(cells))
    assert len(boxes) == 2
    assert scores[0] > scores[1]
    assert detections({"model_outputs": flat(cells)[None]}, [2, 4]).classes.tolist() == [2, 2]


def test_nothing_is_nothing_and_there_are_never_too_many() -> None:
    assert len(yolo_detections(flat(grid()))[0]) == 0
    everywhere = grid(30, 30)
    everywhere[..., 0, 4] = 5
    assert len(yolo_detections(flat(everywhere))[0]) == MOST


# --- what is not run


def graph(folder: Path, *operations: str) -> None:
    import tensorflow as tf

    graph_def = tf.compat.v1.GraphDef()
    placeholder = graph_def.node.add(op="Placeholder", name="image_tensor")
    for size in (1, 64, 64, 3):
        placeholder.attr["shape"].shape.dim.add(size=size)
    placeholder.attr["dtype"].type = tf.float32.as_datatype_enum
    for number, operation in enumerate(operations):
        graph_def.node.add(op=operation, name=f"node{number}")
    (folder / "model.pb").write_bytes(graph_def.SerializeToString())


def test_a_graph_that_reaches_for_files_is_not_run(tmp_path: Path) -> None:
    graph(folder_with(tmp_path), "ReadFile")
    with pytest.raises(ValueError, match="has the operation ReadFile, which no detector needs"):
        load_predictor("custom_vision_pb", tmp_path, {2: "dog", 4: "cat"})


def test_what_is_no_graph_is_refused(tmp_path: Path) -> None:
    (folder_with(tmp_path) / "model.pb").write_bytes(b"no graph at all")
    with pytest.raises(ValueError, match=r"model.pb"):
        CustomVisionGraph(tmp_path, CLASS_IDS)
    (tmp_path / "model.tflite").write_bytes(b"no model at all")
    with pytest.raises(ValueError, match="not a valid"):
        load_predictor("custom_vision_tflite", tmp_path, {2: "dog", 4: "cat"})


def test_a_graph_sees_the_image_in_its_channels(tmp_path: Path) -> None:
    """One that takes the mean of each channel for a score."""
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec((1, 64, 64, 3), tf.float32, name="image_tensor")])
    def look(image_tensor: tf.Tensor) -> tuple[tf.Tensor, ...]:
        means = tf.reduce_mean(image_tensor[0], axis=(0, 1)) / 255
        return (
            tf.identity(tf.zeros((3, 4)) + means[:, None] * 0, "detected_boxes"),
            tf.identity(tf.constant([0.0, 1.0, 0.0]) + means * 0, "detected_classes"),
            tf.identity(means, "detected_scores"),
        )

    picture = Picture(make_images(1, seed=1)[0].encoded)
    red, green, blue = (float(picture.resized(64)[..., channel].mean()) / 255 for channel in range(3))
    written = look.get_concrete_function().graph.as_graph_def()
    for said, expected in (("Rgb8", [red, green, blue]), ("Bgr8", [blue, green, red])):
        folder_with(tmp_path, **{"Image.BitmapPixelFormat": said})
        (tmp_path / "model.pb").write_bytes(written.SerializeToString())
        found = CustomVisionGraph(tmp_path, CLASS_IDS)
        assert found.input_size == 64
        seen = found(picture)
        assert sorted(seen.scores.tolist()) == pytest.approx(sorted(expected), abs=1e-4)
        by_class = {int(id_): score for id_, score in zip(seen.classes, seen.scores, strict=True) if id_ == 4}
        assert by_class[4] == pytest.approx(expected[1], abs=1e-4)
