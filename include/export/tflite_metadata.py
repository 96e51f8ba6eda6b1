"""Labels and metadata inside a TFLite file, so that an app needs nothing beside it.

The file gets a ``TFLITE_METADATA`` buffer that describes its inputs and outputs, and ``labels.txt`` appended as a ZIP
archive (``unzip detector.tflite`` lists it). Both as specified in
https://github.com/tensorflow/tflite-support/blob/master/tensorflow_lite_support/metadata/metadata_schema.fbs, whose own
writer (tflite-support) is no longer released.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import flatbuffers
import numpy as np

LABELS = "labels.txt"
METADATA_NAME = b"TFLITE_METADATA"
METADATA_IDENTIFIER = b"M001"
MODEL_IDENTIFIER = b"TFL3"
BUFFER_ALIGNMENT = 16  # bytes; ``force_align`` in TFLite's schema, which flatbuffers' Python code ignores

# Values of the schema's enumerations and unions.
TENSOR_VALUE_LABELS = 3
RGB = 1
BOUNDARIES = 1
IMAGE_PROPERTIES = 2
BOUNDING_BOX_PROPERTIES = 3
FEATURE_PROPERTIES = 1
NORMALIZATION_OPTIONS = 1

DESCRIPTIONS = {
    "image": "RGB, 0..255, resized to the input's size without keeping the aspect ratio.",
    "detection_boxes": "ymin, xmin, ymax, xmax as fractions of the image's height and width.",
    "detection_classes": f"Lines of {LABELS}, from 0.",
    "detection_scores": "0..1, best first.",
    "num_detections": "How many of the rows are detections.",
}


def describe(model: bytes, label_map: Mapping[int, str], *, input_size: int) -> bytes:
    """The same model with metadata and labels inside.

    Args:
        model: a TFLite file with one signature, its inputs and outputs named as in ``DESCRIPTIONS``.
        label_map: class names by id, from 1; they become the lines of ``labels.txt``.
    """
    from ai_edge_litert import schema_py_generated as schema

    content = schema.ModelT.InitFromObj(schema.Model.GetRootAs(bytearray(model), 0))
    (signature,) = content.signatureDefs
    subgraph = content.subgraphs[signature.subgraphIndex]
    names = {tensor.tensorIndex: tensor.name.decode() for tensor in (*signature.inputs, *signature.outputs)}
    metadata = build_metadata([names[i] for i in subgraph.inputs], [names[i] for i in subgraph.outputs], input_size)

    buffer = schema.BufferT()
    buffer.data = np.frombuffer(metadata, np.uint8)
    content.buffers.append(buffer)
    entry = schema.MetadataT()
    entry.name = METADATA_NAME
    entry.buffer = len(content.buffers) - 1
    content.metadata = [*(content.metadata or []), entry]

    builder = _AligningBuilder(len(model) + len(metadata))
    builder.Finish(content.Pack(builder), MODEL_IDENTIFIER)
    return _with_labels(bytes(builder.Output()), [label_map[id_] for id_ in sorted(label_map)])


def build_metadata(inputs: Sequence[str], outputs: Sequence[str], input_size: int) -> bytes:
    """A ``ModelMetadata`` flatbuffer for tensors in the order in which the model has them."""
    builder = flatbuffers.Builder(1024)
    model = {
        0: "Object detector",
        1: "SSDLite on MobileNetV2 with non-maximum suppression, trained by Lanner.",
        3: [
            {
                2: [_image(name, input_size) for name in inputs],
                3: [_output(name) for name in outputs],
            }
        ],
        7: "1.0.0",  # the first version of the schema has all that is used here
    }
    builder.Finish(_write(builder, model), METADATA_IDENTIFIER)
    return bytes(builder.Output())


# --- the schema's tables, as fields by position


@dataclass(frozen=True)
class Scalar:
    type: str  # "Int8", "Uint8", "Uint32"
    value: int


Table = dict[int, Any]  # field's position → Scalar, str, numpy vector, Table or list of Tables


def _image(name: str, size: int) -> Table:
    default_size = {0: Scalar("Uint32", size), 1: Scalar("Uint32", size)}
    content = _content(IMAGE_PROPERTIES, {0: Scalar("Int8", RGB), 1: default_size})
    as_it_is = {0: np.zeros(1, np.float32), 1: np.ones(1, np.float32)}  # mean and deviation: the model scales itself
    normalization = {0: Scalar("Uint8", NORMALIZATION_OPTIONS), 1: as_it_is}
    value_range = {0: np.full(1, 255, np.float32), 1: np.zeros(1, np.float32)}
    return {**_tensor(name), 3: content, 4: [normalization], 5: value_range}


def _output(name: str) -> Table:
    if name == "num_detections":
        return {**_tensor(name), 3: _content(FEATURE_PROPERTIES, {})}
    rows = {0: Scalar("Int32", 2), 1: Scalar("Int32", 2)}  # the content is what one row of dimension 2 describes
    if name == "detection_boxes":
        order = np.array([1, 0, 3, 2], np.uint32)  # where left, top, right and bottom stand
        return {**_tensor(name), 3: _content(BOUNDING_BOX_PROPERTIES, {0: order, 1: Scalar("Int8", BOUNDARIES)}, rows)}
    labels = {0: LABELS, 1: "Class names, one a line.", 2: Scalar("Int8", TENSOR_VALUE_LABELS)}
    files = {6: [labels]} if name == "detection_classes" else {}
    return {**_tensor(name), 3: _content(FEATURE_PROPERTIES, {}, rows), **files}


def _tensor(name: str) -> Table:
    return {0: name, 1: DESCRIPTIONS[name]}


def _content(type_: int, properties: Table, value_range: Table | None = None) -> Table:
    content: Table = {0: Scalar("Uint8", type_), 1: properties}
    return content if value_range is None else {**content, 2: value_range}


def _write(builder: flatbuffers.Builder, table: Table) -> int:
    """Write a table, what it refers to first, and return its offset."""
    offsets = {slot: _write_reference(builder, value) for slot, value in table.items() if not isinstance(value, Scalar)}
    builder.StartObject(max(table, default=-1) + 1)
    for slot, value in table.items():
        if isinstance(value, Scalar):
            getattr(builder, f"Prepend{value.type}Slot")(slot, value.value, 0)
        else:
            builder.PrependUOffsetTRelativeSlot(slot, offsets[slot], 0)
    return builder.EndObject()


def _write_reference(builder: flatbuffers.Builder, value: Any) -> int:
    if isinstance(value, str):
        return builder.CreateString(value)
    if isinstance(value, np.ndarray):
        return builder.CreateNumpyVector(value)
    if isinstance(value, dict):
        return _write(builder, value)
    tables = [_write(builder, table) for table in value]
    builder.StartVector(4, len(tables), 4)
    for offset in reversed(tables):
        builder.PrependUOffsetTRelative(offset)
    return builder.EndVector()


# --- the file


class _AligningBuilder(flatbuffers.Builder):
    """A builder that starts vectors where LiteRT may read weights in place."""

    def StartVector(self, elemSize, numElems, alignment):
        return super().StartVector(elemSize, numElems, max(alignment, BUFFER_ALIGNMENT))


def _with_labels(model: bytes, labels: Sequence[str]) -> bytes:
    """Append ``labels.txt`` as an uncompressed ZIP archive, without a date: same labels, same bytes."""
    file = io.BytesIO(model)
    with zipfile.ZipFile(file, "a") as archive:
        entry = zipfile.ZipInfo(LABELS, date_time=(1980, 1, 1, 0, 0, 0))
        archive.writestr(entry, "".join(f"{' '.join(label.split())}\n" for label in labels))
    return file.getvalue()
