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
from typing import Any

import flatbuffers
import numpy as np
from numpy.typing import NDArray

LABELS = "labels.txt"
METADATA_NAME = b"TFLITE_METADATA"
METADATA_IDENTIFIER = b"M001"
MODEL_IDENTIFIER = b"TFL3"
BUFFER_ALIGNMENT = 16  # bytes; ``force_align`` in TFLite's schema, which flatbuffers' Python code ignores

# The schema's tables and their fields in its order: in a flatbuffer a field is known by its position.
FIELDS = {
    "ModelMetadata": (
        *("name", "description", "version", "subgraph_metadata"),
        *("author", "license", "associated_files", "min_parser_version"),
    ),
    "SubGraphMetadata": ("name", "description", "input_tensor_metadata", "output_tensor_metadata"),
    "TensorMetadata": (
        *("name", "description", "dimension_names", "content"),
        *("process_units", "stats", "associated_files"),
    ),
    "Content": ("content_properties_type", "content_properties", "range"),
    "FeatureProperties": (),
    "ImageProperties": ("color_space", "default_size"),
    "ImageSize": ("width", "height"),
    "BoundingBoxProperties": ("index", "type", "coordinate_type"),
    "ValueRange": ("min", "max"),
    "ProcessUnit": ("options_type", "options"),
    "NormalizationOptions": ("mean", "std"),
    "Stats": ("max", "min"),
    "AssociatedFile": ("name", "description", "type"),
}

# Values of its enumerations, and members of its unions.
TENSOR_VALUE_LABELS = np.int8(3)
RGB = np.int8(1)
BOUNDARIES = np.int8(1)
CONTENT_PROPERTIES = {"FeatureProperties": 1, "ImageProperties": 2, "BoundingBoxProperties": 3}
NORMALIZATION_OPTIONS = np.uint8(1)

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

    return _with_labels(pack(content, len(model) + len(metadata)), [label_map[id_] for id_ in sorted(label_map)])


def pack(content: Any, size: int) -> bytes:
    """The bytes of a ``ModelT`` of TFLite's schema; ``size`` is about how many there will be."""
    builder = _AligningBuilder(size)
    builder.Finish(content.Pack(builder), MODEL_IDENTIFIER)
    return bytes(builder.Output())


def build_metadata(inputs: Sequence[str], outputs: Sequence[str], input_size: int) -> bytes:
    """A ``ModelMetadata`` flatbuffer for tensors in the order in which the model has them."""
    model = Table(
        "ModelMetadata",
        name="Object detector",
        description="SSDLite on a MobileNet with non-maximum suppression, trained by Lanner.",
        subgraph_metadata=[
            Table(
                "SubGraphMetadata",
                input_tensor_metadata=[_image(name, input_size) for name in inputs],
                output_tensor_metadata=[_output(name) for name in outputs],
            )
        ],
        min_parser_version="1.0.0",  # the first version of the schema has all that is used here
    )
    builder = flatbuffers.Builder(1024)
    builder.Finish(_write(builder, model), METADATA_IDENTIFIER)
    return bytes(builder.Output())


class Table:
    """A table of the schema: its name, and the fields that are set.

    Values are strings, tables, lists of tables, numpy vectors, and numpy integers of the schema's type.
    """

    def __init__(self, kind: str, **fields: Any) -> None:
        self.slots = {FIELDS[kind].index(name): value for name, value in fields.items()}
        self.size = len(FIELDS[kind])
        self.kind = kind


def _image(name: str, size: int) -> Table:
    as_it_is = Table("NormalizationOptions", mean=_floats(0), std=_floats(1))  # scaling is part of the model
    image = Table(
        "ImageProperties",
        color_space=RGB,
        default_size=Table("ImageSize", width=np.uint32(size), height=np.uint32(size)),
    )
    return Table(
        "TensorMetadata",
        name=name,
        description=DESCRIPTIONS[name],
        content=_content(image),
        process_units=[Table("ProcessUnit", options_type=NORMALIZATION_OPTIONS, options=as_it_is)],
        stats=Table("Stats", max=_floats(255), min=_floats(0)),
    )


def _output(name: str) -> Table:
    described: dict[str, Any] = {"name": name, "description": DESCRIPTIONS[name]}
    row = Table("ValueRange", min=np.int32(2), max=np.int32(2))  # the dimension of which one row is one detection
    if name == "num_detections":
        return Table("TensorMetadata", **described, content=_content(Table("FeatureProperties")))
    if name == "detection_boxes":
        order = np.array([1, 0, 3, 2], np.uint32)  # where left, top, right and bottom stand
        box = Table("BoundingBoxProperties", index=order, type=BOUNDARIES)
        return Table("TensorMetadata", **described, content=_content(box, range=row))
    if name == "detection_classes":
        labels = Table("AssociatedFile", name=LABELS, description="Class names, one a line.", type=TENSOR_VALUE_LABELS)
        described["associated_files"] = [labels]
    return Table("TensorMetadata", **described, content=_content(Table("FeatureProperties"), range=row))


def _content(properties: Table, **fields: Table) -> Table:
    member = np.uint8(CONTENT_PROPERTIES[properties.kind])
    return Table("Content", content_properties_type=member, content_properties=properties, **fields)


def _floats(*values: float) -> NDArray[np.float32]:
    return np.array(values, np.float32)


def _write(builder: flatbuffers.Builder, table: Table) -> int:
    """Write a table, what it refers to first, and return its offset."""
    offsets = {
        slot: _write_reference(builder, value)
        for slot, value in table.slots.items()
        if not isinstance(value, np.integer)
    }
    builder.StartObject(table.size)
    for slot, value in table.slots.items():
        if slot in offsets:
            builder.PrependUOffsetTRelativeSlot(slot, offsets[slot], 0)
        else:
            getattr(builder, f"Prepend{value.dtype.name.capitalize()}Slot")(slot, int(value), 0)
    return builder.EndObject()


def _write_reference(builder: flatbuffers.Builder, value: Any) -> int:
    if isinstance(value, str):
        return builder.CreateString(value)
    if isinstance(value, np.ndarray):
        return builder.CreateNumpyVector(value)
    if isinstance(value, Table):
        return _write(builder, value)
    tables = [_write(builder, table) for table in value]
    builder.StartVector(4, len(tables), 4)
    for offset in reversed(tables):
        builder.PrependUOffsetTRelative(offset)
    return builder.EndVector()


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
