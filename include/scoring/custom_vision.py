"""Models that Azure's Custom Vision exported, run as its samples run them.

A model is a folder with ``model.pb`` or ``model.tflite``, ``labels.txt``, a class on each line, and
``metadata_properties.json``. In: an image, (1, S, S, 3) float32, 0..255, its channels as that last file says; where it
does not, BGR but for TensorFlow Lite of [S1], which wants RGB. Out, by the domain that it was trained in:

- General (compact) [S1]: ``detected_boxes`` (N, 4) xmin, ymin, xmax, ymax as fractions, ``detected_scores`` (N,) and
  ``detected_classes`` (N,), from 0;
- General (compact): (1, H, W, anchors x (5 + classes)), of which boxes have yet to be made (``yolo_detections``).

https://github.com/Azure-Samples/customvision-export-samples. The service itself says that its exports need not answer
as its prediction API does: images are resized a little differently.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from include.scoring.detections import Detections
from include.scoring.misses import iou
from include.scoring.picture import Picture

LABELS, GRAPH, LITE, ABOUT = "labels.txt", "model.pb", "model.tflite", "metadata_properties.json"
CHANNELS = "Image.BitmapPixelFormat"  # in the last: Rgb8 or Bgr8
OUTPUTS = ("detected_boxes", "detected_classes", "detected_scores")
# Of General (compact): width and height of each anchor in cells of the grid, as in the samples.
ANCHORS = np.array([[0.573, 0.677], [1.87, 2.06], [3.34, 5.47], [7.88, 3.53], [9.77, 9.17]])
LEAST_SCORE, SAME_OBJECT, MOST = 0.01, 0.45, 64  # as in the samples
RGB, BGR = (0, 1, 2), (2, 1, 0)
# A graph is a program. These operations reach beyond it, and no detector has them.
FORBIDDEN = frozenset(
    {"ReadFile", "WriteFile", "MatchingFiles", "SaveV2", "RestoreV2", "PyFunc", "EagerPyFunc", "PyFuncStateless"}
)
Outputs = Mapping[str, NDArray[Any]]


class CustomVisionGraph:
    """The frozen graph of an export.

    Args:
        class_ids: of the label map, by name.

    Raises:
        ValueError: it is no such graph, or one that would reach for files or for Python.
    """

    def __init__(self, folder: Path, class_ids: Mapping[str, int]) -> None:
        import tensorflow as tf
        from google.protobuf.message import DecodeError

        self._ids = ids_of(folder, class_ids)
        try:
            graph_def = tf.compat.v1.GraphDef.FromString((folder / GRAPH).read_bytes())
        except DecodeError as error:
            raise ValueError(f"{folder / GRAPH} is no frozen graph: {error}") from error
        nodes = [*graph_def.node, *(node for function in graph_def.library.function for node in function.node_def)]
        if reaching := FORBIDDEN & {node.op for node in nodes}:
            raise ValueError(f"{folder / GRAPH} has the operation {min(reaching)}, which no detector needs.")
        inputs = [node for node in graph_def.node if node.op == "Placeholder"]
        if len(inputs) != 1:
            raise ValueError(f"{folder / GRAPH} has {len(inputs)} inputs; expected one, the image.")
        (placeholder,) = inputs
        self.input_size = int(placeholder.attr["shape"].shape.dim[1].size)
        read = {each.partition(":")[0].lstrip("^") for node in graph_def.node for each in node.input}
        known = {node.name for node in graph_def.node}
        names = [name for name in OUTPUTS if name in known] or sorted(known - read)
        whole = tf.compat.v1.wrap_function(lambda: tf.import_graph_def(graph_def, name=""), [])
        self._channels = channels_of(folder, BGR)
        fetches = {name: whole.graph.get_tensor_by_name(f"{name}:0") for name in names}
        self._detect = whole.prune(whole.graph.get_tensor_by_name(f"{placeholder.name}:0"), fetches)

    def __call__(self, picture: Picture) -> Detections:
        import tensorflow as tf

        pixels = picture.resized(self.input_size)[None][..., self._channels].astype(np.float32)
        found = self._detect(tf.constant(pixels))
        return detections({name: tensor.numpy() for name, tensor in found.items()}, self._ids)


class CustomVisionLite:
    """The TensorFlow Lite file of an export, on one thread. ``class_ids``, ``ValueError`` as ``CustomVisionGraph``."""

    def __init__(self, folder: Path, class_ids: Mapping[str, int]) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._ids = ids_of(folder, class_ids)
        self._interpreter = Interpreter(model_path=str(folder / LITE), num_threads=1)
        self._interpreter.allocate_tensors()
        (self._input,) = self._interpreter.get_input_details()
        self.input_size = int(self._input["shape"][1])
        self._outputs = {
            each["name"].partition(":")[0]: each["index"] for each in self._interpreter.get_output_details()
        }
        self._channels = channels_of(folder, BGR if len(self._outputs) == 1 else RGB)

    def __call__(self, picture: Picture) -> Detections:
        pixels = picture.resized(self.input_size)[None][..., self._channels].astype(self._input["dtype"])
        self._interpreter.set_tensor(self._input["index"], pixels)
        self._interpreter.invoke()
        found = {name: self._interpreter.get_tensor(index) for name, index in self._outputs.items()}
        return detections(found, self._ids)


def detections(outputs: Outputs, class_ids: Sequence[int]) -> Detections:
    """What a model returned for one image.

    Args:
        class_ids: of the label map, in the order of the model's labels.
    """
    if set(OUTPUTS) <= outputs.keys():
        boxes, classes, scores = (np.asarray(outputs[name]) for name in OUTPUTS)
        boxes, classes, scores = boxes.reshape(-1, 4), classes.reshape(-1), scores.reshape(-1)
    elif len(outputs) == 1:
        boxes, classes, scores = yolo_detections(next(iter(outputs.values()))[0])
    else:
        raise ValueError(
            f"The model returns {', '.join(sorted(outputs))}; expected {', '.join(OUTPUTS)} or one output."
        )
    ids = np.array(class_ids)[np.rint(classes).astype(int)]
    return Detections.from_outputs(boxes[:, [1, 0, 3, 2]], ids, scores, len(scores), first_class=1)


def yolo_detections(grid: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Boxes (N, 4) xmin, ymin, xmax, ymax, classes (N,) from 0 and scores (N,) of a grid of YOLO version 2.

    Each cell has, for each anchor: the box's centre within the cell, the logarithms of its sides over the anchor's,
    a logit of there being anything, and logits of its class. https://arxiv.org/abs/1612.08242, but for the centre,
    which goes through no sigmoid in the samples.

    Args:
        grid: (H, W, anchors x (5 + classes)).
    """
    height, width = grid.shape[:2]
    cells = grid.reshape(height, width, len(ANCHORS), -1).astype(np.float64)
    centre_x = (cells[..., 0] + np.arange(width)[None, :, None]) / width
    centre_y = (cells[..., 1] + np.arange(height)[:, None, None]) / height
    half_width = np.exp(cells[..., 2]) * ANCHORS[:, 0] / width / 2
    half_height = np.exp(cells[..., 3]) * ANCHORS[:, 1] / height / 2
    corners = (centre_x - half_width, centre_y - half_height, centre_x + half_width, centre_y + half_height)
    boxes = np.stack(corners, axis=-1).reshape(-1, 4)
    likely = np.exp(cells[..., 5:] - cells[..., 5:].max(axis=-1, keepdims=True))
    likely /= likely.sum(axis=-1, keepdims=True) * (1 + np.exp(-cells[..., 4:5]))
    scores, classes = likely.max(axis=-1).reshape(-1), likely.argmax(axis=-1).reshape(-1)
    kept = _without_overlaps(boxes, scores)
    return boxes[kept], classes[kept], scores[kept]


def channels_of(folder: Path, usual: tuple[int, ...]) -> tuple[int, ...]:
    """The order of an image's channels that a model wants, of red, green and blue."""
    try:
        said = json.loads((folder / ABOUT).read_text())[CHANNELS]
    except (OSError, ValueError, LookupError, TypeError):
        return usual
    return {"Rgb8": RGB, "Bgr8": BGR}.get(said, usual)


def labels_of(folder: Path) -> list[str]:
    """The classes of an exported model, in the order in which it counts them."""
    lines = (folder / LABELS).read_text(encoding="utf-8-sig").splitlines()
    return [line.strip() for line in lines if line.strip()]


def ids_of(folder: Path, class_ids: Mapping[str, int]) -> list[int]:
    """The label map's id of each of a model's classes, in its order; ``ValueError`` if there is none."""
    labels = labels_of(folder)
    if unknown := [label for label in labels if label not in class_ids]:
        raise ValueError(f"{folder / LABELS} names {unknown[0]!r}; the label map has {', '.join(class_ids)}.")
    return [class_ids[label] for label in labels]


def _without_overlaps(boxes: NDArray[Any], scores: NDArray[Any]) -> list[int]:
    """The best, and those that overlap none better than them, of whatever class."""
    order = [int(i) for i in np.argsort(-scores, kind="stable") if scores[i] > LEAST_SCORE]
    as_sides = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    kept: list[int] = []
    while order and len(kept) < MOST:
        best, *rest = order
        kept.append(best)
        overlaps = iou(as_sides[[best]], as_sides[rest])[0] if rest else np.empty(0)
        order = [index for index, overlap in zip(rest, overlaps, strict=True) if overlap <= SAME_OBJECT]
    return kept
